"""Files that a reader leaves unread, by what the log says of them, have nothing that it wants."""

import json
import operator
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from films import films, polars, stored, videos
from metaxy.metadata_store.delta import DeltaMetadataStore

VALUES: Final[dict[str, tuple[pl.DataType, list[Any]]]] = {
    "whole": (pl.Int64(), [0, 1, -1, 7, 2**63 - 1, -(2**63)]),
    "small": (pl.Int8(), [0, -128, 127, 5]),
    "real": (pl.Float64(), [0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324]),
    "text": (pl.String(), ["", "a", "a" * 300, "a" * 299 + "b", "\U0010ffff" * 40, "é", "Z"]),
    "when": (
        pl.Datetime("us", "UTC"),
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC),
            datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "day": (pl.Date(), [date(1, 1, 1), date(2026, 2, 28), date(9999, 12, 31)]),
    "price": (pl.Decimal(20, 2), [Decimal("0.00"), Decimal("-1.25"), Decimal("99999999999.99")]),
    "flag": (pl.Boolean(), [True, False]),
    "late": (pl.Int64(), [3, 4, 5]),
}
"""Columns and what may be in them, besides null; `late` comes with the second commit."""

COMPARISONS: Final[list[Callable[[Any, Any], Any]]] = [
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
EXAMPLES: Final = 12
ROWS: Final = st.fixed_dictionaries(
    {name: st.none() | st.sampled_from(values) for name, (_, values) in VALUES.items()}
)
COMMITS: Final = st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=3, max_size=6)


def written(store: DeltaMetadataStore, commits: list[list[dict[str, Any]]]) -> None:
    """Write some commits, a file each, with a column for each kind of values, and a struct."""
    schema = {name: dtype for name, (dtype, _) in VALUES.items()}
    for number, rows in enumerate(commits):
        names = [(f"{number}-{each}", "1", "1") for each in range(len(rows))]
        columns = pl.DataFrame(rows, schema=schema).with_columns(
            pl.struct("whole", inner=pl.struct("text")).alias("pair")
        )
        if number == 0:
            columns = columns.drop("late")
        store.write_metadata("video", pl.concat([videos(*names), columns], how="horizontal"))


def predicates() -> Iterator[pl.Expr]:
    """Conditions on every column, with every value that there may be, and on several at once."""
    for name, (dtype, values) in VALUES.items():
        column = pl.col(name)
        constants = [pl.lit(value, dtype=dtype) for value in values]
        yield from (column.is_null(), column.is_not_null(), ~column.is_null())
        for constant in constants:
            yield from (compare(column, constant) for compare in COMPARISONS)
            yield from (column.eq_missing(constant), ~(column == constant), ~(column > constant))
        yield column.is_in(pl.Series(values[:2], dtype=dtype).implode())
        yield ~column.is_in(pl.Series(values[1:], dtype=dtype).implode())
        if name != "flag":
            yield column.is_between(constants[0], constants[-1])
            yield (column < constants[0]) | (column > constants[1])
    pair, inner = pl.col("pair").struct["whole"], pl.col("pair").struct["inner"].struct["text"]
    for whole in VALUES["whole"][1]:
        yield from (compare(pair, whole) for compare in COMPARISONS)
    for text in VALUES["text"][1]:
        yield from (compare(inner, text) for compare in COMPARISONS)
    yield from (inner.is_null(), pl.col("pair").is_null(), pl.col("text").str.starts_with("a"))
    # Not in 8 bits: of arithmetic that overflows, Polars itself skips what it should not.
    yield pl.col("small").cast(pl.Int16) + 1 > 5
    yield pl.col("small").cast(pl.Float64) / 2 <= -1
    yield (pl.col("whole") > 0) & (pl.col("real") < 1) | pl.col("flag")
    yield pl.col("when").dt.year() == 9999
    yield pl.col("price") * 2 > 0


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(commits=COMMITS)
def test_skipping_never_lies(commits: list[list[dict[str, Any]]]) -> None:
    """12 tables by 498 conditions: what is read is what all rows in memory give."""
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        store = DeltaMetadataStore(folder, graph=films())
        with store.open("write"):
            written(store, commits)
            feature = store.graph.definition("video")
            scan = store.scan_in_store(feature.key, None)
            assert scan is not None
            rows = scan.frame.collect()
            for each in predicates():
                found = scan.frame.filter(each).select("id").collect()
                wanted = rows.filter(each)["id"]
                assert sorted(found["id"]) == sorted(wanted), str(each)
                checked += 1
            for each in list(predicates())[::60]:
                found = stored(store, "video", "id", filters=[each])
                assert found == sorted(rows.filter(each)["id"]), str(each)

    assert checked * EXAMPLES >= 5_865


def test_files_are_skipped_by_what_the_log_says(tmp_path: Path) -> None:
    """A log that lies hides rows from a filter, so the test above would see a lie."""
    store = DeltaMetadataStore(tmp_path, graph=films())
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), size=[1]))
        store.write_metadata("video", videos(("b", "1", "1"), size=[9]))
    log = Path(store.table_path("video"), "_delta_log", f"{2:020}.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            told = json.loads(action["add"]["stats"])
            told["minValues"]["size"] = told["maxValues"]["size"] = 2
            action["add"]["stats"] = json.dumps(told)
    log.write_text("".join(f"{json.dumps(action)}\n" for action in actions))

    with DeltaMetadataStore(tmp_path, graph=films()) as lied_to:
        found = polars(lied_to.read_metadata("video", filters=["size = 9"]))
        assert found.is_empty()
        assert stored(lied_to, "video", "id") == ["a", "b"]
