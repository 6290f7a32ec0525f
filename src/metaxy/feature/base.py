"""The class syntax of features.

    class Video(BaseFeature, spec=FeatureSpec("video/file", id_columns=["id"])):
        id: str
        path: str
        height: int | None = None

The spec says what the feature is; the fields of the class say which columns its table has. An
instance is an ordinary pydantic model of one record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.errors import PydanticSchemaGenerationError

from metaxy.errors import DefinitionError, did_you_mean
from metaxy.feature.registry import FeatureRegistry
from metaxy.graph.graph import FeatureGraph
from metaxy.models.columns import ColumnSpec, column_specs
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import narwhals as nw
    from pydantic_core import core_schema

RESERVED_NAMES: Final = frozenset(
    {"spec", "project", "definition", "load_input"}
    | {"feature_version", "code_version", "feature_spec_version", "full_definition_version"}
)
"""Names that mean something on a feature class and so can't be columns."""


class BaseFeature(BaseModel):
    """The base of every feature; without `spec=`, of plain classes that hand their columns on.

    Attributes:
        spec: What the class was declared with. A class without one has no such attribute, even
            when it is derived from a feature.
        project: Whose feature it is. None is the project of the registry's configuration, or
            else the top-level package.
    """

    model_config = ConfigDict(extra="forbid")

    spec: ClassVar[FeatureSpec]
    project: ClassVar[str | None] = None

    def __init_subclass__(
        cls, *, spec: FeatureSpec | None = None, **options: Unpack[ConfigDict]
    ) -> None:
        faults = [*_spec_faults(cls, spec), *_option_faults(options), *_name_faults(cls)]
        if faults:
            raise DefinitionError(f"The feature class {cls.__qualname__} is not valid", faults)
        super().__init_subclass__(**options)

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        spec: FeatureSpec | None = None,
        **options: Any,  # noqa: ANN401 — as pydantic has it
    ) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.spec = spec if spec is not None else cast("FeatureSpec", _NoSpec())
        if spec is not None:
            FeatureRegistry.active().add(
                _definition(cls, default_project=None), has_own_project=cls.project is not None
            )

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: type[BaseModel],
        handler: GetCoreSchemaHandler,
        /,
    ) -> core_schema.CoreSchema:
        try:
            return handler(source)
        except PydanticSchemaGenerationError as error:
            column_specs(source)  # tells which column it is, unless its type is overridden
            said = error.message.partition(".")[0]
            raise DefinitionError(
                f"The feature class {source.__qualname__} is not valid",
                f"pydantic knows no such type: {said}. Annotate the column with what the table "
                "holds, such as list[float], or give arbitrary_types_allowed=True in the class "
                "statement",
            ) from error

    @classmethod
    def definition(cls) -> FeatureDefinition:
        """Give the feature as a value, without the class.

        Raises:
            DefinitionError: The class has no spec, or declares columns that can't be.
        """
        return _definition(cls, default_project=FeatureRegistry.active().default_project)

    @classmethod
    def feature_version(cls) -> str:
        """Give the version in the active graph, at full length; a store may cut it."""
        return FeatureGraph.get_active().feature_version(_spec_of(cls).key)

    @classmethod
    def code_version(cls) -> str:
        """Give the version of the code of all fields alone, whatever they are made from."""
        return FeatureGraph.get_active().code_version(_spec_of(cls).key)

    @classmethod
    def feature_spec_version(cls) -> str:
        """Give the version of the whole spec, descriptions and metadata included."""
        return FeatureGraph.get_active().feature_spec_version(_spec_of(cls).key)

    @classmethod
    def full_definition_version(cls) -> str:
        """Give the version of the spec, the declared columns and the project together."""
        return FeatureGraph.get_active().full_definition_version(_spec_of(cls).key)

    @classmethod
    def load_input(
        cls, current: nw.LazyFrame[Any], upstream: Mapping[str, nw.LazyFrame[Any]]
    ) -> nw.LazyFrame[Any]:
        """Choose and join the records that are expected; a hook for subclasses to override.

        It takes the place of the join of the upstream features on their shared id columns, in
        increments and in migrations. Versions are attached to its result afterwards, so it need
        not carry them.

        Args:
            current: The feature's current records, without rows where there are none.
            upstream: By key, the current records of each upstream feature, already filtered,
                with columns selected and renamed.

        Returns:
            One row an expected record, with the id columns of this feature and of every upstream
            (as they are called here), and whatever columns shall come along.
        """
        del current, upstream
        raise NotImplementedError(
            f"{cls.__qualname__} does not override load_input: its inputs are joined by "
            "store.resolve_update(), which calls this hook only where a class overrides it"
        )


class _NoSpec:
    """Stands for `spec` on classes without one, so that they don't show the spec of a base."""

    def __get__(self, instance: object, owner: type) -> FeatureSpec:
        raise AttributeError(name="spec", obj=owner)


def _spec_of(cls: type[BaseFeature]) -> FeatureSpec:
    spec = getattr(cls, "spec", None)
    if spec is None:
        raise DefinitionError(
            f"{cls.__qualname__} is no feature, but a plain base: it was declared without spec=. "
            f"Ask a feature that is derived from it, or declare "
            f"class {cls.__name__}(BaseFeature, spec=FeatureSpec(…))"
        )
    return spec


def _definition(cls: type[BaseFeature], *, default_project: str | None) -> FeatureDefinition:
    spec = _spec_of(cls)
    columns = column_specs(cls)
    faults = _id_faults(spec, columns)
    if faults:
        raise DefinitionError(f"The feature class {cls.__qualname__} is not valid", faults)
    return FeatureDefinition(
        spec=spec,
        project=cls.project or default_project or cls.__module__.partition(".")[0],
        columns=columns,
        class_path=f"{cls.__module__}.{cls.__qualname__}",
        load_input=_own_load_input(cls),
    )


def _own_load_input(cls: type[BaseFeature]) -> Callable[..., object] | None:
    hook: Callable[..., object] = cls.load_input
    inherited = getattr(hook, "__func__", hook) is vars(BaseFeature)["load_input"].__func__
    return None if inherited else hook


def _spec_faults(cls: type, spec: object) -> Iterable[str]:
    if "spec" in vars(cls):
        yield (
            "'spec' is given in the class statement: "
            f"class {cls.__name__}(BaseFeature, spec=FeatureSpec(…))"
        )
    if spec is not None and not isinstance(spec, FeatureSpec):
        yield f"'spec' should be a FeatureSpec, got {spec!r}"


def _option_faults(options: Mapping[str, object]) -> Iterable[str]:
    """Tell class keywords that mean nothing; pydantic has taken away its own by now."""
    for name in options:
        if name == "project":
            yield (
                f"it takes no class keyword 'project': write project = {options[name]!r} in the "
                "body of the class"
            )
        else:
            yield f"it takes no class keyword {name!r}.{did_you_mean(name, ['spec'])}"


def _name_faults(cls: type) -> Iterable[str]:
    annotations = cast("Mapping[str, object]", vars(cls).get("__annotations__", {}))
    for name in sorted(RESERVED_NAMES & annotations.keys()):
        if "ClassVar" not in str(annotations[name]):
            yield f"the column {name!r} is called like an attribute of every feature" + (
                "; the project is given without annotation: project = '…'"
                if name == "project"
                else ""
            )


def _id_faults(spec: FeatureSpec, columns: Iterable[ColumnSpec]) -> list[str]:
    declared = {column.name: column for column in columns}
    return [
        f"the id column {name!r} may be None, but ids name records: annotate it without None"
        for name in spec.id_columns
        if name in declared and declared[name].nullable
    ]
