"""Which rows a copy takes over, and which of them the other lake has already.

Rows in, rows out: nothing is read here but counts. A table that is too large for memory is compared
in parts. How a copy is carried out is the business of `metaxy.metadata_store.copying`.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from metaxy.graph.plan import RecordsPlan
from metaxy.versioning.latest import current_children, latest_records
from metaxy.versioning.scope import Condition, can_tell, fulfilling, tells_records_apart
from metaxy.versioning.system_columns import (
    CREATED_AT,
    FEATURE_VERSION,
    INSTANT,
    SNAPSHOT_VERSION,
    STAMPS,
)

_ROWS_AT_ONCE: Final = 400_000
"""So many rows are compared at a time (measured: a million takes twice the memory, as long)."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of copying rows into a table.

    Attributes:
        version: The table's version afterwards; None where the store has no versions.
    """

    rows: int
    version: int | None = None


@dataclass(frozen=True, slots=True)
class RowsToCopy:
    """The rows that a table lacks.

    Attributes:
        parts: Frames of one schema; together they are the rows.
        on_rows: Told how many rows were copied so far, now and then.
    """

    schema: pl.Schema
    parts: Sequence[pl.LazyFrame]
    on_rows: Callable[[int], None]


MissingRows = Callable[[pl.LazyFrame | None], RowsToCopy]
"""Gives what a table lacks that has these rows (None: that doesn't exist)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a table are copied.

    Attributes:
        names: Columns that, with the version stamps, tell rows apart; the table may lack some.
        plan: How to tell the current records of the feature.
        snapshot: Only rows that are stamped with this snapshot version.
        conditions: Only records that fulfil all of them; see `_chosen`.
        compares: Whether rows that the other table has are left out.
    """

    names: tuple[str, ...]
    plan: RecordsPlan
    snapshot: str | None = None
    conditions: tuple[Condition, ...] = ()
    compares: bool = True

    @property
    def group(self) -> tuple[str, ...]:
        """What supersedes one another: a record or, by expansion, the children of one parent."""
        return (*(self.plan.expansion_on or self.plan.id_columns), FEATURE_VERSION)


def selected(rows: pl.LazyFrame, selection: Selection) -> pl.LazyFrame:
    """The rows that conditions on single rows leave: a snapshot, and the names of records."""
    rows = with_columns(rows, selection)
    if selection.snapshot is not None:
        rows = rows.filter(pl.col(SNAPSHOT_VERSION) == selection.snapshot)
    return fulfilling(rows, _early(rows, selection))


def with_columns(rows: pl.LazyFrame, selection: Selection) -> pl.LazyFrame:
    """The rows with all columns that name records; those that the table has yet to get are null."""
    present = rows.collect_schema()
    lacking = [name for name in selection.names if name not in present]
    return rows.with_columns(pl.lit(None).alias(name) for name in lacking) if lacking else rows


def missing_parts(
    rows: pl.LazyFrame, stored: pl.LazyFrame | None, selection: Selection
) -> list[pl.LazyFrame]:
    """The selected rows that aren't stored, in parts that can be compared in memory.

    Args:
        rows: One row a stored row of the source, of all feature versions.
        stored: Those of the destination, with the same types; None when it has no table.
    """
    columns = rows.collect_schema().names()
    found = selected(rows, selection)
    late = _late(found, selection)
    known = stored if selection.compares else None
    if known is not None:
        known = _same_columns(known, found)
    if not late:
        parts = [(found, None)] if known is None else _by_instant(found, known, selection)
    else:
        schema = found.collect_schema()
        is_divisible = all(tells_records_apart(each, schema) for each in late)
        parts = _by_group(found, known, selection) if is_divisible else [(found, known)]
    return [_missing(*part, selection, late=late).select(columns) for part in parts]


def count(rows: pl.LazyFrame) -> int:
    """How many rows there are."""
    return int(rows.select(pl.len()).collect(engine="streaming").item())


_Part = tuple[pl.LazyFrame, pl.LazyFrame | None]


def _missing(
    rows: pl.LazyFrame,
    stored: pl.LazyFrame | None,
    selection: Selection,
    *,
    late: Sequence[Condition],
) -> pl.LazyFrame:
    rows = _chosen(rows, stored, selection, late=late) if late else rows
    return rows if stored is None else _joined(rows, stored, selection, how="anti")


def _chosen(
    rows: pl.LazyFrame,
    stored: pl.LazyFrame | None,
    selection: Selection,
    *,
    late: Sequence[Condition],
) -> pl.LazyFrame:
    """All rows of the records that fulfil conditions on more than their names.

    What fulfils them is the newest row of a record, be it a tombstone, which has the columns of the
    record that it ends; so a record is copied with all that superseded its other rows, or not at
    all. One that was copied before, when it did fulfil them, is copied on: its row there would
    otherwise stay current for good.
    """
    group = list(selection.group)
    fulfil = fulfilling(_newest(rows, selection), late).select(group)
    if stored is not None:
        copied = _joined(fulfilling(rows, late), stored, selection, how="semi").select(group)
        fulfil = pl.concat([fulfil, copied])
    return rows.join(fulfil.unique(), on=group, how="semi", nulls_equal=True)


def _newest(rows: pl.LazyFrame, selection: Selection) -> pl.LazyFrame:
    """The rows that speak for their record (or parent), each feature version apart."""
    group = list(selection.group)
    if selection.plan.expansion_on is None:
        return latest_records(rows, id_columns=group)
    ids = list(dict.fromkeys((*selection.plan.id_columns, *group)))
    children = current_children(rows, id_columns=ids, parent_columns=group)
    of_newest_commit = rows.filter(pl.col(CREATED_AT) == pl.col(CREATED_AT).max().over(group))
    return pl.concat([children, of_newest_commit], how="diagonal")


def _joined(
    rows: pl.LazyFrame, stored: pl.LazyFrame, selection: Selection, *, how: str
) -> pl.LazyFrame:
    keys = list(dict.fromkeys((*selection.names, *STAMPS)))
    if how == "anti":
        return rows.join(stored.select(keys), on=keys, how="anti", nulls_equal=True)
    return rows.join(stored.select(keys), on=keys, how="semi", nulls_equal=True)


def _same_columns(stored: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The stored rows with all columns of the others."""
    present = stored.collect_schema()
    return stored.with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in rows.collect_schema().items()
        if name not in present
    )


def _by_instant(rows: pl.LazyFrame, stored: pl.LazyFrame, selection: Selection) -> list[_Part]:
    """Parts by ranges of instants, which most files and row groups are sorted by.

    A commit that is too large for one part is split by its records.
    """
    instants = (
        rows.group_by(CREATED_AT).len("rows").collect(engine="streaming").sort(CREATED_AT).rows()
    )
    parts: list[_Part] = []
    for first, last, height in _ranges(instants):
        number = 1 + height // _ROWS_AT_ONCE
        within = pl.col(CREATED_AT).is_between(
            pl.lit(first, dtype=INSTANT), pl.lit(last, dtype=INSTANT)
        )
        ours, theirs = rows.filter(within), stored.filter(within)
        parts += [
            (ours, theirs) if number == 1 else (ours.filter(condition), theirs.filter(condition))
            for condition in _hash_parts(selection.names, number)
        ]
    return parts


def _ranges(instants: Sequence[tuple[datetime, int]]) -> Iterator[tuple[datetime, datetime, int]]:
    """The first and last instant of each range, and how many rows it has."""
    begun: tuple[datetime, datetime, int] | None = None
    for instant, rows in instants:
        if begun is not None and begun[2] + rows > _ROWS_AT_ONCE:
            yield begun
            begun = None
        begun = (instant, instant, rows) if begun is None else (begun[0], instant, begun[2] + rows)
    if begun is not None:
        yield begun


def _by_group(rows: pl.LazyFrame, stored: pl.LazyFrame | None, selection: Selection) -> list[_Part]:
    """Parts with all rows of each record (or parent) in one of them."""
    number = 1 + count(rows) // _ROWS_AT_ONCE
    if number == 1:
        return [(rows, stored)]
    return [
        (rows.filter(condition), None if stored is None else stored.filter(condition))
        for condition in _hash_parts(selection.group, number)
    ]


def _hash_parts(names: Sequence[str], number: int) -> list[pl.Expr]:
    hashes = [pl.col(name).hash(seed) for seed, name in enumerate(names)]
    part = functools.reduce(pl.Expr.xor, hashes) % number
    return [part == each for each in range(number)]


def _early(rows: pl.LazyFrame, selection: Selection) -> list[Condition]:
    """The conditions that are the same for all rows which supersede one another.

    One that compares records isn't: superseded rows would count as records of their own.
    """
    schema = rows.collect_schema()
    naming = {name: schema[name] for name in selection.group if name in schema}
    return [
        each
        for each in selection.conditions
        if can_tell(each, naming) and tells_records_apart(each, naming)
    ]


def _late(rows: pl.LazyFrame, selection: Selection) -> list[Condition]:
    early = _early(rows, selection)
    return [each for each in selection.conditions if not any(each is one for one in early)]
