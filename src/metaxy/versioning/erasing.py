"""Which stored rows stay when records are removed for good.

Rows in, rows out. What is removed must not bring back what it had superseded: with the newest rows
of a record its older ones go, and with children of an expansion those of older expansions.
"""

from collections.abc import Sequence

import polars as pl

from metaxy.versioning.latest import (
    is_childless_marker,
    latest_records,
    rows_of_newest_expansion,
)


def remaining_rows(
    rows: pl.LazyFrame, removed: pl.DataFrame, *, id_columns: Sequence[str]
) -> pl.LazyFrame:
    """The rows of all records but those removed.

    Args:
        rows: All stored rows.
        removed: One row a record that is to go, with `id_columns`.
        id_columns: What names a record; with the feature version among them, versions stay apart.
    """
    gone = removed.lazy().select(id_columns)
    return rows.join(gone, on=list(id_columns), how="anti", nulls_equal=True)


def remaining_children(
    rows: pl.LazyFrame,
    removed: pl.DataFrame,
    *,
    id_columns: Sequence[str],
    parent_columns: Sequence[str],
) -> pl.LazyFrame:
    """The rows of all children but those removed, and but what was superseded beside them.

    Of a parent with a removed child only the newest expansion stays, without that child; a parent
    of which nothing stays was never expanded. A childless marker (null for the child's ids) may be
    among the removed, and stays otherwise where it is the newest that is known of its parent.

    Args:
        removed: One row a child that is to go, with `id_columns` and `parent_columns`.
    """
    ids, parents = list(id_columns), list(parent_columns)
    touched = removed.lazy().select(parents).unique()
    untouched = rows.join(touched, on=parents, how="anti", nulls_equal=True)
    beside = rows.join(touched, on=parents, how="semi", nulls_equal=True)
    children = rows_of_newest_expansion(beside, id_columns=ids, parent_columns=parents)
    newest = latest_records(beside, id_columns=parents)
    markers = newest.filter(is_childless_marker(ids, parents))
    names = rows.collect_schema().names()
    valid = pl.concat([children.select(names), markers.select(names)])
    gone = removed.lazy().select(list(dict.fromkeys([*ids, *parents])))
    kept = valid.join(gone, on=gone.collect_schema().names(), how="anti", nulls_equal=True)
    return pl.concat([untouched, kept])
