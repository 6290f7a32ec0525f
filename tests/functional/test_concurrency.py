"""Many writers of one local lake: every acknowledged write is there, and none twice."""

import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pytest
from deltalake import DeltaTable

from films import films, polars, stored, update, videos
from metaxy.errors import HashSettingsMismatchError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.writing import WriteResult

WRITERS = 8
Result = TypeVar("Result")


def in_processes(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Run a function once for each tuple of arguments, each in a process of its own, together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["films", "metaxy.metadata_store.delta"])
    gate = context.Manager().Barrier(len(arguments))
    with ProcessPoolExecutor(
        len(arguments), mp_context=context, initializer=_find_tests, initargs=(sys.path,)
    ) as pool:
        futures = [pool.submit(work, gate, *each) for each in arguments]
        return [future.result() for future in futures]


def _find_tests(path: list[str]) -> None:
    sys.path[:] = path


def write_many(gate: Any, root: Path, writer: int, count: int) -> list[WriteResult]:
    """Write so many records, one a commit; every other writer brings a column of its own."""
    store = DeltaMetadataStore(root, graph=films())
    gate.wait()
    columns = {f"of_{writer}": [writer]} if writer % 2 else {}
    with store.open("write"):
        return [
            store.write_metadata("video", videos((f"{writer}-{number}", "1", "1"), **columns))
            for number in range(count)
        ]


@pytest.mark.slow
def test_writers_of_one_new_table_lose_nothing(tmp_path: Path) -> None:
    """8 processes, 20 writes each, some adding a column: 160 rows once, versions contiguous."""
    results = in_processes(write_many, [(tmp_path, writer, 20) for writer in range(WRITERS)])

    versions = [each.version for ours in results for each in ours]
    assert sorted(each for each in versions if each is not None) == list(range(1, 161))
    with DeltaMetadataStore(tmp_path, graph=films()) as store:
        table = DeltaTable(store.table_path("video"))
        rows = polars(store.read_metadata("video", latest_only=False))
        samples = videos(*((each, "1", "1") for each in rows["id"]))
        assert store.resolve_update("video", samples=samples).is_empty
    assert table.version() == 160
    assert sorted(rows["id"]) == sorted(f"{w}-{n}" for w in range(WRITERS) for n in range(20))
    own = [f"of_{writer}" for writer in range(1, WRITERS, 2)]
    assert rows.select(pl.col(own).count()).row(0) == (20, 20, 20, 20)
    assert sorted(set(rows.columns) & set(own)) == own


def write_first(gate: Any, root: Path, writer: int, algorithm: str | None) -> str:
    """Write the first record of a new lake; what came of it."""
    store = DeltaMetadataStore(root, graph=films(), hash_algorithm=algorithm)
    with store.open("write"):
        frame = videos((str(writer), "1", "1"))
        gate.wait()
        try:
            store.write_metadata("video", frame)
        except HashSettingsMismatchError as error:
            return str(error)
    return "written"


@pytest.mark.slow
def test_first_writers_agree_on_how_the_lake_hashes(tmp_path: Path) -> None:
    """Of racing creators one decides; those who want something else are told what holds."""
    same = in_processes(write_first, [(tmp_path / "same", n, "md5") for n in range(6)])
    algorithms = ["md5", "sha256", "wyhash"] * 2
    other = in_processes(
        write_first, [(tmp_path / "other", n, name) for n, name in enumerate(algorithms)]
    )

    assert same == ["written"] * 6
    with DeltaMetadataStore(tmp_path / "same", graph=films()) as store:
        assert str(store.hash_settings) == "md5, not truncated"
        assert stored(store, "video", "id") == ["0", "1", "2", "3", "4", "5"]
    with DeltaMetadataStore(tmp_path / "other", graph=films()) as store:
        held = store.hash_settings.algorithm
        written = [int(each) for each in stored(store, "video", "id")]
    winners = [n for n, name in enumerate(algorithms) if name == held]
    assert written == winners
    assert [other[n] for n in winners] == ["written", "written"]
    for n in set(range(6)) - set(winners):
        assert f"was to hash with {algorithms[n]}" in other[n]
        assert f"recorded {held}" in other[n]


def write_keyed(gate: Any, root: Path, writer: int) -> list[tuple[int, bool]]:
    """Write the same 20 records as everybody else, each under its key."""
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        gate.wait()
        results = [
            store.write_metadata(
                "video", videos((str(n), str(writer), "1")), idempotency_key=f"batch {n}"
            )
            for n in range(20)
        ]
    return [(each.rows, each.already_committed) for each in results]


@pytest.mark.slow
def test_racing_writers_with_one_key_commit_once(tmp_path: Path) -> None:
    """20 keys by 8 processes are 20 commits; who comes second is told that it was there."""
    results = in_processes(write_keyed, [(tmp_path, writer) for writer in range(WRITERS)])

    for number in range(20):
        outcomes = Counter(each[number] for each in results)
        assert outcomes == {(1, False): 1, (0, True): WRITERS - 1}
    with DeltaMetadataStore(tmp_path, graph=films()) as store:
        assert DeltaTable(store.table_path("video")).version() == 20
        ids = stored(store, "video", "id", latest_only=False)
    assert sorted(ids, key=int) == [str(n) for n in range(20)]


def write_and_drop(gate: Any, root: Path, writer: int) -> int:
    """Drop the feature a few times, or write to it meanwhile."""
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        gate.wait()
        for number in range(6):
            if writer:
                store.write_metadata("video", videos((f"{writer}-{number}", "1", "1")))
            else:
                store.drop_feature_metadata("video")
    return writer


@pytest.mark.slow
def test_writers_and_a_dropper_get_on(tmp_path: Path) -> None:
    """What is written after the last drop is there, and the table is append-only again."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", videos(("old", "1", "1"), size=[1]))
    in_processes(write_and_drop, [(tmp_path, writer) for writer in range(4)])

    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", videos(("new", "1", "1"), size=["large"]))
        ids = stored(store, "video", "id", latest_only=False)
        table = DeltaTable(store.table_path("video"))
        assert update(store, "transcript") == [len(ids), 0, 0]
    assert "old" not in ids
    assert "new" in ids
    assert len(ids) == len(set(ids))
    assert table.metadata().configuration["delta.appendOnly"] == "true"


def test_threads_share_a_store(tmp_path: Path) -> None:
    """8 threads write through one open store, and through blocks of their own."""
    store = DeltaMetadataStore(tmp_path, graph=films())

    def write(number: int) -> int:
        with store.open("write"):
            store.write_metadata("video", videos((f"own-{number}", "1", "1")))
        return store.write_metadata("video", videos((f"shared-{number}", "1", "1"))).rows

    with store.open("write"), ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, range(24))) == [1] * 24
        ids = stored(store, "video", "id", latest_only=False)

    assert sorted(ids) == sorted(f"{kind}-{n}" for kind in ("own", "shared") for n in range(24))
    assert not store.is_open


def test_readers_see_whole_commits_only(tmp_path: Path) -> None:
    """While a writer adds pairs, every read has both of each pair, and never fewer than before."""
    store = DeltaMetadataStore(tmp_path, graph=films())

    def write() -> None:
        for number in range(30):
            store.write_metadata(
                "video", videos((f"{number}-a", "1", "1"), (f"{number}-b", "1", "1"))
            )

    def counts(seen: Iterable[int]) -> list[int]:
        return [len(stored(store, "video", "id")) for _ in seen]

    with store.open("write"), ThreadPoolExecutor(1) as threads:
        store.write_metadata("video", videos(("0-a", "1", "1"), ("0-b", "1", "1")))
        writing = threads.submit(write)
        seen = counts(range(60))
        writing.result()

    assert all(each % 2 == 0 for each in seen)
    assert seen == sorted(seen)
