"""Keys: how they are written, compared, refused and stored."""

import pickle
from string import ascii_letters, digits

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from metaxy.errors import DefinitionError, InvalidKeyError
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.keys import FeatureKey, FieldKey, collision_form

PARTS = st.text(ascii_letters + digits + "_-", min_size=1, max_size=12).filter(
    lambda part: "__" not in part and not part.casefold().startswith(("metaxy_", "metaxy-"))
)
PART_LISTS = st.lists(PARTS, min_size=1, max_size=5)


class Holder(BaseModel):
    """A model with keys, as users' models and the definitions have them."""

    feature: FeatureKey
    field: FieldKey


@given(PART_LISTS)
def test_every_form_of_a_key_is_the_same_key(parts: list[str]) -> None:
    """Text, parts, a key, and parts as arguments are one key with one hash."""
    key = FeatureKey(parts)

    forms = [FeatureKey("/".join(parts)), FeatureKey(tuple(parts)), FeatureKey(key)]
    assert {key, *forms, FeatureKey(parts[0], *parts[1:])} == {key}
    assert key.parts == tuple(parts)
    assert (str(key), len(key), list(key)) == ("/".join(parts), len(parts), parts)


@given(st.lists(PART_LISTS))
def test_keys_sort_by_their_parts(many: list[list[str]]) -> None:
    """Sorting keys is sorting tuples of parts."""
    keys = sorted(FeatureKey(parts) for parts in many)

    assert [key.parts for key in keys] == sorted(tuple(parts) for parts in many)


@given(PART_LISTS)
def test_a_key_comes_back_from_json_and_pickle(parts: list[str]) -> None:
    """Stored as a list of parts; equal after a round trip."""
    holder = Holder(feature=FeatureKey(parts), field=FieldKey(parts))

    assert holder.model_dump(mode="json") == {"feature": parts, "field": parts}
    assert Holder.model_validate_json(holder.model_dump_json()) == holder
    assert pickle.loads(pickle.dumps(holder.feature)) == holder.feature  # noqa: S301 — our own


@given(PART_LISTS, PART_LISTS)
def test_names_meet_only_in_keys_of_one_collision_form(one: list[str], other: list[str]) -> None:
    """Two keys that share a table name or a struct field, case aside, have one form."""
    assume(one != other)
    first, second = FeatureKey(one), FeatureKey(other)

    if first.table_name.casefold() == second.table_name.casefold():
        assert collision_form(first) == collision_form(second)
    if FieldKey(one).column_name.casefold() == FieldKey(other).column_name.casefold():
        assert collision_form(first) == collision_form(second)


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a_b"), ("p/q", "p_q"), ("a-b", "a_b"), ("Video", "video")]
)
def test_colliding_keys_share_a_form(one: str, other: str) -> None:
    """The pairs that may not stand beside each other."""
    assert collision_form(FeatureKey(one)) == collision_form(FeatureKey(other))
    assert collision_form(FieldKey(one)) == collision_form(FieldKey(other))


def test_keys_of_two_kinds_are_never_equal() -> None:
    """A field is not a feature, whatever its name; nor is a text a key."""
    assert FeatureKey("a") != FieldKey("a")
    assert FeatureKey("a") != "a"


def test_a_key_does_not_change() -> None:
    """Assigning to a key is an error."""
    with pytest.raises(AttributeError):
        FeatureKey("a").parts = ("b",)  # pyright: ignore[reportAttributeAccessIssue]


def test_names_in_tables_and_columns() -> None:
    """Table names and struct fields hold no slash; table names no dash either."""
    assert FeatureKey("video/file-v2").table_name == "video__file_v2"
    assert FieldKey("audio/french-canadian").column_name == "audio_french-canadian"
    assert repr(FeatureKey("video/file")) == "FeatureKey('video/file')"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a part is empty"),
        ("a//b", "a part is empty"),
        ("/a", "a part is empty"),
        ("a/", "a part is empty"),
        ("..", "the part '..' has '.'"),
        ("a/./b", "the part '.' has '.'"),
        ("a b", "the part 'a b' has ' '"),
        ("ä", "the part 'ä' has 'ä'"),
        ("a\n", "has '\\n'"),
        ("a__b", "the part 'a__b' has '__'"),
        ("metaxy-system", "'metaxy-system' is reserved"),
        ("a/metaxy-system", "'metaxy-system' is reserved"),
        ("metaxy-system/a b", "the part 'a b' has ' '"),
        ("Metaxy-System", "is reserved"),
        ("a/metaxy_b", "begins with 'metaxy_'"),
        ("METAXY-b", "begins with 'METAXY-'"),
        ("a/" * 100 + "b", "it has 201 characters"),
    ],
)
def test_a_wrong_key_is_refused_with_the_rule(text: str, fault: str) -> None:
    """The error names the key, the faulty part and what is wrong with it."""
    with pytest.raises(InvalidKeyError) as caught:
        FeatureKey(text)

    assert fault in str(caught.value)
    assert caught.value.key == text


def test_all_faults_of_a_key_come_at_once() -> None:
    """Nobody has to mend a key part by part."""
    with pytest.raises(InvalidKeyError) as caught:
        FeatureKey("a__b/c d")

    assert caught.value.faults == (
        "the part 'a__b' has '__', which separates parts in table names",
        "the part 'c d' has ' '; allowed are letters, digits, '_' and '-'",
    )


@pytest.mark.parametrize("value", [5, None, b"a", [1], [["a"]], int, [], ["a/b"]])
def test_what_is_no_key_is_refused(value: object) -> None:
    """Numbers, bytes, nested lists, other classes, and slashes inside a part are no keys."""
    with pytest.raises(InvalidKeyError):
        FeatureKey(value)
    with pytest.raises(ValidationError):
        TypeAdapter(FeatureKey).validate_python(value)


def test_an_object_that_is_no_key_is_told_by_its_class() -> None:
    """Swapped arguments put a frame in the place of a key: it isn't printed as a whole."""
    with pytest.raises(InvalidKeyError, match=r"^An object of the class 'DataFrame' is not a feat"):
        FeatureKey(pl.DataFrame({"a": [1]}))
    with pytest.raises(InvalidKeyError, match=r"^5 is not a field key: give"):
        FieldKey(5)


def test_a_system_table_has_a_key_that_no_feature_can_have() -> None:
    """Its rows can be read by key; a spec with such a key is refused."""
    key = FeatureKey.system("feature_versions")

    assert (key.is_system, str(key)) == (True, "metaxy-system/feature_versions")
    assert not FeatureKey("video").is_system
    assert FeatureKey(key) == key == FeatureKey(["metaxy-system", "feature_versions"])
    with pytest.raises(InvalidKeyError):
        FeatureKey.system("a/b")
    with pytest.raises(DefinitionError, match="names a table of metaxy's own"):
        FeatureSpec(key, id_columns=["id"])
