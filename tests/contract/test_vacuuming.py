"""Files that nothing needs any more go when somebody says so, and no others do."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from films import films, stored, update, videos
from lakes import Lake, memory_lake
from metaxy.errors import (
    FeatureNotFoundError,
    StoreError,
    StoreReadOnlyError,
    TableVersionNotFoundError,
    UsageError,
)
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.models.keys import FeatureKey

ABC = videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1"), size=[1, 2, 3])
VIDEO = FeatureKey("video")
NOW = timedelta(0)


def _version(store: MetadataStore) -> int:
    version: int = store.history("video")["version"][0]
    return version


def test_what_a_hard_deletion_has_left_is_vacuumed(versioned_lake: Lake) -> None:
    """Of three files of the table's past two are in use; a dry run tells, and removes nothing."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC.head(2))
        update(store, "transcript")
        before = _version(store)
        store.delete_metadata("video", ["id = 'a'"], soft=False)
        told = store.vacuum(retention=NOW, dry_run=True)
        assert stored(store, "video", "id", table_version=before) == ["a", "b"]
        done = store.vacuum(retention=NOW)

        assert told == done
        assert list(done) == [VIDEO]
        assert len(done[VIDEO].files) == 1
        assert done[VIDEO].size_bytes > 1000
        assert stored(store, "video", "id") == ["b"]
        with pytest.raises(
            TableVersionNotFoundError, match=f"any more at version {before}"
        ) as caught:
            store.read_metadata("video", table_version=before)
        assert caught.value.first == before + 2
        assert store.vacuum(retention=NOW) == {}
        assert update(store, "transcript") == [0, 0, 1]


def test_what_was_the_newest_lately_stays(versioned_lake: Lake) -> None:
    """By default for a week, however old its files are."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        before = _version(store)
        store.delete_metadata("video", ["id = 'a'"], soft=False)
        _age(store, seconds=30 * 86_400)

        assert store.vacuum() == {}
        assert store.vacuum(retention=timedelta(minutes=1)) == {}
        assert stored(store, "video", "id", table_version=before) == ["a", "b", "c"]


def test_what_a_tag_needs_stays_until_it_is_removed(versioned_lake: Lake) -> None:
    """All tables as they were then can be read, and increments asked for."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        update(store, "transcript")
        store.tag("audit/1")
        before = _version(store)
        store.delete_metadata("video", ["size < 3"], soft=False)
        store.drop_feature_metadata("transcript")
        store.write_metadata("video", ABC.head(1))
        store.delete_metadata("video", ["id = 'a'"], soft=False)

        assert len(store.vacuum(retention=NOW)[VIDEO].files) == 2
        view = store.as_of("audit/1")
        assert stored(view, "video", "id") == ["a", "b", "c"]
        assert stored(view, "transcript", "id") == ["a", "b", "c"]
        assert len(view.resolve_update("transcript").added) == 0
        assert stored(store, "video", "id", table_version=before) == ["a", "b", "c"]
        store.untag("audit/1")
        assert [len(each.files) for each in store.vacuum(retention=NOW).values()] == [1, 1]
        with pytest.raises(TableVersionNotFoundError):
            store.read_metadata("video", table_version=before)


def test_only_the_features_that_are_named_are_vacuumed(versioned_lake: Lake) -> None:
    """One without a table is an error."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        update(store, "transcript")
        store.drop_feature_metadata("transcript")
        store.drop_feature_metadata("video")

        assert list(store.vacuum(["transcript"], retention=NOW)) == [FeatureKey("transcript")]
        assert list(store.vacuum(retention=NOW)) == [VIDEO]
        with pytest.raises(FeatureNotFoundError, match="No records of 'chunk'"):
            store.vacuum(["chunk"])


def test_what_a_killed_writer_has_left_goes_when_it_is_old(tmp_path: Path) -> None:
    """A file that a writer may still be about to commit stays."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", ABC)
        folder = Path(store.table_path("video"))
        for name, age_s in (("part-old.parquet", 10 * 86_400), ("part-new.parquet", 60)):
            (folder / name).write_bytes(b"half a file")
            then = time.time() - age_s
            os.utime(folder / name, (then, then))

        assert store.vacuum()[VIDEO].files == ("part-old.parquet",)
        assert not (folder / "part-old.parquet").exists()
        assert (folder / "part-new.parquet").exists()


@pytest.mark.parametrize("retention", [timedelta(seconds=-1), 7, None])
def test_a_retention_that_is_no_time_is_refused(tmp_path: Path, retention: Any) -> None:
    """Nothing is removed."""
    with (
        DeltaMetadataStore(tmp_path, graph=films()).open("write") as store,
        pytest.raises(UsageError, match=r"retention is .*: give a timedelta of 0 or more"),
    ):
        store.vacuum(retention=retention)


def test_a_store_for_reading_only_tells(tmp_path: Path) -> None:
    """A dry run needs no more."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", ABC)
        store.drop_feature_metadata("video")
    with store:
        assert list(store.vacuum(retention=NOW, dry_run=True)) == [VIDEO]
        with pytest.raises(StoreReadOnlyError):
            store.vacuum(retention=NOW)


def test_a_store_without_files_says_so() -> None:
    """Rather than do nothing."""
    with memory_lake().store().open("write") as store:
        store.write_metadata("video", ABC)
        with pytest.raises(StoreError, match="a MemoryStore keeps no"):
            store.vacuum()


def _age(store: MetadataStore, *, seconds: float) -> None:
    """Make the files of a local table older."""
    assert isinstance(store, DeltaMetadataStore)
    folder = Path(store.table_path("video"))
    then = time.time() - seconds
    for file in folder.glob("*.parquet"):
        os.utime(file, (then, then))
