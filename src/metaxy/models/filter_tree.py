"""What a SQL filter means, as a tree of values, and its one canonical text.

The tree is normal in this: `AND` and `OR` hold two or more operands and never one of their own
kind; a comparison has a column on its left; `NOT IN`, `IS NOT NULL` and `NOT LIKE` are `Not` of the
plain condition, and `BETWEEN` is two comparisons, which in SQL's three-valued logic is the same.
A condition that is null for a record does not hold for it.
"""

import re
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool
Operator: TypeAlias = OneOf["=", "<>", "<", "<=", ">", ">="]

KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "BETWEEN", "TRUE", "FALSE"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or by more than one part of the path a field inside a struct column.

    By itself it is a condition: that the (boolean) column is true.
    """

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text; equal to another one only of the same type."""

    value: Value
    kind: OneOf["text", "integer", "decimal", "boolean"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`column operator operand`; null when either side is."""

    operator: Operator
    column: Column
    operand: "Column | Literal"


@dataclass(frozen=True, slots=True)
class In:
    """`column IN (values)`; the values are of one type (numbers count as one) and never null."""

    column: Column
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """`column IS NULL`; never null itself."""

    column: Column


@dataclass(frozen=True, slots=True)
class Like:
    """`column LIKE pattern`, where `%` is any text and `_` any one character; case counts."""

    column: Column
    pattern: str


@dataclass(frozen=True, slots=True)
class Not:
    """Null when the condition is."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class And:
    """Two or more conditions, none of them an `And`, in the order of the text."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more conditions, none of them an `Or`, in the order of the text."""

    conditions: "tuple[Condition, ...]"


Condition: TypeAlias = Column | Comparison | In | IsNull | Like | Not | And | Or


def canonical_text(condition: Condition) -> str:
    """Write the condition as SQL, with only the parentheses that it needs.

    Parsing the text gives the same tree. Versions are hashed from it: changing how anything is
    written here changes feature versions.
    """
    match condition:
        case Or(conditions):
            return " OR ".join(canonical_text(each) for each in conditions)
        case And(conditions):
            return " AND ".join(_enclosed(each, Or) for each in conditions)
        case Not(In() | IsNull() | Like() as test):
            return _test(test, "NOT ")
        case Not(inner):
            return f"NOT {_enclosed(inner, And, Or)}"
        case Column():
            return _name(condition)
        case _:
            return _test(condition, "")


def columns_of(condition: Condition) -> tuple[str, ...]:
    """Give the names of the columns in a condition, sorted, each once."""
    return tuple(sorted({column.path[0] for column in _columns(condition)}))


def _columns(condition: Condition) -> list[Column]:
    match condition:
        case And(conditions) | Or(conditions):
            return [column for each in conditions for column in _columns(each)]
        case Not(inner):
            return _columns(inner)
        case Comparison(_, column, Column() as operand):
            return [column, operand]
        case Column():
            return [condition]
        case _:
            return [condition.column]


def _test(test: Comparison | In | IsNull | Like, negation: str) -> str:
    name = _name(test.column)
    match test:
        case Comparison(operator, _, operand):
            return f"{name} {operator} {_operand(operand)}"
        case In(_, values):
            return f"{name} {negation}IN ({', '.join(map(_operand, values))})"
        case IsNull():
            return f"{name} IS {negation}NULL"
        case Like(_, pattern):
            return f"{name} {negation}LIKE {_quoted(pattern)}"


def _enclosed(condition: Condition, *kinds: type[Condition]) -> str:
    text = canonical_text(condition)
    return f"({text})" if isinstance(condition, kinds) else text


def _operand(operand: Column | Literal) -> str:
    if isinstance(operand, Column):
        return _name(operand)
    if isinstance(operand.value, str):
        return _quoted(operand.value)
    return repr(operand.value).upper() if isinstance(operand.value, bool) else repr(operand.value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(column: Column) -> str:
    return ".".join(map(_identifier, column.path))


def _identifier(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'
