"""The one canonical encoding of definitions, and its digest.

Nothing else in metaxy turns a definition into bytes. The row hashes of records are another thing:
they are computed by the `versioning` layer, inside the query engine.

A value is encoded as a tag (1 byte, its type), a length (8 bytes, big-endian) and that many bytes
of content:

    N  None      no content                      S  str       UTF-8, not normalised
    B  bool      00 or 01                        Y  bytes     as they are
    I  int       decimal digits, ASCII           L  sequence  its encoded items, in order
    F  float     IEEE 754 binary64, big-endian   M  mapping   its encoded keys and values, by key

Because every part states its type and length, different values never encode alike: `["ab", "c"]`
and `["a", "bc"]`, `1` and `"1"` and `True`, `None` and `""` all differ. Lists and tuples are both
sequences. A mapping is ordered by its encoded keys, so the order of insertion does not matter.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from metaxy.errors import ConfigError

Encodable: TypeAlias = (
    bool | int | float | str | bytes
    | Sequence["Encodable"] | Mapping[str, "Encodable"] | None
)  # fmt: skip

MIN_LENGTH = 8


def encode(value: Encodable) -> bytes:
    """Turn a value into bytes that no other value gives.

    Equal numbers of different types are different values here (`1`, `1.0`, `True`), and so are
    `0.0` and `-0.0`.

    Raises:
        TypeError: A part is of another type than those of the table above. Sets are, because
            they have no order: sort them first.
        UnicodeEncodeError: A text has half of a surrogate pair, which no UTF-8 text can have.
    """
    tag, content = _tag_and_content(value)
    return tag + struct.pack(">Q", len(content)) + content


def digest(domain: str, value: Encodable) -> str:
    """Give the SHA-256 of a value as 64 hex digits.

    Args:
        domain: What kind of thing is hashed, and by which revision of the rules, e.g.
            `metaxy/field-version/1`. Equal values of different domains have different digests.
        value: All that the digest stands for.
    """
    return hashlib.sha256(encode((domain, value))).hexdigest()


def truncate(version: str, length: int | None) -> str:
    """Cut a version to `length` characters; None leaves it whole, as does a greater length.

    Raises:
        ConfigError: The length is under 8, where versions of one lake could soon collide.
    """
    if length is None:
        return version
    if length < MIN_LENGTH:
        raise ConfigError(
            f"hash_truncation_length is {length}, but must be at least {MIN_LENGTH}: shorter "
            "versions collide. Leave it out to keep versions whole.",
            setting="hash_truncation_length",
        )
    return version[:length]


def _tag_and_content(value: Encodable) -> tuple[bytes, bytes]:
    match value:
        case None:
            found = b"N", b""
        case bool():  # before int, of which bool is a subclass
            found = b"B", b"\x01" if value else b"\x00"
        case int():
            found = b"I", str(int(value)).encode("ascii")
        case float():
            found = b"F", struct.pack(">d", value)
        case str():
            found = b"S", value.encode("utf-8")
        case bytes():
            found = b"Y", value
        case Mapping():
            parts = sorted((encode(key), encode(item)) for key, item in value.items())
            found = b"M", b"".join(key + item for key, item in parts)
        case list() | tuple():
            found = b"L", b"".join(encode(item) for item in value)
        case _:
            raise TypeError(
                f"A {type(value).__name__} cannot be part of a definition's hash: {value!r}. "
                "It takes None, bool, int, float, str, bytes, lists, tuples and mappings."
            )
    return found
