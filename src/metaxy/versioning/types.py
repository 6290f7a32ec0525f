"""What an increment is, asked for and answered, and which row hashes there are."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import narwhals as nw
import polars as pl

from metaxy.versioning.matching import matching_values
from metaxy.versioning.system_columns import PREFIX, PROVENANCE

_STORED: Final = f"{PREFIX}stored_provenance"


class HashAlgorithm(StrEnum):
    """How the text of a record's inputs becomes its version.

    None of the non-cryptographic ones protects from somebody who wants a collision; by chance, two
    of N records share a 64-bit version with probability N²/2⁶⁵ (10 million: 3 in a million).
    """

    XXHASH64 = "xxhash64"
    XXHASH32 = "xxhash32"
    XXH3_64 = "xxh3_64"
    XXH3_128 = "xxh3_128"
    WYHASH = "wyhash"
    SHA256 = "sha256"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Increment:
    """The records of one feature that must be computed, computed again, or dropped.

    Attributes:
        added: One row a record that is expected and not stored; with the upstreams' selected
            columns and `metaxy_provenance_by_field`, ready to compute on and to write back.
        changed: The same for records that are stored with another provenance.
        removed: One row a stored record that is no longer expected, with its stored columns.

    For a feature whose records are made by expansion, a row of `added` and `changed` is a parent.
    """

    added: nw.DataFrame[Any]
    changed: nw.DataFrame[Any]
    removed: nw.DataFrame[Any]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (len(self.added) or len(self.changed) or len(self.removed))

    def __repr__(self) -> str:
        return (
            f"Increment(added={len(self.added)}, changed={len(self.changed)}, "
            f"removed={len(self.removed)})"
        )


@dataclass(frozen=True, slots=True)
class LazyIncrement:
    """An `Increment` that has not been read yet: three frames that share one plan.

    Attributes:
        expected: One row a record that is asked about, with the `metaxy_provenance` it should have.
        current: One row a stored record: the columns of `grain` and its `metaxy_provenance`.
        removable: One row a stored record, whole, that may be reported as removed.
        required: One row a record that is expected; more than `expected` where filters narrow that.
        grain: The columns that name a record in all of them.
        narrowed: Whether filters make `expected` and `removable` parts of `required` and `current`.
        may_repeat: Whether an id may come twice in `expected`.
    """

    expected: pl.LazyFrame
    current: pl.LazyFrame
    removable: pl.LazyFrame
    required: pl.LazyFrame
    grain: tuple[str, ...]
    narrowed: bool = False
    may_repeat: bool = False

    def __repr__(self) -> str:
        return "LazyIncrement(added, changed, removed; not read yet: collect() reads them)"

    @property
    def added(self) -> nw.LazyFrame[Any]:
        """One row a record that is expected and not stored."""
        told = self._told()
        return nw.from_native(told.filter(pl.col(_STORED).is_null()).drop(_STORED))

    @property
    def changed(self) -> nw.LazyFrame[Any]:
        """One row a record that is stored with another provenance than expected."""
        told = self._told()
        return nw.from_native(told.filter(pl.col(_STORED) != pl.col(PROVENANCE)).drop(_STORED))

    @property
    def removed(self) -> nw.LazyFrame[Any]:
        """One row a stored record that is no longer expected, with its stored columns."""
        grain = list(self.grain)
        return nw.from_native(
            self.removable.join(self.required.select(grain), on=grain, how="anti")
        )

    def collect(self) -> Increment:
        """Read all three frames in one go, each shared input once.

        The frames show one state of the lake: the one at which the increment was asked for.
        """
        if self.narrowed:
            lazy = (self.added, self.changed, self.removed)
            added, changed, removed = pl.collect_all([nw.to_native(each) for each in lazy])
        else:
            added, changed, removed = self._compared()
        return Increment(
            added=nw.from_native(added, eager_only=True),
            changed=nw.from_native(changed, eager_only=True),
            removed=nw.from_native(removed, eager_only=True),
        )

    def due(self) -> pl.DataFrame:
        """Read only what is to be written: the records that are added or changed, in one frame.

        What is stored and not expected isn't looked for, so that an increment of a few records
        doesn't read those of the whole table.
        """
        if self.narrowed:
            both = [nw.to_native(each) for each in (self.added, self.changed)]
            return pl.concat(pl.collect_all(both))
        expected, current = self._read()
        stored = self._stored(expected, current)
        is_same = (stored == expected.get_column(PROVENANCE)).fill_null(value=False)
        return expected.filter(~is_same) if is_same.any() else expected

    def _told(self) -> pl.LazyFrame:
        """The expected records, each with the provenance that is stored, null if none is."""
        stored = self.current.select(*self.grain, pl.col(PROVENANCE).alias(_STORED))
        return self.expected.join(stored, on=list(self.grain), how="left")

    def _compared(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Compare in memory, which moves far less data about than three joins of whole records.

        Only ids and provenances are joined, not at all where both sides have the same ids in the
        same order; and stored records are read whole only if some of them are to be removed.
        """
        expected, current = self._read()
        stored = self._stored(expected, current)
        is_new = stored.is_null()
        added = expected.filter(is_new)
        changed = expected.filter(
            (stored != expected.get_column(PROVENANCE)).fill_null(value=False)
        )
        is_all_met = expected.height - added.height == current.height
        if is_all_met and not self.may_repeat:
            return added, changed, self.removable.head(0).collect()
        grain = list(self.grain)
        gone = current.lazy().join(expected.lazy(), on=grain, how="anti").select(grain)
        removed = self.removable.join(gone, on=grain, how="semi").collect()
        return added, changed, removed

    def _read(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The expected records, and of the current ones what they are compared by."""
        expected, current = pl.collect_all(
            [self.expected, self.current.select(*self.grain, PROVENANCE)]
        )
        return expected, current

    def _stored(self, expected: pl.DataFrame, current: pl.DataFrame) -> pl.Series:
        """The provenance that is stored of each expected record, null where none is."""
        return matching_values(expected, current, on=self.grain, column=PROVENANCE)
