"""Specs: what is taken, what is refused, and that they come back from JSON unchanged."""

import pickle
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaxy.errors import DefinitionError
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.fields import ALL, FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.models.lineage import Lineage

NAMES = st.text("abcdefgh", min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
LINEAGES = st.one_of(
    st.just(Lineage.identity()),
    st.builds(Lineage.aggregation, st.lists(NAMES, min_size=1, unique=True)),
    st.builds(Lineage.expansion, st.lists(NAMES, min_size=1, unique=True)),
)
MAPPINGS = st.one_of(
    st.builds(FieldsMapping.default, match_suffix=st.booleans(), exclude_fields=st.lists(NAMES)),
    st.builds(FieldsMapping.specific, st.dictionaries(NAMES, st.lists(NAMES))),
    st.just(FieldsMapping.all()),
)
FIELD_DEPS = st.builds(FieldDep, feature=NAMES, fields=st.lists(NAMES) | st.just(ALL))
FIELDS = st.builds(
    FieldSpec,
    key=NAMES,
    code_version=NAMES | st.integers(),
    deps=st.none() | st.just(ALL) | st.lists(FIELD_DEPS, unique_by=lambda dep: dep.feature),
    description=st.none() | st.text(),
)
DEPS = st.builds(
    FeatureDep,
    feature=NAMES,
    columns=st.none() | st.lists(NAMES, unique=True),
    rename=st.dictionaries(NAMES, NAMES),
    fields_mapping=MAPPINGS,
    filters=st.lists(st.sampled_from(["a > 1", "not b in ('x','y')", 'c."d e" is null'])),
    lineage=st.none() | LINEAGES,
    optional=st.booleans(),
)
SPECS = st.builds(
    FeatureSpec,
    key=NAMES,
    id_columns=st.lists(NAMES, min_size=1, unique=True),
    deps=st.lists(DEPS, max_size=3),
    fields=st.lists(FIELDS, min_size=1, max_size=3, unique_by=lambda field: field.key),
    lineage=st.none() | LINEAGES,
    metadata=st.dictionaries(st.text(), JSON, max_size=3),
    description=st.none() | st.text(),
    tags=st.lists(st.text()),
)


class Upstream:
    """A class with a spec, which is all that a feature class needs to be taken as a dependency."""

    spec = FeatureSpec("up/stream", id_columns=["id"])


@given(SPECS)
def test_a_spec_comes_back_from_json_and_pickle(spec: FeatureSpec) -> None:
    """Equal, with an equal hash and the same text, after a round trip."""
    text = spec.model_dump_json()

    restored = FeatureSpec.model_validate_json(text)

    assert restored == spec
    assert hash(restored) == hash(spec)
    assert restored.model_dump_json() == text
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 — our own bytes


def test_short_forms_stand_for_long_ones() -> None:
    """Names, keys and classes stand for dependencies and fields; one name for a list of it."""
    short = FeatureSpec(
        "a", id_columns="id", deps=[Upstream, "b/c", FeatureKey("d")], fields=["x", FieldKey("y")]
    )

    assert short == FeatureSpec(
        FeatureKey(["a"]),
        id_columns=["id"],
        deps=[FeatureDep("up/stream"), FeatureDep("b/c"), FeatureDep("d")],
        fields=[FieldSpec("x", "1"), FieldSpec("y", 1)],
    )


def test_the_smallest_spec_has_one_default_field() -> None:
    """No dependencies, one field `default` of code version 1."""
    spec = FeatureSpec("a", id_columns=["id"])

    assert (spec.deps, spec.fields) == ((), (FieldSpec("default", "1"),))
    assert spec.field(FieldKey("default")) == FieldSpec()
    assert spec.field(FieldKey("other")) is None


def test_the_lineage_of_a_spec_is_shorthand() -> None:
    """It holds for dependencies that give none; where neither does, it is identity."""
    plain, own = FeatureDep("b"), FeatureDep("c", lineage=Lineage.identity())
    spec = FeatureSpec("a", id_columns="id", deps=[plain, own], lineage=Lineage.aggregation("id"))

    assert spec.lineage_of(plain) == Lineage.aggregation("id")
    assert spec.lineage_of(own) == Lineage.identity()
    assert FeatureSpec("a", id_columns="id").lineage_of(plain) == Lineage.identity()


def test_all_fields_differ_from_no_fields_and_from_unsaid_ones() -> None:
    """Three things that a field can say of its parents, kept apart in JSON too."""
    specs = [FieldSpec("a"), FieldSpec("a", deps=[]), FieldSpec("a", deps=ALL)]

    assert [spec.model_dump(mode="json")["deps"] for spec in specs] == [None, [], "*"]
    assert [FieldSpec.model_validate_json(spec.model_dump_json()) for spec in specs] == specs


def test_filters_are_kept_in_canonical_form() -> None:
    """One text stands for a list of it; formatting makes no other dependency."""
    dep = FeatureDep("a", filters="(height>=720)  and not path is NULL")

    assert dep.filters == (SqlFilter("height >= 720 AND path IS NOT NULL"),)
    assert dep == FeatureDep("a", filters=["height >= 720 AND path IS NOT NULL"])


def test_metadata_does_not_change_with_what_it_was_made_from() -> None:
    """A spec is frozen all the way down."""
    inner = {"b": [1]}
    spec = FeatureSpec("a", id_columns="id", metadata={"a": inner})

    inner["b"].append(2)

    assert spec.model_dump()["metadata"] == {"a": {"b": [1]}}
    with pytest.raises(TypeError):
        spec.metadata["x"] = 1  # pyright: ignore[reportIndexIssue]


def test_a_spec_shows_what_differs_from_the_defaults() -> None:
    """The readable form is as short as what one would write."""
    spec = FeatureSpec("a/b", id_columns=["id"], deps=[FeatureDep("c", optional=True)])

    assert repr(spec) == (
        "FeatureSpec(FeatureKey('a/b'), id_columns=('id',), "
        "deps=(FeatureDep(FeatureKey('c'), optional=True),))"
    )


def test_every_fault_of_a_spec_is_told_with_the_nearest_name() -> None:
    """Unknown keywords, missing ones and wrong values come in one error."""
    with pytest.raises(DefinitionError) as caught:
        FeatureSpec("a", idcolumns=["id"], deps=5, tagz=[])  # pyright: ignore[reportCallIssue]

    assert str(caught.value) == (
        "FeatureSpec('a') is not valid, 4 faults:\n"
        "  - it needs 'id_columns'\n"
        "  - 'deps' should be a list or a tuple, got 5\n"
        "  - it takes no 'idcolumns'. Did you mean 'id_columns'?\n"
        "  - it takes no 'tagz'. Did you mean 'tags'?"
    )


def test_every_fault_of_the_values_is_told() -> None:
    """What is wrong with values that are each of the right type comes in one error too."""
    with pytest.raises(DefinitionError) as caught:
        FeatureSpec("a", id_columns=["metaxy_id", "ID", "id", ""], fields=["x", "X"])

    assert caught.value.faults == (
        "'id_columns' has an empty name",
        "'id_columns' names one column more than once: 'ID', 'id'",
        "'id_columns' has 'metaxy_id'; 'metaxy_' is reserved for system columns",
        "'fields' names one field more than once: 'x', 'X'",
    )


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"id_columns": []}, "'id_columns' is empty"),
        ({"id_columns": {"b", "a"}}, r"a set has no order: write \['a', 'b'\]"),
        ({"id_columns": [1]}, r"'id_columns\[0\]' should be a text, got 1"),
        ({"fields": []}, "'fields' is empty"),
        ({"key": "a__b"}, r"^FeatureSpec\('a__b'\) is not valid: the part 'a__b' has '__'"),
        ({"key": ""}, r"^FeatureSpec\(''\) is not valid: a part is empty"),
        ({"key": int}, "'key': The class int is not a feature key"),
        ({"deps": ["a b"]}, r"'deps': FeatureDep\('a b'\) is not valid: the part 'a b' has ' '"),
        ({"deps": [5]}, r"'deps\[0\]' should be a FeatureDep, got 5"),
        ({"metadata": {"a": {1}}}, r"'metadata': \['a'\] is \{1\}, which JSON cannot say"),
        ({"metadata": {"a": [float("nan")]}}, r"\['a'\]\[0\] is nan"),
        ({"metadata": {"a": {1: 2}}}, r"\['a'\] has the key 1; JSON keys are texts"),
    ],
)
def test_a_wrong_spec_is_refused(arguments: dict[str, object], fault: str) -> None:
    """Each fault is named with its place and its value."""
    good: dict[str, object] = {"key": "a", "id_columns": ["id"]}

    with pytest.raises(DefinitionError, match=fault):
        FeatureSpec(**cast("dict[str, str]", good | arguments))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"colums": ["a"]}, "it takes no 'colums'. Did you mean 'columns'?"),
        ({"columns": ["a", "A"]}, "names one column more than once: 'a', 'A'"),
        ({"rename": {"a": ""}}, "a column name is empty"),
        ({"filters": "a >"}, "'filters[0]': The filter 'a >' is not understood"),
        ({"filters": [lambda: 1]}, "a filter of a definition is SQL text"),
        ({"optional": "perhaps"}, "'optional' should be True or False, got 'perhaps'"),
        (
            {"lineage": "expansion"},
            "'lineage': write Lineage.identity(), Lineage.expansion(on=[…]) or "
            "Lineage.aggregation(on=[…]); got 'expansion'",
        ),
        (
            {"fields_mapping": {"text": "audio"}},
            "'fields_mapping': write FieldsMapping.specific({'text': 'audio'})",
        ),
        ({"fields_mapping": "all"}, "'fields_mapping' should be"),
    ],
)
def test_a_wrong_dependency_is_refused(arguments: dict[str, object], fault: str) -> None:
    """A Narwhals expression is told apart from SQL, and told where it can go."""
    with pytest.raises(DefinitionError) as caught:
        FeatureDep("a", **arguments)  # pyright: ignore[reportArgumentType]

    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"code_version": True}, "write a text or a whole number, such as '1'; got True"),
        ({"code_version": 1.1}, "got 1.1"),
        ({"code_version": ""}, "'code_version' is empty"),
        ({"deps": ["a"]}, "write FieldDep(feature, fields) instead of 'a'"),
        ({"deps": [FieldDep("a", "x"), FieldDep("a", "y")]}, "'deps' has 'a' 2 times"),
    ],
)
def test_a_wrong_field_is_refused(arguments: dict[str, object], fault: str) -> None:
    """A code version that is no text or whole number could come back as another one."""
    with pytest.raises(DefinitionError) as caught:
        FieldSpec("x", **arguments)  # pyright: ignore[reportArgumentType]

    assert fault in str(caught.value)


def test_arguments_by_position_are_few() -> None:
    """Too many, or one given twice, is an error that names the arguments."""
    with pytest.raises(DefinitionError, match="takes 'feature' by position, but got 2"):
        FeatureDep("a", ["x"])  # pyright: ignore[reportCallIssue]
    with pytest.raises(DefinitionError, match="got 'key' both by position and name"):
        FieldSpec("a", key="b")  # pyright: ignore[reportCallIssue]


def test_a_class_in_a_message_goes_by_its_name() -> None:
    """Of a class, nobody wants to read its repr."""

    class Video: ...

    with pytest.raises(DefinitionError, match=r"^FeatureDep\(\S*\.Video\) is not valid"):
        FeatureDep(Video)
