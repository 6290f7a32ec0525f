"""A frame brought into the columns, types and order of a table that may have others.

Columns and struct fields that the frame lacks become null; ones that the table lacks are kept
behind the others and evolve it. Nothing is ever cast to another scalar type: delta-rs would do that
silently (1.5 into an Int64 column is stored as 1), so a conflict is told instead.
"""

from dataclasses import dataclass

import polars as pl
from polars._typing import PolarsDataType


@dataclass(frozen=True, slots=True)
class Conflict:
    """A column, or a part of one (`stats.width`), whose type is not the table's."""

    column: str
    got: pl.DataType
    wanted: pl.DataType


@dataclass(frozen=True, slots=True)
class Alignment:
    """How frames of one schema are brought into a table's.

    Attributes:
        schema: Of the aligned frame: the table's columns in their order, then new ones.
        evolves: Whether the table must get new columns or struct fields.
        conflicts: If there are any, the frame can't be written.
    """

    schema: pl.Schema
    evolves: bool
    conflicts: tuple[Conflict, ...]


def alignment(frame: pl.Schema, table: pl.Schema) -> Alignment:
    """Compare a frame's columns with a table's."""
    conflicts: list[Conflict] = []
    merged = {
        name: _merged(frame[name], dtype, path=name, conflicts=conflicts)
        if name in frame
        else dtype
        for name, dtype in table.items()
    }
    merged.update({name: dtype for name, dtype in frame.items() if name not in table})
    evolves = merged != dict(table)
    return Alignment(pl.Schema(merged), evolves, tuple(conflicts))


def aligned_columns(frame: pl.Schema, target: pl.Schema) -> list[pl.Expr]:
    """The columns of an aligned frame, made from those of a frame without conflicts."""
    return [_column(name, frame.get(name), dtype) for name, dtype in target.items()]


def _column(name: str, got: pl.DataType | None, wanted: pl.DataType) -> pl.Expr:
    if got is None:
        return pl.lit(None, dtype=wanted).alias(name)
    return pl.col(name) if got == wanted else pl.col(name).cast(wanted)


def typed(got: pl.DataType, known: pl.DataType | None) -> pl.DataType:
    """The type of a column, with a known one wherever it has none because all values are null."""
    if isinstance(got, pl.Null):
        return got if known is None else known
    if isinstance(got, pl.List):
        return pl.List(typed(inner(got), inner(known) if isinstance(known, pl.List) else None))
    if isinstance(got, pl.Struct):
        fields = struct_fields(known)
        return pl.Struct(
            {name: typed(each, fields.get(name)) for name, each in struct_fields(got).items()}
        )
    return got


def struct_fields(dtype: pl.DataType | None) -> dict[str, pl.DataType]:
    """The fields of a struct; none of any other type."""
    if not isinstance(dtype, pl.Struct):
        return {}
    return {field.name: as_instance(field.dtype) for field in dtype.fields}


def inner(dtype: pl.List) -> pl.DataType:
    """The type of a list's items."""
    return as_instance(dtype.inner)


def as_instance(dtype: PolarsDataType) -> pl.DataType:
    """A type that may have been given as its class."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def _merged(
    got: pl.DataType, wanted: pl.DataType, *, path: str, conflicts: list[Conflict]
) -> pl.DataType:
    """The type that holds both, where only struct fields may differ; notes a conflict otherwise."""
    if got == wanted or isinstance(got, pl.Null):
        return wanted
    if isinstance(got, pl.List) and isinstance(wanted, pl.List):
        items = _merged(inner(got), inner(wanted), path=f"{path}[]", conflicts=conflicts)
        return pl.List(items)
    if isinstance(got, pl.Struct) and isinstance(wanted, pl.Struct):
        fields = struct_fields(wanted)
        for name, dtype in struct_fields(got).items():
            known = fields.get(name, dtype)
            fields[name] = _merged(dtype, known, path=f"{path}.{name}", conflicts=conflicts)
        return pl.Struct(fields)
    conflicts.append(Conflict(path, got, wanted))
    return wanted
