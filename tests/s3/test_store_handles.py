import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from typing import NoReturn, Self

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from films import films, polars, stored, update, videos
from metaxy.metadata_store import delta, handles
from metaxy.metadata_store.advancing import advanced
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.handles import Handles, PinnedTable
from metaxy.metadata_store.storage import Storage
from support.fault_proxy import FaultProxy
from support.s3_endpoint import S3Endpoint

pytestmark = pytest.mark.parametrize("s3", ["moto"], indirect=True)


def store_at(lake: S3Endpoint, prefix: str) -> DeltaMetadataStore:
    """A store of the graph of films."""
    return DeltaMetadataStore(
        lake.uri(prefix), graph=films(), storage_options=lake.storage_options()
    )


@pytest.fixture
def store(lake: S3Endpoint, prefix: str) -> Iterator[DeltaMetadataStore]:
    """An open store with a video `a`."""
    made = store_at(lake, prefix)
    with made.open("write"):
        made.write_metadata("video", videos(("a", "1", "1")))
        yield made


def remove_all(lake: S3Endpoint, prefix: str) -> None:
    """Remove a lake behind the back of its stores."""
    with lake.client() as client:
        found = client.list_objects_v2(Bucket=lake.bucket, Prefix=prefix)
        for each in found["Contents"]:
            client.delete_object(Bucket=lake.bucket, Key=each["Key"])


def test_what_was_read_lazily_stays_as_it_was(store: DeltaMetadataStore) -> None:
    """A frame shows the table as it was when it was asked for; the next one shows more."""
    first = store.read_metadata("video")
    store.write_metadata("video", videos(("b", "1", "1"), size=[1]))
    second = store.read_metadata("video")
    store.drop_feature_metadata("video")
    store.write_metadata("video", videos(("c", "1", "1")))

    assert sorted(polars(first)["id"]) == ["a"]
    assert "size" not in polars(first).columns
    assert sorted(polars(second)["id"]) == ["a", "b"]
    assert polars(second)["size"].max() == 1
    assert stored(store, "video", "id") == ["c"]


def test_filters_skip_files_of_a_captured_table(
    store: DeltaMetadataStore, proxy: FaultProxy, prefix: str
) -> None:
    """Polars gets the statistics from it, as it does from delta-rs's own."""
    for each in "bcd":
        store.write_metadata("video", videos((each, "1", "1")))
    tables = store_at(proxy.endpoint, prefix)._tables
    table = tables.opened(store.table_path("video"))
    assert table is not None
    proxy.forget_requests()
    found = tables.scan(table).filter(pl.col("id") == "c").collect()

    assert found["id"].to_list() == ["c"]
    assert proxy.counts() == {"GET": 1}


def test_a_captured_table_answers_all_that_a_table_does(
    store: DeltaMetadataStore, lake: S3Endpoint
) -> None:
    """What it doesn't know it asks a handle of its own, at its version, which may be moved."""
    path = store.table_path("video")
    captured = store._tables.opened(path)
    assert captured is not None
    store.write_metadata("video", videos(("b", "1", "1")))
    fresh = DeltaTable(path, version=1, storage_options=lake.storage_options())

    assert captured.version() == 1
    assert captured.count() == 1
    assert captured.file_uris() == fresh.file_uris()
    assert captured.table_uri == fresh.table_uri
    assert captured.schema() == fresh.schema()
    assert captured.metadata().id == fresh.metadata().id
    assert captured.protocol() == fresh.protocol()
    assert captured.file_uris(file_pruning_predicate="id > 'z'") == []
    assert [entry["operation"] for entry in captured.history()][-1] == "CREATE TABLE"
    assert captured.version() == 1
    captured.update_incremental()
    assert captured.version() == 2
    assert captured.count() == 2
    assert len(captured.file_uris()) == 2


def test_a_lake_that_was_removed_behind_a_store_is_gone(
    store: DeltaMetadataStore, lake: S3Endpoint, prefix: str
) -> None:
    """And one that was made anew, with fewer commits, is the new one.

    One with as many commits looks the same from outside, until the store is opened again.
    """
    for each in "bcd":
        store.write_metadata("video", videos((each, "1", "1")))
    remove_all(lake, f"{prefix}/video.delta")
    assert not store.has_feature("video")
    store.write_metadata("video", videos(("z", "1", "1")))
    with store_at(lake, prefix) as other:
        assert stored(other, "video", "id") == ["z"]
    store.write_metadata("video", videos(("x", "1", "1")))
    remove_all(lake, f"{prefix}/video.delta")
    with store_at(lake, prefix).open("write") as other:
        other.write_metadata("video", videos(("y", "1", "1")))
    assert stored(store, "video", "id") == ["y"]
    store.write_metadata("video", videos(("x", "1", "1")))
    assert stored(store, "video", "id") == ["x", "y"]


def test_a_store_that_is_opened_again_opens_its_tables_again(lake: S3Endpoint, prefix: str) -> None:
    """So a lake that was made anew meanwhile can't be taken for the old one."""
    store = store_at(lake, prefix)
    for each in "ab":
        with store.open("write"):
            store.write_metadata("video", videos((each, "1", "1")))
            assert stored(store, "video", "id") == [each]
        remove_all(lake, prefix)


def same_as_fresh(captured: DeltaTable, path: str, lake: S3Endpoint) -> None:
    """Check that a table from kept handles says what one says that is opened now."""
    fresh = PinnedTable(path, Storage.of(path, lake.storage_options()))
    assert captured.version() == fresh.version()
    assert captured.file_uris() == fresh.file_uris()
    assert captured.schema() == fresh.schema()
    assert captured.metadata().configuration == fresh.metadata().configuration
    assert captured.count() == fresh.count()
    for flatten in (True, False):
        said = pl.DataFrame(captured.get_add_actions(flatten=flatten))
        assert_frame_equal(said, pl.DataFrame(fresh.get_add_actions(flatten=flatten)))
    assert captured._table.get_add_file_sizes() == fresh._table.get_add_file_sizes()
    both = (pl.scan_delta(each).sort("metaxy_created_at") for each in (captured, fresh))
    assert_frame_equal(*pl.collect_all(both))


def test_a_kept_table_shows_all_that_others_commit(
    lake: S3Endpoint, prefix: str, store: DeltaMetadataStore
) -> None:
    """Whatever kind of commit it is, and however many there are, it is as if opened anew."""
    kept = Handles(Storage.of(lake.uri(prefix), lake.storage_options()))
    path = store.table_path("video")

    def append(*names: str, **columns: list[int]) -> None:
        for name in names:
            store.write_metadata("video", videos((name, "1", "1"), **columns))

    def maintained() -> DeltaTable:
        return DeltaTable(path, storage_options=lake.storage_options())

    steps: list[Callable[[], object]] = [
        lambda: append("b"),
        lambda: append("c", "d", "e"),
        lambda: append("f", size=[1]),
        lambda: append("g", size=[2]),
        lambda: store.delete_metadata("video", ["id = 'c'"]),
        lambda: maintained().optimize.compact(target_size=None),
        lambda: maintained().create_checkpoint(),
        lambda: append(*"hijklmnopqrs"),
        lambda: append("t"),
        lambda: store.drop_feature_metadata("video"),
        lambda: append("u", count=[1]),
        lambda: append("v"),
    ]
    behind: list[int] = []
    for step in [lambda: None, *steps]:
        step()
        captured = kept.pinned(path)
        assert captured is not None
        same_as_fresh(captured, path, lake)
        behind.append(captured.version() - kept._idle[path][-1].version())
    assert behind == [0, 1, 4, 0, 1, 2, 0, 0, 0, 1, 0, 0, 1]  # 0: delta-rs was asked
    handle = kept.taken(path)
    assert handle is not None
    same_as_fresh(handle, path, lake)


def test_commits_that_only_delta_can_tell_are_left_to_it(
    store: DeltaMetadataStore, lake: S3Endpoint
) -> None:
    """A file that is there already, one that goes, new columns, or what is no commit at all."""
    path = store.table_path("video")
    opened = PinnedTable(path, Storage.of(path, lake.storage_options()))
    answers = opened.shown
    (uri,) = opened.file_uris()
    name = uri.rpartition("/")[2]
    stats = '{"numRecords": 1}'
    add: dict[str, object] = {
        "path": name,
        "size": 1,
        "partitionValues": {},
        "modificationTime": 0,
        "stats": stats,
    }
    add |= {"dataChange": True}
    other = add | {"path": "other.parquet"}
    twice = json.dumps({"add": other})
    ask = handles._answers_of_folder
    assert advanced(answers, [twice.encode()], ask=ask) is not None
    both = advanced(answers, [twice.encode()] * 2, ask=ask)
    assert both is not None
    assert len(both["all_file_uris"]) == 2
    for commit in (
        json.dumps({"add": add}),
        json.dumps({"remove": {"path": name, "dataChange": True}}),
        json.dumps({"add": other | {"partitionValues": {"id": "a"}}}),
        json.dumps({"add": other | {"deletionVector": {"storageType": "u"}}}),
        json.dumps({"protocol": {"minReaderVersion": 9, "minWriterVersion": 9}}),
        '{"torn',
    ):
        assert advanced(answers, [commit.encode()], ask=ask) is None, commit


def test_what_was_shown_ahead_is_looked_for_before_a_commit(
    store: DeltaMetadataStore, lake: S3Endpoint, prefix: str
) -> None:
    """A table that is gone by then is made anew, not written to as if it were there."""
    with store_at(lake, prefix).open("write") as other:
        other.write_metadata("video", videos(("b", "1", "1")))
    assert stored(store, "video", "id") == ["a", "b"]
    store.write_metadata("video", videos(("c", "1", "1")))
    assert stored(store, "video", "id") == ["a", "b", "c"]
    with store_at(lake, prefix).open("write") as other:
        other.write_metadata("video", videos(("d", "1", "1")))
    assert stored(store, "video", "id") == ["a", "b", "c", "d"]
    remove_all(lake, f"{prefix}/video.delta")
    store.write_metadata("video", videos(("z", "1", "1")))
    assert stored(store, "video", "id") == ["z"]


def test_a_table_that_was_made_anew_is_told_from_what_was_shown_ahead(
    store: DeltaMetadataStore, lake: S3Endpoint, prefix: str
) -> None:
    """Also when it has more commits than the handle has taken in."""
    other = store_at(lake, prefix)
    with other.open("write"):
        for each in "bcd":
            other.write_metadata("video", videos((each, "1", "1")))
    assert stored(store, "video", "id") == ["a", "b", "c", "d"]
    remove_all(lake, f"{prefix}/video.delta")
    with other.open("write"):
        for each in "xy":
            other.write_metadata("video", videos((each, "1", "1")))

    assert stored(store, "video", "id") == ["x", "y"]


def test_a_kept_table_needs_no_file_system_library(
    store: DeltaMetadataStore, lake: S3Endpoint, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where s3fs is missing, or fails, delta-rs takes in what is new."""

    def fail(_: Storage) -> NoReturn:
        raise ImportError("s3fs")

    assert stored(store, "video", "id") == ["a"]
    with store_at(lake, prefix).open("write") as other:
        other.write_metadata("video", videos(("b", "1", "1")))
    monkeypatch.setattr(Storage, "filesystem", property(fail))

    assert stored(store, "video", "id") == ["a", "b"]


def test_an_old_handle_is_replaced(
    lake: S3Endpoint, prefix: str, store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would get slower with each commit that it has seen."""
    monkeypatch.setattr(handles, "_LONGEST_WAY_COMMITS", 3)
    kept = Handles(Storage.of(lake.uri(prefix), lake.storage_options()))
    path = store.table_path("video")
    seen: list[int] = []
    for number in range(7):
        handle = kept.taken(path)
        assert handle is not None
        seen.append(handle.first_version)
        kept.give_back(path, handle)
        store.write_metadata("video", videos((str(number), "1", "1")))

    assert seen == [1, 1, 1, 1, 5, 5, 5]


def test_a_look_can_be_new_enough(lake: S3Endpoint, prefix: str, store: DeltaMetadataStore) -> None:
    """A handle that was looked at since a moment is given as it is."""
    kept = Handles(Storage.of(lake.uri(prefix), lake.storage_options()))
    path = store.table_path("video")
    start = time.monotonic()
    handle = kept.taken(path)
    assert handle is not None
    kept.give_back(path, handle)
    store.write_metadata("video", videos(("b", "1", "1")))
    versions: list[int] = []
    for since in (start, None):
        handle = kept.taken(path, since=since)
        assert handle is not None
        versions.append(handle.version())
        kept.give_back(path, handle)

    assert versions == [1, 2]


class Ahead(datetime):
    """A clock that is an hour fast."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """An hour later than it is."""
        return super().now(tz) + timedelta(hours=1)


def test_a_clock_that_runs_behind_is_mended_by_what_others_wrote(
    lake: S3Endpoint, prefix: str, store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a handle was kept while another store wrote."""
    other = store_at(lake, prefix)
    with other.open("write"), monkeypatch.context() as patched:
        patched.setattr(delta, "datetime", Ahead)
        other.write_metadata("video", videos(("a", "2", "2")))
    store.write_metadata("video", videos(("a", "3", "3")))

    (current,) = polars(store.read_metadata("video"))["metaxy_provenance_by_field"].to_list()
    assert current == {"audio": "3", "frames": "3"}


def test_threads_share_the_handles_of_a_store(store: DeltaMetadataStore) -> None:
    """8 threads write and read at once: all is there, and every read is whole."""

    def work(number: int) -> int:
        store.write_metadata("video", videos((f"v{number}", "1", "1")))
        return len(stored(store, "video", "id"))

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(work, range(32)))

    assert max(seen) == 33
    assert sorted(stored(store, "video", "id", latest_only=False)) == sorted(
        ["a", *(f"v{number}" for number in range(32))]
    )
    assert update(store, "transcript") == [33, 0, 0]
