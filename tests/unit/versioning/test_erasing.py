"""Which rows stay when records are removed for good."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lake_rows import record, stored
from metaxy.versioning.erasing import remaining_children, remaining_rows
from metaxy.versioning.latest import current_children, expanded_parents

FIRST, SECOND = "1", "2"
IDS, PARENTS = ["p", "c"], ["p"]

Rows = list[dict[str, Any]]


def _frame(rows: Rows) -> pl.LazyFrame:
    frame = stored(*rows, schema={"p": pl.String, "c": pl.Int64}).frame
    assert frame is not None
    return frame


def _children_after(rows: Rows, *removed: tuple[str, int | None]) -> list[tuple[Any, ...]]:
    """The children and the instants of the rows that stay."""
    gone = pl.DataFrame(removed, schema={"p": pl.String, "c": pl.Int64}, orient="row")
    kept = remaining_children(_frame(rows), gone, id_columns=IDS, parent_columns=PARENTS)
    return sorted(
        kept.select("p", "c", pl.col("metaxy_created_at").dt.second()).collect().rows(),
        key=str,
    )


def test_all_rows_of_a_record_go() -> None:
    """Superseded ones and tombstones, too; those of others stay."""
    rows = _frame(
        [
            record(p="a", c=1, at=1),
            record(p="a", c=1, at=2, gone=True),
            record(p="b", c=1, at=1),
            record(p="b", c=1, at=3),
        ]
    )
    kept = remaining_rows(rows, pl.DataFrame({"p": ["a", "z"]}), id_columns=["p"])

    assert kept.select("p", pl.col("metaxy_created_at").dt.second()).collect().rows() == [
        ("b", 1),
        ("b", 3),
    ]


def test_a_removed_child_brings_no_superseded_one_back() -> None:
    """The only rows of the newest expansion go, and those that they had superseded with them."""
    rows = [
        record(p="a", c=1, at=1, version=FIRST),
        record(p="a", c=2, at=1, version=FIRST),
        record(p="a", c=1, at=2, version=SECOND),
        record(p="b", c=1, at=1, version=FIRST),
    ]

    assert _children_after(rows, ("a", 1)) == [("b", 1, 1)]
    assert _children_after(rows, ("b", 1)) == [("a", 1, 1), ("a", 1, 2), ("a", 2, 1)]


def test_the_other_children_of_an_expansion_stay() -> None:
    """With all their rows of it."""
    rows = [
        record(p="a", c=1, at=1),
        record(p="a", c=2, at=1),
        record(p="a", c=2, at=2),
    ]

    assert _children_after(rows, ("a", 1)) == [("a", 2, 1), ("a", 2, 2)]


def test_that_a_parent_has_no_children_is_forgotten_only_if_that_is_removed() -> None:
    """The marker stays when a child goes that came before it."""
    rows = [record(p="a", c=1, at=1), record(p="a", c=None, at=2, gone=True)]

    assert _children_after(rows, ("a", 1)) == [("a", None, 2)]
    assert _children_after(rows, ("a", None)) == []


def test_a_parent_all_of_whose_children_go_was_never_expanded() -> None:
    """Not even when it once had none: an older marker goes, too."""
    rows = [record(p="a", c=None, at=1, gone=True), record(p="a", c=1, at=2)]

    assert _children_after(rows, ("a", 1)) == []


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "p": st.sampled_from("ab"),
            "c": st.sampled_from([1, 2, 3, None]),
            "version": st.sampled_from([FIRST, SECOND]),
            "gone": st.booleans(),
        }
    ),
    min_size=1,
    max_size=9,
)
_REMOVED = st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, 3, None])), min_size=1)


@settings(max_examples=50, deadline=None)
@given(_ROWS, _REMOVED)
def test_what_is_current_afterwards_is_what_was_less_what_was_removed(
    rows: Rows, removed: set[tuple[str, int | None]]
) -> None:
    """Whatever the history: nothing comes back, nothing else goes, no row of the removed stays."""
    history = _frame(
        [row | {"at": at, "gone": row["gone"] or row["c"] is None} for at, row in enumerate(rows)]
    )
    gone = pl.DataFrame(list(removed), schema={"p": pl.String, "c": pl.Int64}, orient="row")
    kept = remaining_children(history, gone, id_columns=IDS, parent_columns=PARENTS)

    before, after = (
        set(
            current_children(each, id_columns=IDS, parent_columns=PARENTS)
            .select(IDS)
            .collect()
            .rows()
        )
        for each in (history, kept)
    )
    assert after == before - removed
    assert not removed.intersection(kept.select(IDS).collect().rows())
    childless = _childless(history, before)
    assert _childless(kept, after) == childless - {parent for parent, c in removed if c is None}


def _childless(rows: pl.LazyFrame, children: set[tuple[Any, ...]]) -> set[str]:
    found = expanded_parents(rows, id_columns=IDS, parent_columns=PARENTS).select("p").collect()
    return set(found["p"]) - {parent for parent, _ in children}
