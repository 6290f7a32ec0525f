"""Frames of any library that Narwhals knows, as Polars frames."""

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import MetadataSchemaError, VersioningEngineMismatchError
from metaxy.models.filters import SqlFilter
from metaxy.versioning.filters import filter_expression
from metaxy.versioning.scope import Condition

Filter = nw.Expr | pl.Expr | str
"""A condition on records: a Narwhals or Polars expression, or SQL text."""


def polars_frame(
    frame: IntoFrame, *, what: str, native_only: bool = False
) -> pl.LazyFrame | pl.DataFrame:
    """Give a user's frame as Polars, eager where it is eager.

    Lazy frames of other libraries are read.

    Args:
        what: Names the frame in messages.
        native_only: Refuse frames that would have to be converted.
    """
    try:
        known: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(frame)
    except TypeError as error:
        raise MetadataSchemaError(
            f"{what} is a {type(frame).__name__}, which is no data frame that Narwhals knows. "
            "Give a Polars, pandas or PyArrow frame, or another that Narwhals supports."
        ) from error
    native = nw.to_native(known)
    if isinstance(native, pl.LazyFrame | pl.DataFrame):
        return native
    if native_only:
        raise VersioningEngineMismatchError(
            f"{what} is a {type(native).__module__.split('.')[0]} frame, and the versioning engine "
            "'native' takes Polars frames only. Convert it, or use versioning_engine='auto'."
        )
    if isinstance(known, nw.LazyFrame):
        return known.collect("polars").to_native()
    return known.to_polars()


def polars_lazy(frame: nw.LazyFrame[Any] | nw.DataFrame[Any]) -> pl.LazyFrame:
    """Give a Narwhals frame as a Polars LazyFrame."""
    return polars_frame(frame, what="The frame").lazy()


def conditions(filters: Iterable[Filter] | None) -> tuple[Condition, ...]:
    """Give filters as expressions.

    Raises:
        FilterError: A SQL text can't be understood.
    """
    if isinstance(filters, nw.Expr | pl.Expr | str):
        filters = [filters]
    return tuple(
        filter_expression(SqlFilter(each)) if isinstance(each, str) else each
        for each in filters or ()
    )
