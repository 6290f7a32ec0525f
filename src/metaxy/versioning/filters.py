"""SQL filters as Polars expressions, with SQL's three-valued logic.

`metaxy.models.filters` parses the text and tells what each part means; a record for which the
condition is null does not fulfil it, which is what `LazyFrame.filter` does.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias

import polars as pl

from metaxy.errors import FilterError
from metaxy.models.filter_tree import (
    And,
    Column,
    Comparison,
    Condition,
    In,
    IsNull,
    Like,
    Literal,
    Not,
    Or,
)
from metaxy.models.filters import SqlFilter

_Schema: TypeAlias = Mapping[str, pl.DataType]

_OPERATORS: Final[Mapping[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}

_KINDS: Final = (
    ((pl.String, pl.Categorical, pl.Enum), "text"),
    (pl.Boolean, "boolean"),
    (pl.Date, "date"),
    (pl.Datetime, "instant"),
)


def filter_expression(sql_filter: SqlFilter, schema: _Schema | None = None) -> pl.Expr:
    """The truth value of a filter for each record: true, false or null.

    Args:
        schema: The types of the columns. With it, a text that is compared with a date or an instant
            is read as one (ISO 8601; UTC where the column has a time zone and the text has none),
            and what can't be compared is refused here. Without it nothing is known of the columns.

    Raises:
        FilterError: The columns are of types for which the filter makes no sense.
    """
    return _Compiler(sql_filter, schema or {}).expression(sql_filter.tree)


@dataclass(frozen=True, slots=True)
class _Compiler:
    sql_filter: SqlFilter
    schema: _Schema = field(repr=False)

    def expression(self, condition: Condition) -> pl.Expr:
        match condition:
            case And(conditions):
                return functools.reduce(lambda a, b: a & b, map(self.expression, conditions))
            case Or(conditions):
                return functools.reduce(lambda a, b: a | b, map(self.expression, conditions))
            case Not(inner):
                return ~self.expression(inner)
            case _:
                return self._test(condition)

    def _test(self, condition: Column | Comparison | In | IsNull | Like) -> pl.Expr:
        match condition:
            case Column():
                return self._column_of_kind(condition, "boolean", "used as a condition")
            case Comparison(symbol, column, operand):
                return _OPERATORS[symbol](self._column(column), self._operand(operand, column))
            case In(column, values):
                return self._is_in(column, values)
            case IsNull(column):
                return self._column(column).is_null()
            case Like(column, pattern):
                text = self._column_of_kind(column, "text", "matched by LIKE")
                return text.cast(pl.String).str.contains(_like_pattern(pattern))

    def _column(self, column: Column) -> pl.Expr:
        name, *inner = column.path
        self._type(column)
        return functools.reduce(lambda found, each: found.struct.field(each), inner, pl.col(name))

    def _column_of_kind(self, column: Column, kind: str, use: str) -> pl.Expr:
        dtype = self._type(column)
        if _kind(dtype) not in (kind, None):
            raise self._error(f"{_shown(column)} is {dtype}, and can't be {use}")
        return self._column(column)

    def _is_in(self, column: Column, values: tuple[Literal, ...]) -> pl.Expr:
        """The same as `= … OR = …`, which is null for null."""
        found = self._column(column)
        if _kind(self._type(column)) == "text" and all(each.kind == "text" for each in values):
            return found.is_in([each.value for each in values])
        equal = [found == self._operand(each, column) for each in values]
        return functools.reduce(lambda a, b: a | b, equal)

    def _operand(self, operand: Column | Literal, column: Column) -> pl.Expr:
        """What `column` is compared with."""
        dtype = self._type(column)
        if isinstance(operand, Literal):
            return self._literal(operand, column, dtype)
        other = self._type(operand)
        if None not in (_kind(dtype), _kind(other)) and _kind(dtype) != _kind(other):
            raise self._error(
                f"{_shown(column)} is {dtype} and {_shown(operand)} is {other}: "
                "they can't be compared"
            )
        return self._column(operand)

    def _literal(self, literal: Literal, column: Column, dtype: pl.DataType | None) -> pl.Expr:
        wanted = _kind(dtype)
        got = {"integer": "number", "decimal": "number"}.get(literal.kind, literal.kind)
        if wanted in (got, None):
            return pl.lit(literal.value)
        if got == "text" and wanted in ("date", "instant"):
            return self._moment(str(literal.value), column, dtype)
        raise self._error(
            f"{_shown(column)} is {dtype}, and can't be compared with {literal.value!r}"
        )

    def _moment(self, text: str, column: Column, dtype: pl.DataType | None) -> pl.Expr:
        try:
            if not isinstance(dtype, pl.Datetime):
                return pl.lit(date.fromisoformat(text))
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._error(
                f"{_shown(column)} is {dtype}, and {text!r} is none: write it as '2026-01-31'"
                + (" or '2026-01-31 10:00:00'" if isinstance(dtype, pl.Datetime) else "")
            ) from error
        if dtype.time_zone is None and moment.tzinfo is not None:
            raise self._error(f"{_shown(column)} has no time zone, and {text!r} has one")
        if dtype.time_zone is not None and moment.tzinfo is None:
            return pl.lit(moment).dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        if dtype.time_zone is not None:
            return pl.lit(moment).dt.convert_time_zone(dtype.time_zone)
        return pl.lit(moment)

    def _type(self, column: Column) -> pl.DataType | None:
        """The type of a column or of a struct's field, None where it isn't known."""
        name, *inner = column.path
        dtype = self.schema.get(name)
        for each in inner:
            if dtype is None:
                return None
            fields: dict[str, Any] = dict(dtype) if isinstance(dtype, pl.Struct) else {}
            if each not in fields:
                raise self._error(f"{name!r} is {dtype}, and has no field {each!r}")
            dtype = fields[each]
        return dtype

    def _error(self, reason: str) -> FilterError:
        return FilterError(
            f"The filter {self.sql_filter.sql!r} can't be applied: {reason}.",
            sql=self.sql_filter.sql,
        )


def _kind(dtype: pl.DataType | None) -> str | None:
    """What a type can be compared with; None where that isn't known, or anything goes."""
    if dtype is None or isinstance(dtype, pl.Null):
        return None
    if dtype.is_numeric():
        return "number"
    kinds = (kind for types, kind in _KINDS if isinstance(dtype, types))
    return next(kinds, str(dtype))


def _shown(column: Column) -> str:
    return repr(".".join(column.path))


def _like_pattern(pattern: str) -> str:
    """A regular expression for the whole text: `%` is any text and `_` any one character."""
    parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in pattern)
    return f"(?s)^{''.join(parts)}$"
