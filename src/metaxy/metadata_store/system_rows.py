"""The rows of system tables, which are few and are read as a whole."""

import polars as pl

from metaxy.errors import UnreadableTableError
from metaxy.metadata_store.failures import told_as
from metaxy.metadata_store.frames import polars_lazy
from metaxy.metadata_store.interface import StoreInterface
from metaxy.models.keys import FeatureKey


def system_rows(store: StoreInterface, key: FeatureKey, columns: pl.Schema) -> pl.DataFrame:
    """All rows of a system table of this very store, in any order; none without a table.

    Args:
        columns: Those to give; the table may have more.

    Raises:
        UnreadableTableError: The table can't be read.
    """
    rows = store.read_metadata_in_store(key)
    if rows is None:
        return pl.DataFrame(schema=columns)
    where = store.display()
    text = f"The rows of '{key}' in {where} can't be read"
    with told_as(text, kind=UnreadableTableError, store=where, feature=str(key)):
        return polars_lazy(rows).select(columns.names()).collect()
