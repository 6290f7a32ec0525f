"""The version of a record from its own values, for tables whose rows are what they say."""

from collections.abc import Sequence

import polars as pl

from metaxy.versioning.row_hash import RowHasher


def values_version(columns: Sequence[str], *, hasher: RowHasher) -> pl.Expr:
    """The version of the values in some columns; never null.

    A null value counts as if there were no such column: a column that a table gets later, and older
    rows don't have, leaves their versions as they are. The order of the columns makes no
    difference, their names do.

    Args:
        columns: Of any type that a lake stores.
    """
    if not columns:
        return hasher.hashed([pl.lit("")])
    digests = [
        pl.when(pl.col(name).is_not_null()).then(hasher.digest([pl.lit(name), pl.col(name)]))
        for name in sorted(columns)
    ]
    # Digests have one width and tell their columns' names, so that joined they are unambiguous.
    return hasher.hashed([pl.concat_str(digests, ignore_nulls=True)])
