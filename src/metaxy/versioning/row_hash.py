"""Row hashes: how the values that a version is made of become its text.

The values of a row are encoded by polars-hash's `hash_rows`, version 1, which gives every different
row (of different values, nulls, or number of them) different bytes; the digest of those bytes is
written as lower-case hexadecimal of a fixed width and, where the lake says so, truncated. Which
values a version is made of is `metaxy.versioning.provenance`'s business. docs/format.md has the
bytes.

Hexadecimal was chosen by measurement: taken from the digest's bytes it costs no more than the cast
of a number to decimal text, it has a fixed width, and its first 8 characters carry 32 bits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
import polars_hash as plh

from metaxy.versioning.types import HashAlgorithm

_ENCODING: Final = 1
MIN_TRUNCATION: Final = 8


def _bytes_of_number(number: pl.Expr) -> pl.Expr:
    return plh.BytesNameSpace(number).to_be()


_BYTES: Final[Mapping[HashAlgorithm, Callable[[plh.HExpr], pl.Expr]]] = {
    HashAlgorithm.XXHASH64: lambda row: _bytes_of_number(row.nchash.xxhash64()),
    HashAlgorithm.XXHASH32: lambda row: _bytes_of_number(row.nchash.xxhash32()),
    HashAlgorithm.XXH3_64: lambda row: _bytes_of_number(row.nchash.xxh3_64()),
    HashAlgorithm.XXH3_128: lambda row: row.nchash.xxh3_128(return_binary=True, byte_order="big"),
    HashAlgorithm.WYHASH: lambda row: _bytes_of_number(row.nchash.wyhash()),
}
_TEXTS: Final[Mapping[HashAlgorithm, Callable[[plh.HExpr], pl.Expr]]] = {
    HashAlgorithm.SHA256: lambda row: row.chash.sha2_256(),
    HashAlgorithm.MD5: lambda row: row.nchash.md5(),
}


@dataclass(frozen=True, slots=True)
class RowHasher:
    """The row hash of one lake.

    Attributes:
        truncation: How many characters of a version are kept; None keeps all.
    """

    algorithm: HashAlgorithm = HashAlgorithm.XXHASH64
    truncation: int | None = None

    def hashed(self, values: Sequence[pl.Expr]) -> pl.Expr:
        """The version of a row of values (texts, bytes, integers, truth values); never null."""
        text = self.digest(values)
        return text if self.truncation is None else text.str.slice(0, self.truncation)

    def digest(self, values: Sequence[pl.Expr]) -> pl.Expr:
        """The same before truncation."""
        if text := _TEXTS.get(self.algorithm):
            return text(_encoded(values))
        return self.digest_bytes(values).bin.encode("hex")

    def digest_bytes(self, values: Sequence[pl.Expr]) -> pl.Expr:
        """The digest itself, as it enters other rows: half as long as its text."""
        if text := _TEXTS.get(self.algorithm):
            return text(_encoded(values)).str.decode("hex")
        return _BYTES[self.algorithm](_encoded(values))


def _encoded(values: Sequence[pl.Expr]) -> plh.HExpr:
    # Each needs a name of its own for Polars' sake; the encoding doesn't read names.
    named = [value.alias(str(position)) for position, value in enumerate(values)]
    return plh.hash_rows(named, version=_ENCODING)
