"""Writes that fail, or whose answer is lost: what is told, and what is there afterwards."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from films import films, stored, update, videos
from metaxy.errors import StoreError, UnreadableTableError, WriteConflictError
from metaxy.metadata_store import maintenance, tables
from metaxy.metadata_store.delta import DeltaMetadataStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeltaMetadataStore]:
    """A store with a video `z`."""
    store = DeltaMetadataStore(tmp_path / "lake", graph=films())
    with store.open("write"):
        store.write_metadata("video", videos(("z", "1", "1")))
        yield store


class PanicException(BaseException):
    """What a panic in Rust code looks like."""


def _answer_lost(error: BaseException) -> Callable[..., None]:
    """What makes a commit as `write_deltalake` does, and then raises."""
    write = tables.write_deltalake

    def lost(*arguments: Any, **options: Any) -> None:
        write(*arguments, **options)
        raise error

    return lost


@pytest.mark.parametrize("error", [OSError("timeout"), CommitFailedError("x"), PanicException("y")])
def test_a_commit_whose_answer_is_lost_is_found(
    store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """It isn't made twice, and counts as written by this write."""
    monkeypatch.setattr(tables, "write_deltalake", _answer_lost(error))
    plain = store.write_metadata("video", videos(("a", "1", "1")))
    keyed = store.write_metadata("video", videos(("b", "1", "1")), idempotency_key="k")

    assert (plain.rows, plain.version, plain.already_committed) == (1, 2, False)
    assert (keyed.rows, keyed.version, keyed.already_committed) == (1, 3, False)
    assert stored(store, "video", "id", latest_only=False) == ["a", "b", "z"]


@pytest.mark.parametrize("error", [OSError("timeout"), CommitFailedError("x"), PanicException("y")])
def test_a_deletion_whose_answer_is_lost_is_found(
    store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """It counts what it has deleted, be it soft, hard or a drop."""
    store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1")))
    lost = _answer_lost(error)
    monkeypatch.setattr(tables, "write_deltalake", lost)
    monkeypatch.setattr(maintenance, "write_deltalake", lost)
    soft = store.delete_metadata("video", ["id = 'a'"])
    hard = store.delete_metadata("video", ["id != 'z'"], soft=False)

    assert (soft.rows, soft.version) == (1, 3)
    assert (hard.rows, hard.version) == (2, 5)
    assert stored(store, "video", "id", latest_only=False) == ["z"]
    store.drop_feature_metadata("video")
    assert not store.has_feature("video")
    operations = store.history("video")["operation"].to_list()
    assert [each for each in operations if each.islower()] == [
        "drop",
        "hard_delete",
        "delete",
        "write",
        "write",
    ]


@pytest.mark.parametrize("error", [OSError("no space left"), ValueError("x"), PanicException("y")])
def test_a_write_that_fails_says_that_nothing_was_written(
    store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Whatever delta-rs raises; the next write works."""

    def failing(*arguments: Any, **options: Any) -> None:
        del arguments, options
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(tables, "write_deltalake", failing)
        patched.setattr(maintenance, "write_deltalake", failing)
        with pytest.raises(StoreError, match=r"Deleting 'video' failed, and nothing was deleted"):
            store.delete_metadata("video", ["id = 'z'"], soft=False)
        with pytest.raises(StoreError, match=r"Writing to 'video' failed, and nothing was written"):
            store.write_metadata("video", videos(("a", "1", "1")))
        with pytest.raises(StoreError, match=r"Dropping 'video' failed, and nothing was dropped"):
            store.drop_feature_metadata("video")
    store.write_metadata("video", videos(("b", "1", "1")))

    assert stored(store, "video", "id") == ["b", "z"]
    configuration = DeltaTable(store.table_path("video")).metadata().configuration
    assert configuration["delta.appendOnly"] == "true"


def test_a_writer_that_keeps_losing_gives_up(
    store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time is up, saying how often it tried."""
    other = DeltaMetadataStore(store.root_path, graph=films())
    write = tables.write_deltalake
    rivals = iter(range(1000))

    def beaten(*arguments: Any, **options: Any) -> None:
        if options["commit_properties"].custom_metadata.get("metaxy_materialization_id") != "slow":
            write(*arguments, **options)
            return
        other.write_metadata("video", videos((f"rival-{next(rivals)}", "1", "1")))
        raise CommitFailedError("somebody was faster")

    monkeypatch.setattr(tables, "write_deltalake", beaten)
    store._tables._retry_seconds = 0.3
    with other.open("write"), pytest.raises(WriteConflictError) as raised:
        store.write_metadata("video", videos(("a", "1", "1")), "slow")

    assert (raised.value.attempts or 0) > 1
    assert f"Gave up writing to 'video' after {raised.value.attempts} attempts" in str(raised.value)
    assert "Nothing was written" in str(raised.value)
    assert "a" not in stored(store, "video", "id")


def test_a_damaged_table_is_an_error_that_names_it(store: DeltaMetadataStore) -> None:
    """For readers and for writers."""
    log = Path(store.table_path("video")) / "_delta_log"
    (log / f"{2:020}.json").write_text("{torn")
    for use in (store.read_metadata, store.drop_feature_metadata):
        with pytest.raises(UnreadableTableError, match=r"video\.delta' can't be opened"):
            use("video")
    with pytest.raises(UnreadableTableError):
        store.write_metadata("video", videos(("a", "1", "1")))


FULL_DISK = """
import resource, signal, sys
import polars as pl
from films import films, videos
from metaxy.errors import StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore

store = DeltaMetadataStore(sys.argv[1], graph=films())
with store.open("write"):
    store.write_metadata("video", videos(("a", "1", "1")))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    import random
    big = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))]
    for frame in (videos(("b", "1", "1"), text=big), videos(("b", "1", "1"), text=big).lazy()):
        try:
            store.write_metadata("video", frame)
        except StoreError as error:
            assert "nothing was written" in str(error), error
            print("refused")
    store.write_metadata("video", videos(("c", "1", "1")))
"""


def in_child(program: str, *arguments: str) -> str:
    """What a program prints that runs in a process of its own."""
    done = subprocess.run(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    """Eager or lazy, a write that doesn't fit is refused, and a small one works afterwards."""
    assert in_child(FULL_DISK, str(tmp_path)) == "refused\nrefused\n"

    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        assert stored(store, "video", "id", latest_only=False) == ["a", "c"]
        assert update(store, "transcript") == [2, 0, 0]


LAZY = """
import sys
import polars as pl
from films import films, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.child_process import peak_memory_mb

rows = int(sys.argv[2])
store = DeltaMetadataStore(sys.argv[1], graph=films())
with store.open("write"):
    store.write_metadata("video", videos(("x", "1", "1"), text=["x"]))
    before_mb = peak_memory_mb()
    number = pl.col("number").cast(pl.String)
    version = (pl.col("number").hash()).cast(pl.String)
    frame = pl.LazyFrame().select(number=pl.int_range(rows)).select(
        id=pl.lit("video-") + number,
        metaxy_provenance_by_field=pl.struct(audio=version, frames=version.str.reverse()),
        text=pl.lit("some text that makes the row longer, of number ") + number,
    )
    result = store.write_metadata("video", frame)
    assert result.rows == rows, result
    print(peak_memory_mb() - before_mb)
"""


@pytest.mark.slow
def test_a_lazy_frame_is_written_in_bounded_memory(tmp_path: Path) -> None:
    """5 million rows (1 GB as a frame) take less than that, checks for duplicates included."""
    assert int(in_child(LAZY, str(tmp_path), "5000000")) < 1200
