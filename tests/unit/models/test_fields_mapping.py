"""Fields mappings: which upstream fields a field is made from."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaxy.errors import DefinitionError
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.keys import FieldKey

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(FieldKey)
UPSTREAM = st.lists(NAMES, min_size=1, max_size=6)
MAPPINGS = st.one_of(
    st.builds(
        FieldsMapping.default,
        match_suffix=st.booleans(),
        exclude_fields=st.lists(NAMES, max_size=2),
    ),
    st.builds(FieldsMapping.specific, st.dictionaries(NAMES, st.lists(NAMES))),
    st.builds(FieldsMapping.all),
    st.builds(FieldsMapping.none),
)


def resolved(mapping: FieldsMapping, field: str, upstream: Sequence[str]) -> list[str]:
    """Resolve with texts for keys."""
    keys = [FieldKey(name) for name in upstream]
    return [str(key) for key in mapping.resolve(FieldKey(field), keys)]


@given(MAPPINGS, NAMES, UPSTREAM)
def test_a_resolution_is_sorted_and_of_the_upstream(
    mapping: FieldsMapping, field: FieldKey, upstream: list[FieldKey]
) -> None:
    """Whatever the mapping: upstream fields only, sorted, each once, in whatever order given."""
    found = mapping.resolve(field, upstream)

    assert list(found) == sorted(set(found))
    assert set(found) <= set(upstream)
    assert mapping.resolve(field, upstream[::-1]) == found


@given(MAPPINGS)
def test_a_mapping_comes_back_from_json(mapping: FieldsMapping) -> None:
    """Equal, with an equal hash, after a round trip."""
    restored = FieldsMapping.model_validate_json(mapping.model_dump_json())

    assert restored == mapping
    assert hash(restored) == hash(mapping)


@given(NAMES, UPSTREAM, st.lists(NAMES, max_size=3))
def test_the_default_takes_all_when_nothing_matches(
    field: FieldKey, upstream: list[FieldKey], excluded: list[FieldKey]
) -> None:
    """A field of equal name alone, or else every one that is not excluded."""
    found = FieldsMapping.default(exclude_fields=excluded).resolve(field, upstream)

    left = sorted(set(upstream) - set(excluded))
    assert list(found) == ([field] if field in left else left)


@given(NAMES, UPSTREAM)
def test_all_and_none_are_what_they_say(field: FieldKey, upstream: list[FieldKey]) -> None:
    """They do not look at the field."""
    assert list(FieldsMapping.all().resolve(field, upstream)) == sorted(set(upstream))
    assert FieldsMapping.none().resolve(field, upstream) == ()


def test_a_suffix_matches_either_way_round_by_whole_parts() -> None:
    """`french` and `audio/french` match each other; `french` and `old-french` do not."""
    mapping = FieldsMapping.default(match_suffix=True)
    upstream = ["audio/french", "old-french", "text/french", "video"]

    assert resolved(mapping, "french", upstream) == ["audio/french", "text/french"]
    assert resolved(mapping, "clip/video", upstream) == ["video"]
    assert resolved(mapping, "image", upstream) == sorted(upstream)


def test_without_match_suffix_only_equal_names_match() -> None:
    """A field whose name goes on to the left is another field."""
    assert resolved(FieldsMapping.default(), "french", ["audio/french", "x"]) == [
        "audio/french",
        "x",
    ]
    assert resolved(FieldsMapping.default(), "french", ["audio/french", "french"]) == ["french"]


def test_an_excluded_field_of_equal_name_does_not_match() -> None:
    """Excluding the namesake leaves all others."""
    mapping = FieldsMapping.default(exclude_fields=["audio"])

    assert resolved(mapping, "audio", ["audio", "frames", "text"]) == ["frames", "text"]


def test_a_specific_mapping_gives_nothing_for_fields_not_listed() -> None:
    """It says all of it."""
    mapping = FieldsMapping.specific({"a": ["x", "y"], "b": []})

    assert resolved(mapping, "a", ["y", "x", "z"]) == ["x", "y"]
    assert resolved(mapping, "b", ["x"]) == []
    assert resolved(mapping, "c", ["x"]) == []


def test_options_of_another_kind_are_refused() -> None:
    """What would silently do nothing is an error."""
    with pytest.raises(DefinitionError, match="go with 'default', not with 'all'"):
        FieldsMapping(kind="all", match_suffix=True)
    with pytest.raises(DefinitionError, match="'fields' goes with 'specific'"):
        FieldsMapping(kind="none", fields={"a": ["b"]})
