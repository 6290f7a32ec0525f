"""A frame brought into the columns, types and order of a table that may have others.

Columns and struct fields that the frame lacks become null; ones that the table lacks are kept behind
the others and evolve it. Nothing is ever cast to another scalar type: delta-rs would do that
silently (1.5 into an Int64 column is stored as 1), so a conflict is told instead.
"""

from dataclasses import dataclass

import polars as pl


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
        name: _merged(name, frame[name], dtype, conflicts) if name in frame else dtype
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


def _merged(
    path: str, got: pl.DataType, wanted: pl.DataType, conflicts: list[Conflict]
) -> pl.DataType:
    """The type that holds both, where only struct fields may differ; notes a conflict otherwise."""
    if got == wanted or isinstance(got, pl.Null):
        return wanted
    if isinstance(got, pl.List) and isinstance(wanted, pl.List):
        return pl.List(_merged(f"{path}[]", _inner(got), _inner(wanted), conflicts))
    if isinstance(got, pl.Struct) and isinstance(wanted, pl.Struct):
        fields = {field.name: _dtype(field) for field in wanted.fields}
        for field in got.fields:
            fields[field.name] = (
                _merged(f"{path}.{field.name}", _dtype(field), fields[field.name], conflicts)
                if field.name in fields
                else _dtype(field)
            )
        return pl.Struct(fields)
    conflicts.append(Conflict(path, got, wanted))
    return wanted


def _inner(dtype: pl.List) -> pl.DataType:
    return dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()


def _dtype(field: pl.Field) -> pl.DataType:
    return field.dtype if isinstance(field.dtype, pl.DataType) else field.dtype()
