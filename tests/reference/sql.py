"""SQL conditions on one record, in three-valued logic: true, false, or None for unknown."""

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

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

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": eq,
    "<>": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
"""Those that a tree has, each with what it means of values that are not null."""


def truth(  # noqa: PLR0911 -- one for each kind of condition
    condition: Condition, record: Mapping[str, Any]
) -> bool | None:
    """What SQL says of the condition for a record."""
    match condition:
        case And(conditions):
            return _all([truth(each, record) for each in conditions])
        case Or(conditions):
            return _not(_all([_not(truth(each, record)) for each in conditions]))
        case Not(inner):
            return _not(truth(inner, record))
        case IsNull(column):
            return _value(column, record) is None
        case Column():
            found = _value(condition, record)
            return None if found is None else bool(found)
        case Comparison(symbol, column, operand):
            return _compared(symbol, _value(column, record), _value(operand, record))
        case In(column, values):
            found = _value(column, record)
            return None if found is None else any(found == each.value for each in values)
        case Like(column, pattern):
            found = _value(column, record)
            return None if found is None else _is_like(found, pattern)


def _value(operand: Column | Literal, record: Mapping[str, Any]) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    found: Any = record
    for name in operand.path:
        found = None if found is None else found[name]
    return found


def _compared(symbol: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    return COMPARISONS[symbol](left, right)


def _all(truths: list[bool | None]) -> bool | None:
    if False in truths:
        return False
    return None if None in truths else True


def _not(value: bool | None) -> bool | None:  # noqa: FBT001 -- a truth is what it negates
    return None if value is None else not value


def _is_like(text: str, pattern: str) -> bool:
    parts = {"%": "[\\s\\S]*", "_": "[\\s\\S]"}
    return bool(re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text))
