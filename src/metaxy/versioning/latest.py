"""Which of a feature's stored rows are its current records.

Rows in, rows out; all of one feature version. A table is append-only, so each id may have many
rows: the newest one counts, and a newest row with `metaxy_deleted_at` (a tombstone) means that the
record is gone. Children of an expansion are superseded a parent at a time.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from metaxy.versioning.system_columns import (
    CREATED_AT,
    DATA_VERSION,
    DELETED_AT,
    FEATURE_VERSION,
    INSTANT,
    MATERIALIZATION_ID,
    PROVENANCE,
)

TIE_BREAKERS: Final = (DELETED_AT, PROVENANCE, DATA_VERSION, MATERIALIZATION_ID)
"""What decides between rows of one id and one instant, which only racing writers can leave behind.

A tombstone wins, then the greatest text, null being the smallest; rows that agree in all of them
are the same version of the record, and any of them will do.
"""

_FEW_COMMITS: Final = 8
"""Up to here a join for each commit beats a search in all rows (measured: 6 does, 16 doesn't)."""

_ROWS_OF_ID: Final = "metaxy_rows_of_id"
_NEWEST_PROVENANCE: Final = "metaxy_newest_provenance"
_SUPERSEDED_UNTIL: Final = "metaxy_superseded_until"
_CHILDLESS_AT: Final = "metaxy_childless_at"


def latest_records(
    rows: pl.LazyFrame,
    *,
    id_columns: Sequence[str],
    instants: Collection[datetime] | None = None,
) -> pl.LazyFrame:
    """Keep the newest row of every id, tombstones included.

    Args:
        rows: Stored rows of any number of commits.
        id_columns: What names a record; with the feature version among them, versions stay apart.
        instants: The `metaxy_created_at` of every commit that the rows come from, each of them of
            one commit only, in which no id comes twice. None when that isn't known.
    """
    if instants is not None and len(instants) <= 1:
        return rows
    if instants is not None and len(instants) <= _FEW_COMMITS:
        return _newest_commit_first(rows, list(id_columns), sorted(instants, reverse=True))
    return _newest_of_each_id(rows, list(id_columns))


def _newest_commit_first(
    rows: pl.LazyFrame, id_columns: list[str], instants: Sequence[datetime]
) -> pl.LazyFrame:
    """Each commit's rows less the ids of the commits after it: joins on ids alone, no search."""
    created_at = pl.col(CREATED_AT)
    parts = [rows.filter(created_at == _instant(instants[0]))]
    for instant in instants[1:]:
        newer = rows.filter(created_at > _instant(instant)).select(id_columns)
        of_commit = rows.filter(created_at == _instant(instant))
        parts.append(of_commit.join(newer, on=id_columns, how="anti", nulls_equal=True))
    return pl.concat(parts)


def _newest_of_each_id(rows: pl.LazyFrame, id_columns: list[str]) -> pl.LazyFrame:
    """The general way: the rows at each id's newest instant, then a choice where there are several.

    Several are rare, so what it takes to choose is done for those ids only.
    """
    newest = rows.filter(pl.col(CREATED_AT) == pl.col(CREATED_AT).max().over(id_columns))
    counted = newest.with_columns(pl.len().over(id_columns).alias(_ROWS_OF_ID))
    is_alone = pl.col(_ROWS_OF_ID) == 1
    present = set(rows.collect_schema().names())
    order = [name for name in TIE_BREAKERS if name in present]
    chosen = (
        counted.filter(~is_alone)
        .sort(order, descending=True, nulls_last=True)
        .unique(id_columns, keep="first", maintain_order=True)
    )
    return pl.concat([counted.filter(is_alone), chosen]).drop(_ROWS_OF_ID)


def _instant(value: datetime) -> pl.Expr:
    return pl.lit(value, dtype=INSTANT)


def rows_by_version(
    rows: pl.LazyFrame, versions: Collection[str]
) -> dict[str | None, pl.LazyFrame]:
    """The rows of each of some feature versions and, at None, all others, with those of no version.

    Args:
        versions: Those that are told apart, as they are stamped.
    """
    if not versions:
        return {None: rows}
    own = pl.col(FEATURE_VERSION)
    others = rows.filter(~own.is_in(list(versions)).fill_null(value=False))
    return {None: others, **{each: rows.filter(own == each) for each in versions}}


def live_records(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the tombstones of what `latest_records` gives."""
    return rows.filter(pl.col(DELETED_AT).is_null())


def current_records(
    rows: pl.LazyFrame,
    *,
    id_columns: Sequence[str],
    instants: Collection[datetime] | None = None,
) -> pl.LazyFrame:
    """One row a record that is not deleted: the newest. See `latest_records`."""
    return live_records(latest_records(rows, id_columns=id_columns, instants=instants))


def current_children(
    rows: pl.LazyFrame, *, id_columns: Sequence[str], parent_columns: Sequence[str]
) -> pl.LazyFrame:
    """One row a child of the newest expansion of its parent.

    A child is superseded when its parent was expanded anew, from another provenance, after the
    child was written; otherwise a child that the new expansion lacks would stay for ever. Children
    of one expansion may come in any number of commits.

    Args:
        parent_columns: What names a parent; `metaxy_provenance` is the parent's as it was expanded.
    """
    valid = rows_of_newest_expansion(rows, id_columns=id_columns, parent_columns=parent_columns)
    children = valid.filter(~is_childless_marker(id_columns, parent_columns))
    return current_records(children, id_columns=id_columns)


def expanded_parents(
    rows: pl.LazyFrame, *, id_columns: Sequence[str], parent_columns: Sequence[str]
) -> pl.LazyFrame:
    """One row a parent that was expanded: `parent_columns` and `metaxy_provenance`.

    A parent counts when it has current children, or when the newest thing known of it is that it
    has none. One whose children were all deleted doesn't.
    """
    parents = list(parent_columns)
    with_children = (
        current_children(rows, id_columns=id_columns, parent_columns=parents)
        .select(*parents, PROVENANCE)
        .unique(parents, keep="any")
    )
    newest = latest_records(rows, id_columns=parents)
    childless = newest.filter(is_childless_marker(id_columns, parents)).select(*parents, PROVENANCE)
    return pl.concat([with_children, childless.join(with_children, on=parents, how="anti")])


def is_childless_marker(id_columns: Sequence[str], parent_columns: Sequence[str]) -> pl.Expr:
    """Whether a row says "this parent was expanded and has no children".

    Such a row has the parent's columns, null in the child's own id columns, and
    `metaxy_deleted_at`, so that readers who skip tombstones skip it too.
    """
    own = [name for name in id_columns if name not in set(parent_columns)]
    return pl.all_horizontal(pl.col(name).is_null() for name in own)


def rows_of_newest_expansion(
    rows: pl.LazyFrame, *, id_columns: Sequence[str], parent_columns: Sequence[str]
) -> pl.LazyFrame:
    """Drop the rows of expansions that a later one, or a childless marker, has superseded."""
    parents = list(parent_columns)
    newest = latest_records(rows, id_columns=parents).select(
        *parents, pl.col(PROVENANCE).alias(_NEWEST_PROVENANCE)
    )
    told = rows.join(newest, on=parents, how="inner")
    is_of_newest = pl.col(PROVENANCE) == pl.col(_NEWEST_PROVENANCE)
    boundaries = told.group_by(parents).agg(
        pl.col(CREATED_AT).filter(~is_of_newest).max().alias(_SUPERSEDED_UNTIL),
        pl.col(CREATED_AT)
        .filter(is_childless_marker(id_columns, parents))
        .max()
        .alias(_CHILDLESS_AT),
    )
    return (
        told.join(boundaries, on=parents, how="inner")
        .filter(
            is_of_newest,
            pl.col(_SUPERSEDED_UNTIL).is_null() | (pl.col(CREATED_AT) >= pl.col(_SUPERSEDED_UNTIL)),
            pl.col(_CHILDLESS_AT).is_null() | (pl.col(CREATED_AT) > pl.col(_CHILDLESS_AT)),
        )
        .drop(_NEWEST_PROVENANCE, _SUPERSEDED_UNTIL, _CHILDLESS_AT)
    )
