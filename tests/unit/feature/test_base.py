"""The class syntax: what a feature class declares, and what it refuses."""

from collections.abc import Iterator, Mapping
from types import new_class
from typing import Any, ClassVar, Generic, TypeVar

import narwhals as nw
import pytest
from pydantic import Field

from metaxy.errors import DefinitionError, InvalidKeyError
from metaxy.feature.base import RESERVED_NAMES, BaseFeature
from metaxy.feature.registry import FeatureRegistry
from metaxy.models.columns import ColumnSpec
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.keys import FeatureKey

T = TypeVar("T")
SPEC = FeatureSpec("video/file", id_columns=["id"], fields=["audio", "frames"])


@pytest.fixture(autouse=True)
def registry() -> Iterator[FeatureRegistry]:
    """Each test declares its features by itself."""
    with FeatureRegistry().use() as registry:
        yield registry


def test_a_class_declares_its_spec_and_its_columns() -> None:
    """The definition has both, and where the class is."""

    class Video(BaseFeature, spec=SPEC):
        id: str
        height: int | None = Field(default=None, description="In pixels.")

    definition = Video.definition()

    assert Video.spec == definition.spec == SPEC
    assert definition.columns == (
        ColumnSpec("id", "string"),
        ColumnSpec("height", "int64", nullable=True, description="In pixels."),
    )
    assert definition.class_path == f"{__name__}.{Video.__qualname__}"
    assert definition.load_input is None


def test_an_instance_is_one_record() -> None:
    """Instances are pydantic models, which refuse columns that nobody declared."""

    class Video(BaseFeature, spec=SPEC):
        id: str
        height: int | None = None

    assert Video(id="a").model_dump() == {"id": "a", "height": None}
    with pytest.raises(ValueError, match="heigth"):
        Video(id="a", heigth=1)  # pyright: ignore[reportCallIssue]


def test_a_class_is_taken_for_its_key() -> None:
    """Wherever a feature is wanted, its class does."""

    class Video(BaseFeature, spec=SPEC): ...

    class Faces(BaseFeature, spec=FeatureSpec("video/faces", id_columns=["id"], deps=[Video])): ...

    assert FeatureKey(Video) == FeatureKey("video/file")
    assert Faces.spec.deps[0].feature == FeatureKey("video/file")


def test_a_plain_base_passes_its_columns_and_its_project_on(registry: FeatureRegistry) -> None:
    """A class without spec is registered nowhere."""

    class Base(BaseFeature):
        project = "p"
        id: str

    class Video(Base, spec=SPEC):
        height: int

    assert [column.name for column in Video.definition().columns] == ["id", "height"]
    assert Video.definition().project == "p"
    assert len(registry) == 1
    assert not hasattr(Base, "spec")


def test_a_generic_base_passes_its_columns_on() -> None:
    """A parameter of the base becomes the type of a column."""

    class Base(BaseFeature, Generic[T]):
        id: T

    class Video(Base[int], spec=SPEC): ...

    assert Video.definition().columns == (ColumnSpec("id", "int64"),)


def test_a_class_derived_from_a_feature_is_not_that_feature() -> None:
    """Without a spec of its own it has none, and is no key."""

    class Video(BaseFeature, spec=SPEC): ...

    class Derived(Video): ...

    assert not hasattr(Derived, "spec")
    with pytest.raises(InvalidKeyError, match="is no feature with a spec"):
        FeatureKey(Derived)
    with pytest.raises(DefinitionError, match="declared without spec="):
        Derived.feature_version()


def test_versions_are_those_of_the_active_graph(registry: FeatureRegistry) -> None:
    """A class asks the graph by its key."""

    class Video(BaseFeature, spec=SPEC): ...

    graph = registry.graph()

    assert Video.feature_version() == graph.feature_version("video/file")
    assert Video.code_version() == graph.code_version("video/file")
    assert Video.feature_spec_version() == graph.feature_spec_version("video/file")
    assert Video.full_definition_version() == graph.full_definition_version("video/file")


def test_an_overridden_hook_is_part_of_the_definition() -> None:
    """`load_input` is known when, and only when, a class or a base of it overrides it."""

    class Base(BaseFeature):
        @classmethod
        def load_input(
            cls,
            current: nw.LazyFrame[Any],
            upstream: Mapping[str, nw.LazyFrame[Any]],
        ) -> nw.LazyFrame[Any]:
            return upstream.get("a", current)

    class Video(Base, spec=SPEC): ...

    hook = Video.definition().load_input

    assert hook is not None
    assert hook("current", {"a": "upstream"}) == "upstream"


def test_the_hook_itself_says_that_it_is_one() -> None:
    """Calling the hook of a class that does not override it is an error with the way out."""

    class Video(BaseFeature, spec=SPEC): ...

    frame: Any = None

    with pytest.raises(NotImplementedError, match="Video does not override load_input"):
        Video.load_input(frame, {})


def test_every_fault_of_a_class_statement_comes_at_once() -> None:
    """Unknown keywords with the nearest name, and columns that hide what features have."""
    with pytest.raises(DefinitionError) as caught:

        class Video(BaseFeature, spce=SPEC):  # pyright: ignore[reportUnusedClass]
            spec: str  # pyright: ignore[reportIncompatibleVariableOverride]
            project: str = "p"  # pyright: ignore[reportIncompatibleVariableOverride]

    assert caught.value.faults == (
        "it takes no class keyword 'spce'. Did you mean 'spec'?",
        "the column 'project' is called like an attribute of every feature; "
        "the project is given without annotation: project = '…'",
        "the column 'spec' is called like an attribute of every feature",
    )


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_no_column_hides_an_attribute_of_features(name: str) -> None:
    """Every public name of `BaseFeature` itself is reserved."""
    with pytest.raises(DefinitionError, match=f"the column '{name}' is called like"):
        type("Video", (BaseFeature,), {"__annotations__": {name: str}, "__module__": __name__})


def test_all_own_names_are_reserved() -> None:
    """A new method of `BaseFeature` has to be added to the reserved names."""
    own = {name for name in vars(BaseFeature) if not name.startswith(("_", "model_"))}

    assert own | {"spec"} == RESERVED_NAMES


def test_a_class_variable_may_be_annotated_as_one() -> None:
    """`ClassVar` makes no column."""

    class Video(BaseFeature, spec=SPEC):
        project: ClassVar[str | None] = "p"

    assert Video.definition().project == "p"
    assert Video.definition().columns == ()


def test_an_id_may_not_be_none() -> None:
    """An id column is declared without None, or not at all."""
    with pytest.raises(DefinitionError, match="the id column 'id' may be None"):

        class Video(BaseFeature, spec=SPEC):  # pyright: ignore[reportUnusedClass]
            id: str | None


def test_a_spec_of_another_type_is_refused() -> None:
    """A key is not a spec."""
    with pytest.raises(DefinitionError, match="'spec' should be a FeatureSpec, got 'video/file'"):
        new_class("Video", (BaseFeature,), {"spec": "video/file"})


def test_a_spec_in_the_body_is_refused() -> None:
    """Else the class would be a plain base, and nobody would miss the feature at first."""
    with pytest.raises(DefinitionError) as caught:

        class Video(BaseFeature):  # pyright: ignore[reportUnusedClass]
            spec = SPEC

    assert caught.value.faults == (
        "'spec' is given in the class statement: class Video(BaseFeature, spec=FeatureSpec(…))",
    )


def test_a_project_in_the_class_statement_is_told_where_it_belongs() -> None:
    """It is given in the body."""
    with pytest.raises(DefinitionError, match="write project = 'p' in the body of the class"):
        new_class("Video", (BaseFeature,), {"spec": SPEC, "project": "p"})


def test_a_column_that_pydantic_does_not_know_is_refused_by_name() -> None:
    """Pydantic names the type alone, and recommends an option that would not help."""
    with pytest.raises(DefinitionError) as caught:

        class Video(BaseFeature, spec=SPEC):  # pyright: ignore[reportUnusedClass]
            id: str
            pixels: memoryview

    assert str(caught.value) == (
        "The class test_a_column_that_pydantic_does_not_know_is_refused_by_name.<locals>.Video "
        "declares no valid table: the column 'pixels': memoryview has no column type; say which "
        'is meant: Annotated[memoryview, ColumnType("string")]'
    )


def test_a_column_without_a_type_is_refused_when_the_class_is_declared(
    registry: FeatureRegistry,
) -> None:
    """The class is not registered."""
    with pytest.raises(DefinitionError, match="the column 'x': complex has no column type"):

        class Video(BaseFeature, spec=SPEC):  # pyright: ignore[reportUnusedClass]
            x: complex

    assert len(registry) == 0


def test_options_of_pydantic_are_taken() -> None:
    """A feature class is a pydantic model and is configured like one."""

    class Video(BaseFeature, spec=SPEC, str_to_lower=True):
        id: str

    assert Video(id="A").id == "a"
    assert Video.model_config.get("extra") == "forbid"
