"""Which stored rows are the current records."""

from typing import Any

import polars as pl
import pytest

from lake_rows import at, record, stored
from metaxy.versioning.inputs import StoredRows
from metaxy.versioning.latest import current_children, current_records, expanded_parents


def _shown(frame: pl.LazyFrame, *names: str) -> list[tuple[Any, ...]]:
    return sorted(frame.select(names).collect().rows())


def _current(rows: StoredRows, **options: Any) -> list[tuple[Any, ...]]:
    assert rows.frame is not None
    return _shown(current_records(rows.frame, id_columns=["id"], **options), "id", "n")


def test_the_newest_row_of_an_id_is_its_record() -> None:
    """In whatever order the rows come."""
    rows = stored(record(id="a", n=2, at=2), record(id="b", n=1, at=1), record(id="a", n=1, at=1))

    assert _current(rows) == [("a", 2), ("b", 1)]


def test_a_newest_row_that_is_a_tombstone_ends_the_record() -> None:
    """And a later row begins it again."""
    rows = stored(
        record(id="a", n=1, at=1),
        record(id="a", n=1, at=2, gone=True),
        record(id="b", n=1, at=1),
        record(id="b", n=1, at=2, gone=True),
        record(id="b", n=3, at=3),
    )

    assert _current(rows) == [("b", 3)]


@pytest.mark.parametrize("commits", [1, 2, 8, 9, 20])
def test_few_and_many_commits_give_the_same(commits: int) -> None:
    """The joins by commit and the search in all rows are two ways to one answer."""
    rows = stored(
        *(
            record(id=f"{number}", n=commit, at=commit, gone=(commit + number) % 5 == 0)
            for commit in range(commits)
            for number in range(7)
            if (commit * number) % 3 == 0 or commit == 0
        )
    )
    instants = tuple(at(commit) for commit in range(commits))

    assert _current(rows, instants=instants) == _current(rows)


@pytest.mark.parametrize("backwards", [False, True])
def test_among_rows_of_one_instant_the_greatest_provenance_wins(*, backwards: bool) -> None:
    """Racing writers can leave such rows behind; every reader must choose the same."""
    one, other = record(id="a", n=1, version="1"), record(id="a", n=2, version="2")
    rows = stored(*((other, one) if backwards else (one, other)))
    assert rows.frame is not None
    wins = rows.frame.collect().sort("metaxy_provenance").row(1, named=True)["n"]

    assert _current(rows) == [("a", wins)]


@pytest.mark.parametrize("backwards", [False, True])
def test_among_rows_of_one_instant_a_tombstone_wins(*, backwards: bool) -> None:
    """So that what was deleted stays deleted."""
    pair = [record(id="a", n=1), record(id="a", n=1, gone=True)]

    assert _current(stored(*(reversed(pair) if backwards else pair))) == []


FIRST, SECOND = "1", "2"
"""Provenances of a parent."""


def _children(*rows: dict[str, Any]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Current children and expanded parents; `c` null is a childless marker."""
    marked = [row | ({"gone": True} if row["c"] is None else {}) for row in rows]
    frame = stored(*marked).frame
    assert frame is not None
    names: dict[str, Any] = {"id_columns": ["p", "c"], "parent_columns": ["p"]}
    return (
        _shown(current_children(frame, **names), "p", "c"),
        _shown(expanded_parents(frame, **names), "p"),
    )


def test_a_new_expansion_supersedes_all_children_of_the_parent() -> None:
    """Also those that it does not have."""
    children, parents = _children(
        record(p="a", c=1, at=1, version=FIRST),
        record(p="a", c=2, at=1, version=FIRST),
        record(p="b", c=1, at=1, version=FIRST),
        record(p="a", c=2, at=2, version=SECOND),
    )

    assert children == [("a", 2), ("b", 1)]
    assert parents == [("a",), ("b",)]


def test_children_of_one_expansion_may_come_in_several_commits() -> None:
    """They have one provenance."""
    children, _ = _children(record(p="a", c=1, at=1), record(p="a", c=2, at=2))

    assert children == [("a", 1), ("a", 2)]


def test_children_of_an_earlier_expansion_do_not_come_back_with_its_provenance() -> None:
    """A parent that changed there and back was expanded three times."""
    children, _ = _children(
        record(p="a", c=1, at=1, version=FIRST),
        record(p="a", c=2, at=2, version=SECOND),
        record(p="a", c=3, at=3, version=FIRST),
    )

    assert children == [("a", 3)]


@pytest.mark.parametrize("backwards", [False, True])
def test_among_expansions_of_one_instant_one_is_current(*, backwards: bool) -> None:
    """Racing writers expanded one parent from two of its states: one state's children stay."""
    rows = [
        record(p="a", c=1, at=1, version=FIRST),
        record(p="a", c=2, at=2, version=FIRST),
        record(p="a", c=3, at=2, version=SECOND),
    ]
    frame = stored(*rows).frame
    assert frame is not None
    greatest = frame.collect().filter(pl.col("c") > 1).sort("metaxy_provenance").row(1, named=True)

    children, parents = _children(*(reversed(rows) if backwards else rows))

    assert children == [("a", greatest["c"])]
    assert parents == [("a",)]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_childless_marker_wins_over_children_of_its_instant(*, backwards: bool) -> None:
    """As a tombstone does; only racing writers can leave both behind."""
    rows = [record(p="a", c=1, at=1), record(p="a", c=None, at=1)]

    assert _children(*(reversed(rows) if backwards else rows)) == ([], [("a",)])


def test_a_childless_marker_supersedes_the_children_and_is_none() -> None:
    """The parent counts as expanded."""
    children, parents = _children(record(p="a", c=1, at=1), record(p="a", c=None, at=2))

    assert children == []
    assert parents == [("a",)]


def test_children_after_a_childless_marker_are_current() -> None:
    """Those before it stay superseded, though the provenance is the same."""
    children, parents = _children(
        record(p="a", c=1, at=1), record(p="a", c=None, at=2), record(p="a", c=2, at=3)
    )

    assert children == [("a", 2)]
    assert parents == [("a",)]


def test_a_parent_whose_children_were_all_deleted_counts_as_not_expanded() -> None:
    """One that has some left does."""
    children, parents = _children(
        record(p="a", c=1, at=1),
        record(p="a", c=1, at=2, gone=True),
        record(p="b", c=1, at=1),
        record(p="b", c=2, at=1),
        record(p="b", c=1, at=2, gone=True),
    )

    assert children == [("b", 2)]
    assert parents == [("b",)]
