"""The canonical encoding: no two values encode alike, and its bytes never change."""

import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaxy.hashing import Encodable, encode

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
TREES = cast(
    "st.SearchStrategy[Encodable]",
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    ),
)


def part(tag: bytes, content: bytes) -> bytes:
    """Assemble a part by hand: the tag, 8 bytes of length, the content."""
    return tag + len(content).to_bytes(8, "big") + content


def shape(value: object) -> object:
    """Give something equal for two values just if they are the same value of the same type."""
    match value:
        case dict():
            entries = cast("dict[str, object]", value)
            return ("map", frozenset((key, shape(item)) for key, item in entries.items()))
        case list():
            return ("list", tuple(shape(item) for item in cast("list[object]", value)))
        case float():
            return ("float", struct.pack("<d", value))
        case _:
            return (type(value).__name__, value)


def test_parts_are_typed_and_length_prefixed() -> None:
    """The bytes of every kind of part, written out."""
    assert encode(None) == b"N\0\0\0\0\0\0\0\0"
    assert encode(True) == part(b"B", b"\x01")  # noqa: FBT003 — the value is the subject
    assert encode(-12) == part(b"I", b"-12")
    assert encode(1.5) == part(b"F", bytes.fromhex("3ff8000000000000"))
    assert encode("é") == part(b"S", b"\xc3\xa9")
    assert encode(b"\x00") == part(b"Y", b"\x00")
    assert encode(["a", []]) == part(b"L", part(b"S", b"a") + part(b"L", b""))
    assert encode({"b": 1, "a": None}) == part(
        b"M", part(b"S", b"a") + part(b"N", b"") + part(b"S", b"b") + part(b"I", b"1")
    )


@given(TREES, TREES)
def test_different_values_never_encode_alike(one: Encodable, other: Encodable) -> None:
    """Two encodings are equal when, and only when, the values are, types included."""
    assert (encode(one) == encode(other)) == (shape(one) == shape(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a", "b"], ["ab"]),
        (["a", ["b"]], [["a"], "b"]),
        ([], None),
        ("", None),
        ("", b""),
        (1, "1"),
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ({}, []),
        ({"a": "b"}, ["a", "b"]),
    ],
)
def test_values_that_look_alike_encode_differently(one: Encodable, other: Encodable) -> None:
    """The neighbours that a simple join or a plain `str` would confuse."""
    assert encode(one) != encode(other)


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_a_mapping_does_not_matter(mapping: dict[str, int]) -> None:
    """Insertion order changes no byte."""
    turned = dict(reversed(list(mapping.items())))

    assert encode(turned) == encode(mapping)


def test_a_list_and_a_tuple_are_one_sequence() -> None:
    """What JSON restores as a list encodes as the tuple that it was."""
    assert encode(("a", (1,))) == encode(["a", [1]])


@pytest.mark.parametrize("value", [{"a"}, object(), [1, {2}]])
def test_other_types_are_refused(value: object) -> None:
    """What has no order or no canonical bytes cannot slip into a hash."""
    with pytest.raises(TypeError, match="cannot be part of a definition's hash"):
        encode(cast("Encodable", value))
