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


def _hex_of_number(number: pl.Expr) -> pl.Expr:
    return plh.BytesNameSpace(number).to_be().bin.encode("hex")


_DIGESTS: Final[Mapping[HashAlgorithm, Callable[[plh.HExpr], pl.Expr]]] = {
    HashAlgorithm.XXHASH64: lambda row: _hex_of_number(row.nchash.xxhash64()),
    HashAlgorithm.XXHASH32: lambda row: _hex_of_number(row.nchash.xxhash32()),
    HashAlgorithm.XXH3_64: lambda row: _hex_of_number(row.nchash.xxh3_64()),
    HashAlgorithm.XXH3_128: lambda row: row.nchash.xxh3_128(
        return_binary=True, byte_order="big"
    ).bin.encode("hex"),
    HashAlgorithm.WYHASH: lambda row: _hex_of_number(row.nchash.wyhash()),
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
        """The version of a row of values, each a text, an integer or a truth value; never null."""
        text = self.digest(values)
        return text if self.truncation is None else text.str.slice(0, self.truncation)

    def digest(self, values: Sequence[pl.Expr]) -> pl.Expr:
        """The same before truncation."""
        # Each needs a name of its own for Polars' sake; the encoding doesn't read names.
        row = plh.hash_rows(
            [value.alias(str(position)) for position, value in enumerate(values)],
            version=_ENCODING,
        )
        return _DIGESTS[self.algorithm](row)
