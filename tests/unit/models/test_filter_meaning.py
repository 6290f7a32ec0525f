"""The tree of a filter means what SQL means by the text; SQLite, which we did not write, judges.

It judges the reference by which other tests tell what a condition comes to, too.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaxy.models.filters import SqlFilter
from reference.sql import COMPARISONS, truth

Row: TypeAlias = Mapping[str, int | str | None]

NUMBERS = [None, -1, 0, 1, 2]
WORDS = [None, "", "a", "ab", "Ab", "b%"]
ROWS: list[Row] = [{"n": n, "m": m, "t": t} for n in NUMBERS for m in (None, 0, 1) for t in WORDS]

TESTS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["n", "m", "1", "(n)"]),
        st.sampled_from([*COMPARISONS, "!="]),
        st.sampled_from(["n", "m"]),
    ),
    st.builds("n {} {}".format, st.sampled_from(["=", "<", ">="]), st.sampled_from([-1, 0, 1.5])),
    st.builds("t {} {!r}".format, st.sampled_from(["=", "<>"]), st.sampled_from(WORDS[1:])),
    st.builds(
        "n {} ({})".format, st.sampled_from(["in", "not in"]), st.sampled_from(["0", "1, 2"])
    ),
    st.builds("{} {}".format, st.sampled_from("nt"), st.sampled_from(["is null", "is not null"])),
    st.builds(
        "t {} {!r}".format,
        st.sampled_from(["like", "not like"]),
        st.sampled_from(["a%", "_b", "%", "", "b%", "A_"]),
    ),
    st.builds(
        "{} {} {} and {}".format,
        st.sampled_from("nm"),
        st.sampled_from(["between", "not between"]),
        st.sampled_from(["-1", "m"]),
        st.sampled_from(["1", "n"]),
    ),
    st.just("m"),
)
TEXTS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("not {}".format, inner),
        st.builds("({})".format, inner),
        st.builds("{} and {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    """A table with every row of `ROWS`, in their order."""
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    connection.execute("CREATE TABLE records (n INTEGER, m INTEGER, t TEXT)")
    connection.executemany("INSERT INTO records VALUES (:n, :m, :t)", ROWS)
    yield connection
    connection.close()


@given(TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_filter_means_what_sql_means(database: sqlite3.Connection, sql: str) -> None:
    """As written and in canonical form, SQLite finds what the tree says, null for null."""
    parsed = SqlFilter(sql)
    ours = [truth(parsed.tree, row) for row in ROWS]

    for text in (sql, parsed.canonical):
        query = f"SELECT ({text}) FROM records ORDER BY rowid"  # noqa: S608 — generated above
        theirs = [None if value is None else bool(value) for (value,) in database.execute(query)]
        assert theirs == ours
