"""The bytes and the text of a row hash, written from docs/format.md without the library's code."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import xxhash

Value = str | bytes | int | bool | date | datetime | Decimal | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DIGESTS: dict[str, Callable[[bytes], str]] = {
    "xxhash64": lambda row: xxhash.xxh64(row, seed=0).hexdigest(),
    "xxhash32": lambda row: xxhash.xxh32(row, seed=0).hexdigest(),
    "xxh3_64": lambda row: xxhash.xxh3_64(row, seed=0).hexdigest(),
    "xxh3_128": lambda row: xxhash.xxh3_128(row, seed=0).hexdigest(),
    "sha256": lambda row: hashlib.sha256(row).hexdigest(),
    "md5": lambda row: hashlib.md5(row, usedforsecurity=False).hexdigest(),
}
"""Every algorithm but wyhash, of which there is no second implementation at hand."""


def row_bytes(values: Sequence[Value]) -> bytes:
    """The encoding of a row: a tag, how many values there are, and each of them."""
    return b"\x0d" + _length(len(values)) + b"".join(map(_value_bytes, values))


def row_text(values: Sequence[Value], *, algorithm: str, truncation: int | None = None) -> str:
    """The version of a row of values."""
    text = DIGESTS[algorithm](row_bytes(values))
    return text if truncation is None else text[:truncation]


def header(text: str) -> str:
    """The digest that stands for a header in a row."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _value_bytes(value: Value) -> bytes:  # noqa: PLR0911 -- one for each type
    match value:
        case None:
            return b"\x00"
        case bool():
            return b"\x02" if value else b"\x01"
        case int():
            return b"\x03" + _number(value)
        case str():
            text = value.encode()
            return b"\x05" + _length(len(text)) + text
        case bytes():
            return b"\x06" + _length(len(value)) + value
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return b"\x09" + _number((aware - _EPOCH) // timedelta(microseconds=1) * 1000)
        case Decimal():
            plain = value.normalize()
            places = max(-int(plain.as_tuple().exponent), 0)
            return b"\x0b" + _number(int(plain.scaleb(places))) + _length(places)
        case date():
            return b"\x07" + _number(value.toordinal() - _EPOCH.toordinal())


def _number(value: int) -> bytes:
    """A byte for the sign, and how far the number is from zero."""
    return (b"\x01" if value >= 0 else b"\x00") + _length(abs(value))


def _length(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit of a byte says that more follow."""
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)
