"""Frames of any library that Narwhals knows, as Polars frames."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import FilterError, MetadataSchemaError, VersioningEngineMismatchError
from metaxy.models.filters import SqlFilter
from metaxy.versioning.scope import Condition
from metaxy.versioning.types import Increment, LazyIncrement

Filter = nw.Expr | pl.Expr | str
"""A condition on records: a Narwhals or Polars expression, or SQL text."""


def polars_frame(
    frame: IntoFrame | None, *, what: str, native_only: bool = False
) -> pl.LazyFrame | pl.DataFrame:
    """Give a user's frame as Polars, eager where it is eager.

    Lazy frames of other libraries are read.

    Args:
        what: Names the frame in messages.
        native_only: Refuse frames that would have to be converted.
    """
    known = _known_frame(frame, what=what)
    native: object = known.to_native()
    if isinstance(native, pl.LazyFrame | pl.DataFrame):
        return native
    if native_only:
        raise VersioningEngineMismatchError(
            f"{what} is a {_library(native)} frame, and the versioning engine "
            "'native' takes Polars frames only. Convert it, or use versioning_engine='auto'."
        )
    try:
        eager = known if isinstance(known, nw.DataFrame) else known.collect("polars")
        return eager.to_polars()
    except BaseException as error:
        # Polars panics on some types that it can't take over, and a panic is no Exception.
        if not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        raise MetadataSchemaError(
            f"{what} is a {_library(native)} frame, and can't be turned into a Polars frame",
            str(error),
        ) from error


def _known_frame(frame: object, *, what: str) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    try:
        return nw.from_native(cast("pl.DataFrame", frame))
    except TypeError as error:
        if isinstance(frame, Increment | LazyIncrement):
            raise MetadataSchemaError(
                f"{what} is a whole increment. Give its parts, one after the other: "
                "increment.added, then increment.changed."
            ) from error
        raise MetadataSchemaError(
            f"{what} is a {type(frame).__name__}, which is no data frame that Narwhals knows. "
            "Give a Polars, pandas or PyArrow frame, or another that Narwhals supports."
        ) from error
    except (ValueError, nw.exceptions.NarwhalsError) as error:
        raise MetadataSchemaError(f"{what} can't be used", str(error)) from error


def _library(native: object) -> str:
    return type(native).__module__.split(".")[0]


def polars_lazy(frame: nw.LazyFrame[Any]) -> pl.LazyFrame:
    """Give a Narwhals frame as a Polars LazyFrame."""
    native: object = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        return native
    return polars_frame(cast("pl.LazyFrame", native), what="What the store has read").lazy()


def conditions(filters: Iterable[Filter] | None) -> tuple[Condition, ...]:
    """Give filters as expressions.

    Raises:
        FilterError: A SQL text can't be understood.
    """
    if isinstance(filters, nw.Expr | pl.Expr | str):
        filters = [filters]
    if isinstance(filters, Mapping):
        raise FilterError(
            "Filters are given by feature here, but the conditions on one feature are wanted: "
            "filters=[…]."
        )
    return tuple(_condition(each) for each in filters or ())


def _condition(given: object) -> Condition:
    if isinstance(given, str):
        # Compiled where the types of the columns are known: text may stand for a date.
        return SqlFilter(given)
    if isinstance(given, nw.Expr | pl.Expr | SqlFilter):
        return given
    raise FilterError(
        f"{given!r} is a {type(given).__name__}, which is no filter: give a Narwhals or Polars "
        "expression, or SQL text."
    )
