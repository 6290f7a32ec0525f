"""Many writers of one local lake: every acknowledged write is there, and none twice."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from films import films, polars, stored, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.store_writers import LakePlace, in_processes, write_first, write_keyed, write_or_drop
from support.trials import table_of, try_appends, try_creations

WRITERS = 8


@pytest.mark.slow
@pytest.mark.parametrize("writers", [8, 16])
def test_writers_of_one_new_table_lose_nothing(tmp_path: Path, writers: int) -> None:
    """20 writes each, every other writer adding columns: all rows once, versions contiguous."""
    place = LakePlace(str(tmp_path))
    tally = try_appends(place, writers=writers, count=20, columns=2)

    assert (tally.acknowledged, tally.is_sound) == (20 * writers, True)
    assert tally.versions == tuple(range(1, 20 * writers + 1))
    assert table_of(place).version() == 20 * writers
    with place.store() as store:
        rows = polars(store.read_metadata("video", latest_only=False))
        samples = videos(*((each, "1", "1") for each in rows["id"]))
        assert store.resolve_update("video", samples=samples).is_empty
    own = [f"of_{writer}_{column}" for writer in range(1, writers, 2) for column in range(2)]
    assert rows.select(pl.col(own).count()).row(0) == (10,) * writers


@pytest.mark.slow
def test_of_racing_creators_one_creates(tmp_path: Path) -> None:
    """25 races of 6 writers with differing columns: one CREATE a table, and all of their rows."""
    place = LakePlace(str(tmp_path))
    tally = try_creations(place, writers=6, rounds=25)

    assert (tally.acknowledged, tally.is_sound) == (150, True)
    for number in range(25):
        table = table_of(place.within(str(number)))
        operations = Counter(entry["operation"] for entry in table.history())
        assert operations == {"CREATE TABLE": 1, "WRITE": 6}
        assert {f"of_{writer}" for writer in range(6)} <= set(pl.Schema(table.schema()))


@pytest.mark.slow
def test_first_writers_agree_on_how_the_lake_hashes(tmp_path: Path) -> None:
    """Of racing creators one decides; those who want something else are told what holds."""
    agreed, disputed = LakePlace(str(tmp_path / "same")), LakePlace(str(tmp_path / "other"))
    same = in_processes(write_first, [(agreed, n, "md5") for n in range(6)])
    algorithms = ["md5", "sha256", "wyhash"] * 2
    other = in_processes(write_first, [(disputed, n, name) for n, name in enumerate(algorithms)])

    assert same == ["written"] * 6
    with agreed.store() as store:
        assert str(store.hash_settings) == "md5, not truncated"
        assert stored(store, "video", "id") == ["0", "1", "2", "3", "4", "5"]
    with disputed.store() as store:
        held = store.hash_settings.algorithm
        written = [int(each) for each in stored(store, "video", "id")]
    winners = [n for n, name in enumerate(algorithms) if name == held]
    assert written == winners
    assert [other[n] for n in winners] == ["written", "written"]
    for n in set(range(6)) - set(winners):
        assert f"was to hash with {algorithms[n]}" in other[n]
        assert f"recorded {held}" in other[n]


@pytest.mark.slow
def test_racing_writers_with_one_key_commit_once(tmp_path: Path) -> None:
    """20 keys by 8 processes are 20 commits; who comes second is told that it was there."""
    place = LakePlace(str(tmp_path))
    results = in_processes(write_keyed, [(place, writer, 20) for writer in range(WRITERS)])

    for number in range(20):
        outcomes = Counter(each[number] for each in results)
        assert outcomes == {(1, False): 1, (0, True): WRITERS - 1}
    assert table_of(place).version() == 20
    with place.store() as store:
        ids = stored(store, "video", "id", latest_only=False)
    assert sorted(ids, key=int) == [str(n) for n in range(20)]


@pytest.mark.slow
def test_writers_and_a_dropper_get_on(tmp_path: Path) -> None:
    """What is written after the last drop is there, and the table is append-only again."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", videos(("old", "1", "1"), size=[1]))
    in_processes(write_or_drop, [(LakePlace(str(tmp_path)), writer, 6) for writer in range(4)])

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
