"""SQL filters: what is understood, the one canonical text, and what is refused."""

import pickle
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    canonical_text,
)
from metaxy.models.filters import SqlFilter
from reference.sql import COMPARISONS

NAMES = st.sampled_from(["a", "height", "And", "b c", 'q"q', "é", "NULL", "x.y"])
COLUMNS = st.lists(NAMES, min_size=1, max_size=2).map(lambda path: Column(tuple(path)))
TEXTS = st.text().map(lambda text: Literal(text, "text"))
NUMBERS = st.integers().map(lambda number: Literal(number, "integer")) | st.floats(
    allow_nan=False, allow_infinity=False
).map(lambda number: Literal(number, "decimal"))
BOOLEANS = st.booleans().map(lambda value: Literal(value, "boolean"))
OPERATORS = st.sampled_from(list(COMPARISONS))
TESTS = st.one_of(
    COLUMNS,
    st.builds(Comparison, OPERATORS, COLUMNS, COLUMNS | TEXTS | NUMBERS | BOOLEANS),
    st.builds(
        In,
        COLUMNS,
        st.one_of(*(st.lists(kind, min_size=1, max_size=3) for kind in (TEXTS, NUMBERS))).map(
            tuple
        ),
    ),
    st.builds(IsNull, COLUMNS),
    st.builds(Like, COLUMNS, st.text()),
)


def normal_not(condition: Condition) -> Condition:
    """Negate as the parser does: two negations are none."""
    return condition.condition if isinstance(condition, Not) else Not(condition)


def normal(kind: type[And] | type[Or], conditions: list[Condition]) -> Condition:
    """Combine as the parser does: nothing of one kind inside its own."""
    flat = [
        inner for each in conditions
        for inner in (each.conditions if isinstance(each, kind) else (each,))
    ]  # fmt: skip
    return kind(tuple(flat))


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        inner.map(normal_not),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: normal(And, each)),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: normal(Or, each)),
    ),
    max_leaves=8,
)


@given(CONDITIONS)
def test_a_canonical_text_is_parsed_to_its_tree(tree: Condition) -> None:
    """Canonical text, parse, canonical text: nothing changes."""
    text = canonical_text(tree)

    parsed = SqlFilter(text)

    assert parsed.tree == tree
    assert parsed.canonical == text


@given(CONDITIONS, st.randoms(use_true_random=False))
def test_formatting_does_not_change_a_filter(tree: Condition, chance: random.Random) -> None:
    """White space, the case of keywords and spare parentheses leave the canonical text alone."""
    text = canonical_text(tree)

    assert SqlFilter(f" (\n( {reformatted(text, chance)}))\t").canonical == text


def reformatted(text: str, chance: random.Random) -> str:
    """Write a canonical text otherwise: keywords in any case, any space between words."""
    words = re.findall(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"()]+|[()]""", text)
    written = [
        word if word[0] in "'\"" or word not in KEYWORDS else chance.choice([word, word.lower()])
        for word in words
    ]
    return chance.choice([" ", "  ", "\n\t"]).join(written)


KEYWORDS = {"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "TRUE", "FALSE"}


@pytest.mark.parametrize(
    ("sql", "canonical"),
    [
        ("a!=1", "a <> 1"),
        ("720 <= height", "height >= 720"),
        ("a in ('x',\n'y')", "a IN ('x', 'y')"),
        ("not a in (1)", "a NOT IN (1)"),
        ("NOT NOT a", "a"),
        ("a between 1 and 2 or b", "a >= 1 AND a <= 2 OR b"),
        ("a not between 1 and 2", "NOT (a >= 1 AND a <= 2)"),
        ("not a is not null", "a IS NULL"),
        ("not a = 1 and b", "NOT a = 1 AND b"),
        ("a or b and c", "a OR b AND c"),
        ("(a or b) and c", "(a OR b) AND c"),
        ("a and (b and (c and d))", "a AND b AND c AND d"),
        ('"a"."b c" = true', 'a."b c" = TRUE'),
        ("(a) > -1.50", "a > -1.5"),
        ("a = 1e3", "a = 1000.0"),
        ("name like 'it''s%'", "name LIKE 'it''s%'"),
        ('"and" = .5', '"and" = 0.5'),
    ],
)
def test_canonical_texts(sql: str, canonical: str) -> None:
    """Golden texts: they are hashed into feature versions and must never change."""
    assert SqlFilter(sql).canonical == canonical


def test_filters_are_equal_by_their_canonical_text() -> None:
    """What was written is kept, but does not count."""
    one, other = SqlFilter("a  >1"), SqlFilter("a > 1")

    assert one == other
    assert hash(one) == hash(other)
    assert (one.sql, str(one), repr(one)) == ("a  >1", "a > 1", "SqlFilter('a > 1')")
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 — our own bytes


def test_values_of_different_types_make_different_filters() -> None:
    """A number is not its text; 1 and 1.0 are kept apart."""
    assert len({SqlFilter(f"a = {value}") for value in ("1", "1.0", "'1'", "TRUE")}) == 4


def test_the_columns_of_a_filter_are_sorted() -> None:
    """Each once; of a struct's field the struct; a dot inside quotes is part of the name."""
    assert SqlFilter('b.x > 1 and ("c.d" is null or a = b.y)').columns == ("a", "b", "c.d")


@pytest.mark.parametrize(
    ("sql", "position", "fault"),
    [
        ("", 0, "expected a column or a literal, got the end of the text"),
        ("a >", 3, "expected a column or a literal, got the end of the text"),
        ("a >== 1", 4, "got '='"),
        ("a = NULL", 4, "a test for null is written IS NULL"),
        ("a = 1 b", 6, "expected the end, AND or OR, got 'b'"),
        ("lower(a) = 'x'", 5, "expected no function, got '('"),
        ("a + 1 > 2", 2, "got '+'"),
        ("1 = 1", 5, "expected a column on one side of a comparison"),
        ("'x'", 3, "expected a comparison after a literal"),
        ("1 in (1)", 2, "expected a column on the left"),
        ("a in ()", 6, "got ')'"),
        ("a in (1, 'x')", 9, "expected another integer, got \"'x'\""),
        ("a in (null)", 6, "a test for null is written"),
        ("a like 1", 7, "expected a text after LIKE"),
        ("a not 1", 6, "expected IN, LIKE or BETWEEN after NOT"),
        ("a is true", 5, "expected 'NULL'"),
        ("(a = 1", 6, "expected ')'"),
        ("a = 'x", 4, 'got "\'"'),
        ("a = 1; drop table x", 5, "got ';'"),
        ("a -- comment", 2, "got '-'"),
        ("a = 12abc", 4, "got '1'"),
        ("a = 1e999", 4, "got '1e999'"),
        ("in = 1", 0, "got 'in'"),
    ],
)
def test_what_is_not_understood_is_refused_where_it_stands(
    sql: str, position: int, fault: str
) -> None:
    """The error has the place, what was wanted, what was got, and what is supported."""
    with pytest.raises(FilterError) as caught:
        SqlFilter(sql)

    assert fault in str(caught.value)
    assert "A filter is made of comparisons" in str(caught.value)
    assert (caught.value.sql, caught.value.position) == (sql, position)


def test_a_filter_nested_too_deeply_is_refused() -> None:
    """No text can exhaust the stack."""
    with pytest.raises(FilterError, match="at most 100 levels"):
        SqlFilter("(" * 5000 + "a" + ")" * 5000)


@given(st.text("abAND()='\"<>1.-, \n") | st.text())
def test_any_text_is_parsed_or_refused(sql: str) -> None:
    """No other error than FilterError comes out of the parser, and no text hangs it."""
    try:
        canonical = SqlFilter(sql).canonical
    except FilterError:
        return
    assert SqlFilter(canonical).canonical == canonical
