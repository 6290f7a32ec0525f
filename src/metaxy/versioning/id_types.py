"""One type for id columns of one name, so that records of several frames can be told apart alike.

Stored ids are texts, integers, decimals, truth values, dates or UTC instants in microseconds.
Frames that users give (samples, or what `load_input` makes) may have other types for the same ids.
"""

from collections.abc import Iterable, Mapping

import polars as pl


def common_id_type(types: Iterable[pl.DataType]) -> pl.DataType | None:
    """The type in which ids of several types can be compared; None when there is none.

    Integers of several widths become Int64, categories become text, instants of one time zone
    microseconds, decimals as exact as the most exact of them. A column of nulls only has any type.
    """
    found = {_plain(dtype) for dtype in types if not isinstance(dtype, pl.Null)}
    if not found:
        return pl.Null()
    if len(found) == 1:
        return found.pop()
    if all(dtype.is_integer() for dtype in found):
        return pl.Int64()
    scales = [dtype.scale for dtype in found if isinstance(dtype, pl.Decimal)]
    return pl.Decimal(38, max(scales)) if len(scales) == len(found) else None


def common_id_types(
    one: pl.Schema, other: pl.Schema, names: Iterable[str]
) -> tuple[dict[str, pl.DataType], list[str]]:
    """The types in which ids of two frames can be compared, and the names that have none."""
    found = {name: common_id_type([one[name], other[name]]) for name in names}
    types = {name: dtype for name, dtype in found.items() if dtype is not None}
    return types, [name for name in found if name not in types]


def with_id_types(frame: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Cast the columns that have another type than they should have."""
    schema = frame.collect_schema()
    casts = [
        pl.col(name).cast(dtype)
        for name, dtype in types.items()
        if name in schema and schema[name] != dtype
    ]
    return frame.with_columns(casts) if casts else frame


def rows_with_ids_of(
    frame: pl.LazyFrame, other: pl.LazyFrame, types: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """The rows of a frame whose ids some row of another frame has, as they are.

    Args:
        types: Of each column that is compared, the one that both can be cast to.
    """
    return frame.join(
        with_id_types(other.select(list(types)), types),
        left_on=_as_types(frame.collect_schema(), types),
        right_on=list(types),
        how="semi",
    )


def _as_types(schema: pl.Schema, types: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    return [
        pl.col(name) if schema[name] == dtype else pl.col(name).cast(dtype)
        for name, dtype in types.items()
    ]


def _plain(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return dtype
