"""SQL filters on Polars frames."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from metaxy.errors import FilterError
from metaxy.models.filters import SqlFilter
from metaxy.versioning.filters import filter_expression
from reference.sql import truth

FRAME = pl.DataFrame(
    {
        "n": [1, 2, None],
        "x": [1.0, 2.5, None],
        "s": ["a", "a%b\n", None],
        "d": [date(2026, 1, 1), date(2026, 6, 1), None],
        "t": [datetime(2026, 1, 1, 12, tzinfo=UTC)] * 2 + [None],
        "naive": [datetime(2026, 1, 1, 12)] * 2 + [None],  # noqa: DTZ001 -- the point of it
        "b": [True, False, None],
        "nothing": [None, None, None],
        "st": [{"f": 1}, {"f": None}, None],
    },
    schema_overrides={"st": pl.Struct({"f": pl.Int64})},
)
YES, NO, UNKNOWN = True, False, None


@pytest.mark.parametrize(
    ("sql", "truths"),
    [
        ("n = 1", [YES, NO, UNKNOWN]),
        ("n <> 1", [NO, YES, UNKNOWN]),
        ("n > 1.5", [NO, YES, UNKNOWN]),
        ("n = x", [YES, NO, UNKNOWN]),
        ("n IN (1, 2.5)", [YES, NO, UNKNOWN]),
        ("x IN (1, 2)", [YES, NO, UNKNOWN]),
        ("n NOT IN (1)", [NO, YES, UNKNOWN]),
        ("n BETWEEN 2 AND 3", [NO, YES, UNKNOWN]),
        ("n = 9223372036854775808", [NO, NO, UNKNOWN]),
        ("s IN ('a', 'z')", [YES, NO, UNKNOWN]),
        ("s LIKE '%'", [YES, YES, UNKNOWN]),
        ("s LIKE 'a'", [YES, NO, UNKNOWN]),
        ("s LIKE 'A'", [NO, NO, UNKNOWN]),
        ("s LIKE 'a__b_'", [NO, NO, UNKNOWN]),
        ("s LIKE 'a_b_'", [NO, YES, UNKNOWN]),
        ("s LIKE '.'", [NO, NO, UNKNOWN]),
        ("s NOT LIKE 'a'", [NO, YES, UNKNOWN]),
        ("b", [YES, NO, UNKNOWN]),
        ("NOT b", [NO, YES, UNKNOWN]),
        ("b = TRUE", [YES, NO, UNKNOWN]),
        ("n IS NULL", [NO, NO, YES]),
        ("NOT n IS NULL", [YES, YES, NO]),
        ("st.f = 1", [YES, UNKNOWN, UNKNOWN]),
        ("st.f IS NULL", [NO, YES, YES]),
        ("nothing = 1", [UNKNOWN] * 3),
        ("nothing LIKE 'a'", [UNKNOWN] * 3),
        ("nothing IN ('a')", [UNKNOWN] * 3),
        ("n = 1 AND nothing = 1", [UNKNOWN, NO, UNKNOWN]),
        ("n = 1 OR nothing = 1", [YES, UNKNOWN, UNKNOWN]),
        ("NOT (n = 1 AND nothing = 1)", [UNKNOWN, YES, UNKNOWN]),
    ],
)
def test_a_filter_is_true_false_or_unknown(sql: str, truths: list[bool | None]) -> None:
    """As SQL has it; the slow reference agrees."""
    parsed = SqlFilter(sql)
    expression = filter_expression(parsed, FRAME.schema)

    assert FRAME.select(expression).to_series().to_list() == truths
    assert [truth(parsed.tree, row) for row in FRAME.iter_rows(named=True)] == truths


@pytest.mark.parametrize(
    ("sql", "truths"),
    [
        ("d > '2026-02-01'", [NO, YES, UNKNOWN]),
        ("d IN ('2026-06-01')", [NO, YES, UNKNOWN]),
        ("t >= '2026-01-01'", [YES, YES, UNKNOWN]),
        ("t < '2026-01-01 12:00:01'", [YES, YES, UNKNOWN]),
        ("t = '2026-01-01T13:00:00+01:00'", [YES, YES, UNKNOWN]),
        ("naive = '2026-01-01 12:00'", [YES, YES, UNKNOWN]),
    ],
)
def test_dates_and_instants_are_written_as_text(sql: str, truths: list[bool | None]) -> None:
    """In ISO 8601, without a zone in UTC."""
    expression = filter_expression(SqlFilter(sql), FRAME.schema)

    assert FRAME.select(expression).to_series().to_list() == truths


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("s > 5", "'s' is String, and can't be compared with 5"),
        ("n IN ('a')", "'n' is Int64, and can't be compared with 'a'"),
        ("n = s", "'n' is Int64 and 's' is String: they can't be compared"),
        ("n", "'n' is Int64, and can't be used as a condition"),
        ("n LIKE 'a'", "'n' is Int64, and can't be matched by LIKE"),
        ("st.g = 1", "'st' is Struct({'f': Int64}), and has no field 'g'"),
        ("d = 'soon'", "'d' is Date, and 'soon' is none: write it as '2026-01-31'"),
        ("naive = '2026-01-01T00:00:00Z'", "has no time zone, and '2026-01-01T00:00:00Z' has one"),
    ],
)
def test_what_makes_no_sense_for_a_type_is_refused(sql: str, reason: str) -> None:
    """Before anything is read, and by name."""
    with pytest.raises(FilterError) as error:
        filter_expression(SqlFilter(sql), FRAME.schema)

    assert reason in str(error.value)
    assert error.value.sql == sql


def test_without_types_a_filter_is_compiled_all_the_same() -> None:
    """Then Polars judges it when it runs."""
    found: Any = FRAME.filter(filter_expression(SqlFilter("s IN ('a') AND n IN (1, 2)")))

    assert found["n"].to_list() == [1]
