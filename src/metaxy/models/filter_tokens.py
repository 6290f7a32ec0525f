"""The words of a SQL filter, and the error for one that cannot stand where it does."""

import re
from dataclasses import dataclass

from metaxy.errors import FilterError

_SUPPORTED = (
    "A filter is made of comparisons (= != <> < <= > >=), IN, LIKE, BETWEEN and IS NULL over "
    "columns and literals, combined with AND, OR, NOT and parentheses"
)

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
      | (?P<word>[^\W\d]\w*)
      | (?P<symbol><=|>=|<>|!=|[=<>(),.-])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text; `kind` is a group of the expression above, or `end` after the last."""

    kind: str
    text: str
    position: int


def tokens(sql: str) -> tuple[Token, ...]:
    """Take a text apart; the last token is the end.

    Raises:
        FilterError: A character can begin no token.
    """
    found: list[Token] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None or match.lastgroup is None:
            token = Token("unknown", sql[position], position)
            raise not_understood(sql, token, wanted="a column, a literal or an operator")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match[0], position))
        position = match.end()
    return (*found, Token("end", "", len(sql)))


def not_understood(sql: str, token: Token, *, wanted: str) -> FilterError:
    """Make the error for a token where `wanted` should stand."""
    got = repr(token.text) if token.text else "the end of the text"
    if token.text.upper() == "NULL":
        wanted += " (a test for null is written IS NULL or IS NOT NULL)"
    return FilterError(
        f"The filter {sql!r} is not understood at character {token.position + 1}: "
        f"expected {wanted}, got {got}. {_SUPPORTED}.",
        sql=sql,
        position=token.position,
    )
