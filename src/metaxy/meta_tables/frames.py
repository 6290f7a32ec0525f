"""Frames that updates return, as rows of the contract of their table."""

from typing import Any, cast

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.metadata_store.frames import polars_frame
from metaxy.metadata_store.records import RecordContract, checked_records
from metaxy.models.contract import TableContract


def contract_rows(frame: IntoFrame, contract: TableContract) -> pl.DataFrame:
    """Give a frame's rows with the columns of the contract, or refuse it with every reason.

    Times in milliseconds or nanoseconds become microseconds where that loses nothing. A frame
    without rows and columns gives no rows.

    Raises:
        ContractViolationError: The frame breaks the contract.
    """
    what = f"The frame for '{contract.table_name}'"
    given = polars_frame(cast("IntoFrame", _with_named_index(frame)), what=what)
    rows = given if isinstance(given, pl.DataFrame) else given.collect()
    if rows.is_empty() and not rows.columns:
        rows = pl.DataFrame(schema=RecordContract(contract, None).declared)
    checked = checked_records(
        rows.select(_in_microseconds(rows[name]) for name in rows.columns).lazy(),
        RecordContract(contract, None),
        table=None,
        engine="in-memory",
        subject=f"{what} breaks the contract of its storage class",
    )
    return checked.select(column.name for column in contract.columns).collect()


def _with_named_index(frame: object) -> object:
    """A pandas frame with the names of its index as columns; anything else as it is.

    An index that is a column besides, as `set_index(…, drop=False)` leaves it, is dropped.
    """
    native = nw.to_native(frame, pass_through=True)
    if type(native).__module__.partition(".")[0] != "pandas":
        return frame
    pandas_frame: Any = native
    names = getattr(getattr(pandas_frame, "index", None), "names", ())
    if all(name is None for name in names):
        return frame
    columns = list(pandas_frame.columns)
    twice = [level for level, name in enumerate(names) if name in columns]
    if len(twice) == len(names):
        return pandas_frame.reset_index(drop=True)
    return pandas_frame.droplevel(twice).reset_index() if twice else pandas_frame.reset_index()


def _in_microseconds(values: pl.Series) -> pl.Series:
    """Times in microseconds, if they can be; those that can't are left for the checks to refuse."""
    dtype = values.dtype
    if not isinstance(dtype, pl.Datetime) or dtype.time_unit == "us":
        return values
    exact = values.dt.cast_time_unit("us")
    return exact if exact.dt.cast_time_unit(dtype.time_unit).equals(values) else values
