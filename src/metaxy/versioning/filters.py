"""SQL filters as Polars expressions, with SQL's three-valued logic.

`metaxy.models.filters` parses the text and tells what each part means; a record for which the
condition is null does not fulfil it, which is what `LazyFrame.filter` does.
"""

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl

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

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def filter_expression(sql_filter: SqlFilter) -> pl.Expr:
    """The truth value of a filter for each record: true, false or null."""
    return _expression(sql_filter.tree)


def _expression(condition: Condition) -> pl.Expr:  # noqa: PLR0911 -- one kind of node each
    match condition:
        case Column():
            return _column(condition)
        case Comparison(symbol, column, operand):
            return _OPERATORS[symbol](_column(column), _operand(operand))
        case In(column, values):
            return _column(column).is_in([value.value for value in values])
        case IsNull(column):
            return _column(column).is_null()
        case Like(column, pattern):
            return _column(column).str.contains(_like_pattern(pattern))
        case Not(inner):
            return ~_expression(inner)
        case And(conditions):
            return pl.all_horizontal(map(_expression, conditions))
        case Or(conditions):
            return pl.any_horizontal(map(_expression, conditions))


def _column(column: Column) -> pl.Expr:
    name, *fields = column.path
    return functools.reduce(lambda found, field: found.struct.field(field), fields, pl.col(name))


def _operand(operand: Column | Literal) -> pl.Expr:
    return _column(operand) if isinstance(operand, Column) else pl.lit(operand.value)


def _like_pattern(pattern: str) -> str:
    """A regular expression for the whole text: `%` is any text and `_` any one character."""
    parts = (".*" if each == "%" else "." if each == "_" else re.escape(each) for each in pattern)
    return f"(?s)^{''.join(parts)}$"
