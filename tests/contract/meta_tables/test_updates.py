"""What a run of a node writes, and what it leaves alone."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import polars as pl
import pytest

from metaxy import MetadataStore
from metric_tables import (
    DailyMetricsNode,
    current,
    day,
    metrics,
    node,
    storage,
    table_version,
    upgrade,
)


@contextmanager
def collected_plans(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str]]:
    """The plans of all lazy frames that are collected in the block, so far."""
    plans: list[str] = []
    collect = pl.LazyFrame.collect

    def seen(frame: pl.LazyFrame, **options: object) -> object:
        plans.append(frame.explain())
        return collect(frame, **options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType] -- handed on

    with monkeypatch.context() as patched:
        patched.setattr(pl.LazyFrame, "collect", seen)
        yield plans


def test_equal_rows_run_twice_write_nothing(store: MetadataStore) -> None:
    """The second run finds every row as it is, and makes no commit."""
    table = storage()
    upgrade(store, table)
    rows = metrics(("1-1", "a", 1.0), ("1-1", "b", 2.0))

    assert node(table, rows).run().rows == 2
    version = table_version(store, table)
    assert node(table, rows).run().rows == 0
    assert table_version(store, table) == version
    assert current(table) == [("1-1", "a", 1.0), ("1-1", "b", 2.0)]


def test_a_correction_at_an_old_time_lands_as_one_row_version(store: MetadataStore) -> None:
    """The latest rows show it, time travel the old one; what is equal isn't written again."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0), ("1-2", "a", 2.0), ("1-3", "a", 3.0))).run()
    before = table_version(store, table)

    corrected = node(table, metrics(("1-1", "a", 1.5), ("1-2", "a", 2.0), ("1-3", "a", 3.0)))
    assert corrected.run().rows == 1

    assert current(table) == [("1-1", "a", 1.5), ("1-2", "a", 2.0), ("1-3", "a", 3.0)]
    assert current(table, table_version=before)[0] == ("1-1", "a", 1.0)
    history = store.read_metadata(table, latest_only=False).collect().to_polars()
    assert history.height == 4


def test_rows_that_an_update_leaves_out_stay(store: MetadataStore) -> None:
    """A frame is an increment: an update of one day removes nothing of the others."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0), ("1-2", "a", 2.0))).run()

    assert node(table, metrics(("1-3", "a", 3.0))).run().rows == 1
    assert current(table) == [("1-1", "a", 1.0), ("1-2", "a", 2.0), ("1-3", "a", 3.0)]


def test_an_empty_frame_makes_no_version_and_none_is_an_error(store: MetadataStore) -> None:
    """Nothing to write is said by a frame without rows."""
    table = storage()
    upgrade(store, table)
    version = table_version(store, table)

    assert node(table, metrics()).run().rows == 0
    assert node(table, pl.DataFrame()).run().rows == 0
    with pytest.raises(TypeError, match=r"update\(\) gave None"):
        node(table, None).run()
    assert table_version(store, table) == version


def test_equal_frames_of_pandas_and_polars_write_identical_rows(store: MetadataStore) -> None:
    """Times read back as UTC in microseconds, a named index is columns."""
    first, second, third = (storage(f"example_project__{name}", name=name) for name in "xyz")
    upgrade(store, first, second, third)
    rows = metrics(("1-1", "a", 1.0), ("1-2", "b", 2.5))
    pandas = rows.with_columns(pl.col("time_index").dt.cast_time_unit("ns")).to_pandas()

    node(first, rows).run()
    node(second, pandas).run()
    node(third, pandas.set_index(["time_index", "entity_identifier"])).run()

    assert current(first) == current(second) == current(third)
    stored = [store.read_metadata(each).collect().to_polars() for each in (first, second, third)]
    assert [each.schema["time_index"] for each in stored] == [pl.Datetime("us", "UTC")] * 3
    versions = [sorted(each["metaxy_provenance"]) for each in stored]
    assert versions[0] == versions[1] == versions[2]


def test_statistics_say_how_far_the_table_reaches(store: MetadataStore) -> None:
    """The greatest time of all and of each entity; None for what was never seen."""
    table = storage()
    upgrade(store, table)
    empty = node(table).update_statistics
    node(table, metrics(("1-1", "a", 1.0), ("1-3", "a", 3.0), ("1-2", "b", 2.0))).run()
    known = node(table).update_statistics

    assert (empty.max_time, dict(empty.max_time_by_entity)) == (None, {})
    assert empty.max_time_of("a") is None
    assert known.max_time == day("1-3")
    assert known.max_time_of("a") == day("1-3")
    assert known.max_time_of("b") == day("1-2")
    assert known.max_time_of("c") is None


def test_statistics_are_known_before_update_and_follow_the_table(store: MetadataStore) -> None:
    """They are worked out from the table each time: a deleted row counts no more."""
    table = storage()
    upgrade(store, table)
    seen: list[datetime | None] = []

    def rows(own: DailyMetricsNode) -> pl.DataFrame:
        reached = own.update_statistics.max_time
        seen.append(reached if isinstance(reached, datetime) else None)
        return metrics(("1-1", "a", 1.0), (f"1-{len(seen) + 1}", "a", 1.0))

    for _ in range(2):
        node(table, rows).run()
    store.delete_metadata(table, [pl.col("time_index") == day("1-3")])

    assert seen == [None, day("1-2")]
    assert node(table).update_statistics.max_time == day("1-2")


def test_statistics_within_an_update_are_those_of_its_beginning(store: MetadataStore) -> None:
    """Whenever they are asked for, and whatever is written meanwhile."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0))).run()
    seen: list[object] = []

    def rows(own: DailyMetricsNode) -> pl.DataFrame:
        node(table, metrics(("1-9", "a", 9.0))).run()
        seen.extend([own.update_statistics.max_time, own.update_statistics])
        seen.append(own.update_statistics is seen[1])
        return metrics()

    own = node(table, rows)
    own.run()

    assert seen[0] == day("1-1")
    assert seen[2] is True
    assert own.update_statistics.max_time == day("1-9")


def test_an_update_that_asks_for_no_statistics_scans_nothing_for_them(
    store: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large table isn't read for what nobody wants to know."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0))).run()
    own = node(table, metrics())
    with collected_plans(monkeypatch) as plans:
        own.run()
        unasked = [plan for plan in plans if "/12 COLUMNS" in plan]
        assert own.update_statistics.max_time == day("1-1")

    assert unasked == []
    assert [plan for plan in plans if "/12 COLUMNS" in plan]


def test_one_configuration_on_two_tables_has_one_hash_and_separate_data(
    store: MetadataStore,
) -> None:
    """The output is no part of the hash."""
    first, second = (storage(f"example_project__{name}", name=name) for name in "xy")
    upgrade(store, first, second)
    one = node(first, metrics(("1-1", "a", 1.0)))
    other = node(second, metrics(("1-1", "a", 2.0)))
    one.run(run_id="r")
    other.run(run_id="r")

    assert one.update_hash == other.update_hash
    assert (current(first), current(second)) == ([("1-1", "a", 1.0)], [("1-1", "a", 2.0)])


def test_a_run_of_one_name_writes_once(store: MetadataStore) -> None:
    """A run that is repeated under its name writes nothing, whatever it computes then."""
    table = storage()
    upgrade(store, table)
    first = node(table, metrics(("1-1", "a", 1.0))).run(run_id="nightly")
    again = node(table, metrics(("1-1", "a", 9.0))).run(run_id="nightly")
    other = node(table, metrics(("1-1", "a", 9.0))).run(run_id="nightly-2")

    assert (first.rows, first.already_committed) == (1, False)
    assert (again.rows, again.already_committed) == (0, True)
    assert other.rows == 1
    with pytest.raises(ValueError, match=r"run_id is ''"):
        node(table, metrics()).run(run_id="")
    with pytest.raises(ValueError, match=r"run_id is 3"):
        node(table, metrics()).run(run_id=cast("str", 3))


def test_statistics_read_no_column_of_values(
    store: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan has the index columns, and of metaxy's own what tells current rows."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0))).run()
    assert len(store.table_schema(table.spec.key) or ()) == 12
    own = node(table)
    with collected_plans(monkeypatch) as plans:
        reached = own.update_statistics.max_time

    assert reached == day("1-1")
    assert len(plans) == 1
    read = [int(number) for number in re.findall(r"PROJECT (\d+)/12 COLUMNS", plans[0])]
    # The two of the index and, where instants aren't known, six by which rows are told to be
    # current; neither the value nor the structs, nor the snapshot version.
    assert read
    assert max(read) <= 8
