"""Old versions of tables: read as they were, for good, until somebody removes their files."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from films import films, polars, stored, videos
from metaxy import FeatureNotFoundError, TableVersionNotFoundError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.tables import DeltaTables

OLD_DAYS = 400
READINGS: Sequence[dict[str, Any]] = (
    {},
    {"latest_only": False},
    {"current_only": False, "latest_only": False},
    {"filters": ["id < 'c'"]},
)


def readings(store: DeltaMetadataStore, **options: Any) -> list[pl.DataFrame | None]:
    """What a table gives to several ways of reading, rows in an order of their own."""
    return [reading(store, **options, **each) for each in READINGS]


def reading(store: DeltaMetadataStore, **options: Any) -> pl.DataFrame | None:
    """All of what a reading gives; None where there is nothing."""
    try:
        frame = polars(store.read_metadata("video", **options))
    except FeatureNotFoundError:
        return None
    return frame.sort("id", "metaxy_created_at", *frame.columns, nulls_last=True)


def assert_all_equal(
    got: Sequence[pl.DataFrame | None], wanted: Sequence[pl.DataFrame | None]
) -> None:
    """Compare what `readings` gives."""
    assert [each is None for each in got] == [each is None for each in wanted]
    for one, other in zip(got, wanted, strict=True):
        if one is not None and other is not None:
            assert_frame_equal(one, other)


def version(store: DeltaMetadataStore) -> int:
    """The newest version of the table."""
    return DeltaTable(store.table_path("video")).version()


def write(store: DeltaMetadataStore, number: int) -> None:
    """Write two records; some writes bring a column that there wasn't."""
    rows = [(name, str(number), "1") for name in ("abcd"[number % 4], "e")]
    columns: dict[str, list[Any]] = {"size": [number] * 2}
    if number % 3 == 1:
        columns[f"extra_{number % 5}"] = [{"x": number}] * 2
    store.write_metadata("video", videos(*rows, **columns))


def delete(store: DeltaMetadataStore, number: int) -> None:
    """End a record."""
    store.delete_metadata("video", filters=[f"id = '{'abcd'[number % 4]}'"])


def drop(store: DeltaMetadataStore, number: int) -> None:
    """Drop the feature."""
    del number
    store.drop_feature_metadata("video")


def compact(store: DeltaMetadataStore, number: int) -> None:
    """Compact, as another program would."""
    del number
    path = store.table_path("video")
    if DeltaTable.is_deltatable(path):
        DeltaTable(path).optimize.compact()


def checkpoint(store: DeltaMetadataStore, number: int) -> None:
    """Write a checkpoint, as another program would, and let it clean up."""
    del number
    path = store.table_path("video")
    if DeltaTable.is_deltatable(path):
        DeltaTable(path).create_checkpoint()
        DeltaTable(path).cleanup_metadata()


STEPS: Sequence[Callable[[DeltaMetadataStore, int], None]] = (
    write,
    write,
    delete,
    drop,
    compact,
    checkpoint,
)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=10))
def test_a_version_reads_as_it_did_when_it_was_the_newest(
    steps: list[Callable[[DeltaMetadataStore, int], None]],
) -> None:
    """By its number, and by any time before the next; whatever was done to the table since."""
    with TemporaryDirectory() as folder:
        store = DeltaMetadataStore(folder, graph=films())
        seen: dict[int, tuple[datetime, list[pl.DataFrame | None]]] = {}
        with store.open("write"):
            write(store, 0)
            for number, step in enumerate(steps, start=1):
                seen[version(store)] = datetime.now(UTC), readings(store)
                time.sleep(0.002)
                step(store, number)
            for number, (instant, wanted) in seen.items():
                assert_all_equal(readings(store, table_version=number), wanted)
                assert_all_equal(readings(store, table_version=instant), wanted)


def test_versions_are_kept_for_good(tmp_path: Path) -> None:
    """Past four checkpoints, with files so old that Delta by itself would clean up."""
    store = DeltaMetadataStore(tmp_path, graph=films())
    seen: dict[int, list[pl.DataFrame | None]] = {}
    with store.open("write"):
        for number in range(90):
            write(store, number)
            if number % 10 == 0:
                seen[version(store)] = readings(store)
                age_everything(tmp_path)
        checkpoint(store, 0)

        assert len(list(Path(store.table_path("video"), "_delta_log").glob("*.checkpoint*"))) >= 4
        for number, wanted in seen.items():
            assert_all_equal(readings(store, table_version=number), wanted)
        assert store.history("video")["version"].to_list() == list(range(version(store), -1, -1))


def age_everything(folder: Path) -> None:
    """Make every file look old."""
    old = (datetime.now(UTC) - timedelta(days=OLD_DAYS)).timestamp()
    for path in folder.rglob("*"):
        os.utime(path, (old, old))


def test_a_vacuumed_version_is_told_with_those_that_are_left(tmp_path: Path) -> None:
    """Nothing is given of a version of which some files are gone."""
    store = DeltaMetadataStore(tmp_path / "with a space", graph=films())
    with store.open("write"):
        write(store, 0)
        instant = store.history("video")["committed_at"][0]
        write(store, 1)
        wanted = readings(store)
        compact(store, 0)
        compacted = version(store)
        write(store, 2)
        store.tag("after")
        table = DeltaTable(store.table_path("video"))
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

        assert_all_equal(readings(store, table_version=compacted), wanted)
        for moment in (1, 2, instant):
            with pytest.raises(TableVersionNotFoundError) as caught:
                store.read_metadata("video", table_version=moment)
            assert caught.value.first == compacted == 3
            assert "can't be read any more at version" in str(caught.value)
            assert "Readable are version 3 (20" in str(caught.value)
            assert "Tags nearby: 'after' (version 4)" in str(caught.value)
        with pytest.raises(TableVersionNotFoundError):
            store.diff("video", 1, 3)
        with pytest.raises(TableVersionNotFoundError):
            store.as_of(instant).has_feature("video")


def test_a_version_whose_log_was_cleaned_up_is_told_too(tmp_path: Path) -> None:
    """As is a time before what is left of the log."""
    store = DeltaMetadataStore(tmp_path, graph=films())
    with store.open("write"):
        for number in range(6):
            write(store, number)
        history = store.history("video")
        table = DeltaTable(store.table_path("video"))
        table.create_checkpoint()
        write(store, 6)
        log = Path(store.table_path("video"), "_delta_log")
        for number in range(6):
            (log / f"{number:020}.json").unlink()

        with pytest.raises(TableVersionNotFoundError, match="Readable are version 6 "):
            store.read_metadata("video", table_version=3)
        with pytest.raises(TableVersionNotFoundError, match="its log begins with version 6"):
            store.as_of(history["committed_at"][2]).has_feature("video")
        assert store.history("video")["version"].to_list() == [7, 6]
        assert stored(store, "video", "id", table_version=6) == ["a", "b", "c", "d", "e"]


def test_history_is_numbered_right_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that lands after the table was opened and before its log is read shifts nothing."""
    store, other = (DeltaMetadataStore(tmp_path, graph=films()) for _ in range(2))
    opened = DeltaTables.opened
    to_overtake = [True]

    def overtaken(
        tables: DeltaTables, path: str, *, version: int | None = None, to_commit: bool = False
    ) -> Any:
        table = opened(tables, path, version=version, to_commit=to_commit)
        if to_overtake and version is None:
            to_overtake.clear()
            write(other, 3)
        return table

    with store.open("write"), other.open("write"):
        for number in range(3):
            write(store, number)
        before = store.history("video").rows()
        monkeypatch.setattr(DeltaTables, "opened", overtaken)
        during = store.history("video").rows()
        after = store.history("video").rows()

    assert before == during == after[1:]
    assert [row[0] for row in after] == [4, 3, 2, 1, 0]
