"""Column types: the neutral texts of feature classes as Polars types, and which a lake can hold.

Accepted is what comes back from Delta exactly as it went in, on the machine of any reader; the
refusals below were tried out, each with what happens instead.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from metaxy.metadata_store.alignment import as_instance, inner, struct_fields
from metaxy.models.column_types import split_fields

_SCALARS: Final[dict[str, pl.DataType]] = {
    "string": pl.String(),
    "binary": pl.Binary(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "uint8": pl.UInt8(),
    "uint16": pl.UInt16(),
    "uint32": pl.UInt32(),
    "uint64": pl.UInt64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "timestamp[us, UTC]": pl.Datetime("us", "UTC"),
    "timestamp[us]": pl.Datetime("us"),
}
_DECIMAL: Final = re.compile(r"decimal\((\d+),(\d+)\)")

_UNSIGNED: Final[dict[type[pl.DataType], str]] = {
    pl.UInt8: "Int16",
    pl.UInt16: "Int32",
    pl.UInt32: "Int64",
    pl.UInt64: "Int64 (or Decimal)",
}
_REFUSED: Final[dict[type[pl.DataType], str]] = {
    pl.Int128: "cast it to Int64, Decimal or String",
    pl.UInt128: "cast it to Int64, Decimal or String",
    pl.Categorical: "cast it to String",
    pl.Enum: "cast it to String",
    pl.Array: "cast it to List",
    pl.Time: "cast it to String or Int64",
    pl.Duration: "cast it to Int64",
    pl.Float16: "cast it to Float32",
    pl.Null: "cast it to the type that its values will have, or leave the column out",
    pl.Object: "turn it into String, Binary or a Struct",
    pl.Unknown: "cast it to the type that it should have",
}
_HELD: Final = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Boolean, pl.String),
    *(pl.Binary, pl.Date, pl.Datetime, pl.Decimal, pl.List, pl.Struct, pl.Map),
)
_ID_TYPES: Final = (pl.String, pl.Date, pl.Datetime, pl.Boolean, pl.Decimal)


def polars_type(dtype: str) -> pl.DataType:
    """The Polars type for the type of a declared column (`metaxy.models.columns`)."""
    if dtype in _SCALARS:
        return _SCALARS[dtype]
    if found := _DECIMAL.fullmatch(dtype):
        return pl.Decimal(int(found[1]), int(found[2]))
    kind, _, inner = dtype.removesuffix(">").partition("<")
    if kind == "list":
        return pl.List(polars_type(inner))
    if kind == "map":
        return pl.Map(pl.String(), polars_type(inner.removeprefix("string, ")))
    fields = (field.partition(": ") for field in split_fields(inner))
    return pl.Struct({name: polars_type(inner_type) for name, _, inner_type in fields})


def refusal(name: str, dtype: pl.DataType) -> str | None:
    """Why a column of this type can't be stored, with the way out; None when it can."""
    parts = _parts(name, dtype)
    if parts is not None:
        told = (*_name_refusals(name, dtype), *(refusal(*part) for part in parts.items()))
        return next((each for each in told if each is not None), None)
    if isinstance(dtype, pl.Struct):
        return f"'{name}' is a struct without fields, which Delta can't store: drop it"
    if type(dtype) in _UNSIGNED:
        wider = _UNSIGNED[type(dtype)]
        return f"'{name}' is {dtype}, and Delta has no unsigned integers: cast it to {wider}"
    if isinstance(dtype, pl.Datetime):
        return _datetime_refusal(name, dtype)
    if isinstance(dtype, _HELD):
        return None
    way_out = _REFUSED.get(type(dtype), "cast it to a plain type")
    return f"'{name}' is {dtype}, which would not come back from Delta: {way_out}"


def name_refusal(name: str, others: Iterable[str]) -> str | None:
    """Why a column (or struct field) can't have this name beside others; None when it can."""
    if "\0" in name:
        return f"{name!r} has a NUL character in its name, which Delta can't store: rename it"
    twin = next((each for each in others if each.casefold() == name.casefold()), None)
    if twin is None:
        return None
    return f"'{twin}' and '{name}' differ only by case, which Delta ignores: rename one"


def _name_refusals(path: str, dtype: pl.DataType) -> Iterator[str]:
    names = list(struct_fields(dtype))
    for position, name in enumerate(names):
        refused = name_refusal(name, names[:position])
        if refused is not None:
            yield f"in '{path}', {refused}"


def _parts(name: str, dtype: pl.DataType) -> dict[str, pl.DataType] | None:
    """What a nested type is made of; None for one that isn't made of anything."""
    if isinstance(dtype, pl.List):
        return {f"{name}[]": inner(dtype)}
    if isinstance(dtype, pl.Map):
        return {
            f"{name} (its keys)": as_instance(dtype.key),
            f"{name}{{}}": as_instance(dtype.value),
        }
    fields = {f"{name}.{field}": each for field, each in struct_fields(dtype).items()}
    return fields or None


def id_refusal(name: str, dtype: pl.DataType) -> str | None:
    """Why a column of this type can't name records; None when it can."""
    if dtype.is_integer() or isinstance(dtype, _ID_TYPES):
        return None
    return (
        f"the id column '{name}' is {dtype}, which can't name records: use a string, an integer, "
        "a date or a UTC datetime"
    )


def _datetime_refusal(name: str, dtype: pl.Datetime) -> str | None:
    if dtype.time_unit != "us":
        return (
            f"'{name}' is {dtype}, and Delta keeps microseconds: "
            f'cast it with .dt.cast_time_unit("us")'
        )
    if dtype.time_zone not in (None, "UTC"):
        return (
            f"'{name}' is {dtype}, and Delta keeps UTC: convert it with "
            f'.dt.convert_time_zone("UTC")'
        )
    return None
