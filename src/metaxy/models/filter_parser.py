"""From the text of a SQL filter to its tree.

The grammar is small and closed, because filters are hashed into feature versions: a text must mean
the same in every release, and one that a SQL library begins to understand must not slip in. So it
is parsed here, by recursive descent, and not by such a library.

    condition := all ("OR" all)*
    all       := not ("AND" not)*
    not       := "NOT" not | "(" condition ")" | test
    test      := operand [ ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") operand
                         | ["NOT"] "IN" "(" literal ("," literal)* ")"
                         | ["NOT"] "LIKE" text
                         | ["NOT"] "BETWEEN" operand "AND" operand
                         | "IS" ["NOT"] "NULL" ]
    operand   := name ("." name)* | literal
    literal   := text | ["-"] number | "TRUE" | "FALSE"
"""

import math
from typing import NoReturn, cast

from metaxy.models.filter_tokens import Token, not_understood, tokens
from metaxy.models.filter_tree import (
    KEYWORDS,
    And,
    Column,
    Comparison,
    Condition,
    In,
    IsNull,
    Like,
    Literal,
    Not,
    Operator,
    Or,
)

MAX_NESTING = 100

_FLIPPED: dict[Operator, Operator] = {
    "=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="
}  # fmt: skip


def parsed(sql: str) -> Condition:
    """Read a condition.

    Raises:
        FilterError: With the position of the first thing that is not understood.
    """
    return _Parser(sql).whole()


class _Parser:
    """Walks over the tokens of one text, from left to right, one token ahead."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = tokens(sql)
        self.next = 0
        self.depth = 0

    def whole(self) -> Condition:
        condition = self._condition()
        if self._ahead.kind != "end":
            self._fail("the end, AND or OR")
        return condition

    def _condition(self) -> Condition:
        found = [self._all()]
        while self._took("OR"):
            found.append(self._all())
        return _combined(Or, found)

    def _all(self) -> Condition:
        found = [self._not()]
        while self._took("AND"):
            found.append(self._not())
        return _combined(And, found)

    def _not(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_NESTING:
            self._fail(f"at most {MAX_NESTING} levels of NOT and parentheses")
        negated = False
        if self._took("NOT"):
            condition, negated = self._not(), True
        elif self._took("("):
            condition = self._condition()
            self._expect(")")
            if isinstance(condition, Column):  # a column in parentheses may go on: (a) > 1
                condition = self._test(condition)
        else:
            condition = self._test(self._operand())
        self.depth -= 1
        return _negated(condition) if negated else condition

    def _test(self, left: Column | Literal) -> Condition:
        operator = self._took_operator()
        if operator is not None:
            return self._comparison(left, operator, self._operand())
        negated = self._took("NOT")
        condition = self._named_test(left)
        if condition is None:
            if negated:
                self._fail("IN, LIKE or BETWEEN after NOT")
            if isinstance(left, Literal):
                self._fail("a comparison after a literal")
            return left
        return _negated(condition) if negated else condition

    def _named_test(self, left: Column | Literal) -> Condition | None:
        if self._took("BETWEEN"):
            low = self._comparison(left, ">=", self._operand())
            self._expect("AND")
            return And((low, self._comparison(left, "<=", self._operand())))
        if self._ahead.text.upper() not in {"IN", "LIKE", "IS"} or self._ahead.kind != "word":
            return None
        if isinstance(left, Literal):
            self._fail("a column on the left")
        return self._in(left) or self._like(left) or self._is_null(left)

    def _in(self, column: Column) -> Condition | None:
        if not self._took("IN"):
            return None
        self._expect("(")
        values = [self._literal()]
        while self._took(","):
            values.append(self._literal(like=values[0]))
        self._expect(")")
        return In(column, tuple(values))

    def _like(self, column: Column) -> Condition | None:
        if not self._took("LIKE"):
            return None
        if self._ahead.kind != "text":
            self._fail("a text after LIKE")
        return Like(column, cast("str", self._literal().value))

    def _is_null(self, column: Column) -> Condition | None:
        if not self._took("IS"):
            return None
        negated = self._took("NOT")
        self._expect("NULL")
        return Not(IsNull(column)) if negated else IsNull(column)

    def _comparison(
        self, left: Column | Literal, operator: Operator, right: Column | Literal
    ) -> Condition:
        if isinstance(left, Column):
            return Comparison(operator, left, right)
        if isinstance(right, Literal):
            self._fail("a column on one side of a comparison")
        return Comparison(_FLIPPED[operator], right, left)

    def _operand(self) -> Column | Literal:
        token = self._ahead
        if token.kind == "quoted" or (token.kind == "word" and token.text.upper() not in KEYWORDS):
            return self._column()
        return self._literal()

    def _column(self) -> Column:
        path = [self._name()]
        while self._took("."):
            path.append(self._name())
        if self._ahead.text == "(":
            self._fail("no function")
        return Column(tuple(path))

    def _name(self) -> str:
        token = self._ahead
        if token.kind not in {"word", "quoted"} or token.text.upper() in KEYWORDS:
            self._fail("the name of a column (in double quotes if it is a keyword)")
        self.next += 1
        return token.text if token.kind == "word" else token.text[1:-1].replace('""', '"')

    def _literal(self, *, like: Literal | None = None) -> Literal:
        token = self._ahead
        sign = "-" if self._took("-") else ""
        literal = self._value(self._ahead, sign)
        if literal is None or (like is not None and not _alike(literal, like)):
            self.next = self.tokens.index(token)
            self._fail("a column or a literal" if like is None else f"another {like.kind}")
        self.next += 1
        return literal

    def _value(self, token: Token, sign: str) -> Literal | None:
        if token.kind == "number":
            if token.text.isdigit():
                return Literal(int(sign + token.text), "integer")
            number = float(sign + token.text)
            return Literal(number, "decimal") if math.isfinite(number) else None
        if sign:
            return None
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"), "text")
        if token.kind == "word" and token.text.upper() in {"TRUE", "FALSE"}:
            return Literal(token.text.upper() == "TRUE", "boolean")
        return None

    @property
    def _ahead(self) -> Token:
        return self.tokens[self.next]

    def _took(self, wanted: str) -> bool:
        token = self._ahead
        if token.kind in {"word", "symbol"} and token.text.upper() == wanted:
            self.next += 1
            return True
        return False

    def _took_operator(self) -> Operator | None:
        token = self._ahead
        operator = cast("Operator", "<>" if token.text == "!=" else token.text)
        if token.kind != "symbol" or operator not in _FLIPPED:
            return None
        self.next += 1
        return operator

    def _expect(self, wanted: str) -> None:
        if not self._took(wanted):
            self._fail(f"'{wanted}'")

    def _fail(self, wanted: str) -> NoReturn:
        raise not_understood(self.sql, self._ahead, wanted=wanted)


def _negated(condition: Condition) -> Condition:
    return condition.condition if isinstance(condition, Not) else Not(condition)


def _combined(kind: type[And] | type[Or], conditions: list[Condition]) -> Condition:
    """Combine conditions, taking apart those of the same kind; one stays as it is."""
    flat: list[Condition] = []
    for each in conditions:
        flat.extend(each.conditions if isinstance(each, kind) else (each,))
    return kind(tuple(flat)) if len(flat) > 1 else flat[0]


def _alike(value: Literal, other: Literal) -> bool:
    numbers = {"integer", "decimal"}
    return value.kind == other.kind or {value.kind, other.kind} <= numbers
