"""A hard deletion that is killed at any moment was made as a whole, or not at all."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from films import films, stored, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.dying_deletions import delete_and_die

KEPT = [f"kept {number}" for number in range(200)]
GONE = [f"gone {number}" for number in range(200)]
KILLS = 12


def _killed(root: Path, point: str, *, after_s: float | None = None) -> bool:
    """Whether the deletion was acknowledged before the process was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.dying_deletions"])
    pipe, theirs = context.Pipe(duplex=False)
    process = context.Process(target=delete_and_die, args=(root, point, theirs))
    process.start()
    theirs.close()
    assert pipe.recv() == "begun"
    if after_s is not None:
        time.sleep(after_s)
        process.kill()
    process.join(timeout=60)
    assert process.exitcode is not None
    try:
        return pipe.recv() == "done"
    except EOFError:
        return False
    finally:
        pipe.close()


def _filled(root: Path) -> DeltaMetadataStore:
    store = DeltaMetadataStore(root, graph=films())
    with store.open("write"):
        for ids in (KEPT, GONE, KEPT[:50], GONE[:50]):
            store.write_metadata("video", videos(*((each, "1", "1") for each in ids)))
    return store


def _assert_whole(store: DeltaMetadataStore, *, is_deleted: bool | None) -> bool:
    """Check that all rows of all deleted records are there, or none; tell which."""
    with store:
        rows = stored(store, "video", "id", latest_only=False)
    after = sorted([*KEPT, *KEPT[:50]])
    before = sorted([*after, *GONE, *GONE[:50]])
    assert rows in ([after, before] if is_deleted is None else [after if is_deleted else before])
    return rows == after


def _assert_usable(store: DeltaMetadataStore) -> None:
    """It takes writes, the deletion can be made again, and the table only appends afterwards."""
    with store.open("write"):
        store.write_metadata("video", videos(("more", "1", "1")))
        store.delete_metadata("video", ["id LIKE 'gone %'"], soft=False)
        assert stored(store, "video", "id") == sorted([*KEPT, "more"])
    configuration = DeltaTable(store.table_path("video")).metadata().configuration
    assert configuration["delta.appendOnly"] == "true"


@pytest.mark.parametrize(
    ("point", "is_deleted"), [("opened", False), ("written", True), ("closing", True)]
)
def test_a_deletion_that_dies_at_a_commit_is_whole(
    tmp_path: Path, point: str, *, is_deleted: bool
) -> None:
    """Before its commit nothing is gone, after it everything is."""
    store = _filled(tmp_path)

    assert not _killed(tmp_path, point)
    _assert_whole(store, is_deleted=is_deleted)
    _assert_usable(store)


@pytest.mark.slow
def test_a_deletion_that_is_killed_at_random_is_whole(tmp_path: Path) -> None:
    """An acknowledged one is made; of another one all is there, or nothing."""
    moments = random.Random(7)  # noqa: S311 -- spreads the kills
    for kill in range(KILLS):
        root = tmp_path / str(kill)
        store = _filled(root)
        acknowledged = _killed(root, "", after_s=moments.uniform(0.0, 0.12))

        is_deleted = _assert_whole(store, is_deleted=None)
        assert is_deleted or not acknowledged
        _assert_usable(store)
