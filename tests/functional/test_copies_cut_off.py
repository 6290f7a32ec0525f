"""Copies that are killed, or that run at the same time, copy everything once."""

import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from films import polars, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.store_writers import PRELOADED, START_S, LakePlace, copy_lake, measured_copy

RECORDS = 20_000
COMMITS = 4
KILLS = 12


def place(root: Path) -> LakePlace:
    """A lake of the films."""
    return LakePlace(str(root))


def lake(root: Path) -> DeltaMetadataStore:
    """A store of the films."""
    return place(root).store()


def write(root: Path) -> None:
    """Write videos in some commits, each record as often."""
    numbers = [str(number) for number in range(RECORDS)]
    with lake(root).open("write") as store:
        for commit in range(COMMITS):
            store.write_metadata("video", videos(*((each, str(commit), "1") for each in numbers)))
        store.write_metadata("transcript", store.resolve_update("transcript").added)


def rows(root: Path, feature: str) -> Counter[Any]:
    """How often each row is there."""
    with lake(root) as store:
        found = store.read_metadata_in_store(feature)
        frame = pl.DataFrame() if found is None else polars(found)
    return Counter(frame.select("id", "metaxy_created_at", "metaxy_provenance").rows())


class Copies:
    """Processes that copy from one lake to another."""

    def __init__(self, source: Path, target: Path, number: int, **options: Any) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        started = context.Barrier(number + 1)
        self.processes = [
            context.Process(target=copy_lake, args=(started, place(source), place(target), options))
            for _ in range(number)
        ]
        for each in self.processes:
            each.start()
        started.wait(START_S)

    def ended(self) -> list[int | None]:
        """Wait for them; how they ended."""
        for each in self.processes:
            each.join()
        return [each.exitcode for each in self.processes]

    def killed_after(self, seconds: float) -> None:
        """Let them work for so long."""
        time.sleep(seconds)
        for each in self.processes:
            each.kill()
            each.join()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"history": True}], ids=["rows", "history"])
def test_a_copy_that_was_killed_is_repeated(tmp_path: Path, options: dict[str, Any]) -> None:
    """At random moments, again and again; the end is that of a copy in peace."""
    moments = random.Random(8)  # noqa: S311 -- spreads the kills
    source = tmp_path / "source"
    write(source)
    begun = time.monotonic()
    assert Copies(source, tmp_path / "peace", 1, **options).ended() == [0]
    longest = time.monotonic() - begun
    for number in range(KILLS // 3):
        target = tmp_path / str(number)
        for _ in range(3):
            Copies(source, target, 1, **options).killed_after(moments.uniform(0, longest / 2))

        assert Copies(source, target, 1, **options).ended() == [0]
        for feature in ("video", "transcript"):
            assert rows(target, feature) == rows(source, feature)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"history": True}], ids=["rows", "history"])
def test_copies_at_once_copy_once(tmp_path: Path, options: dict[str, Any]) -> None:
    """Into a new lake, and into one that lacks something."""
    source, target = tmp_path / "source", tmp_path / "target"
    write(source)
    for _ in range(2):
        assert Copies(source, target, 4, **options).ended() == [0, 0, 0, 0]
        for feature in ("video", "transcript"):
            assert rows(target, feature) == rows(source, feature)
        with lake(source).open("write") as store:
            store.write_metadata("video", videos(("0", "new", "1"), ("more", "1", "1")))


def test_others_may_write_to_the_copy_meanwhile(tmp_path: Path) -> None:
    """Their writes are there, and so is all that was copied."""
    source, target = tmp_path / "source", tmp_path / "target"
    write(source)
    copies = Copies(source, target, 2)
    own: list[str] = []
    with lake(target).open("write") as store:
        while any(each.is_alive() for each in copies.processes) and len(own) < 200:
            own.append(f"own {len(own)}")
            store.write_metadata("video", videos((own[-1], "1", "1")))

    assert copies.ended() == [0, 0]
    there = rows(target, "video")
    assert set(there.values()) == {1}
    assert {key[0] for key in there.keys() - rows(source, "video").keys()} == set(own)


def write_many(root: Path, numbers: range) -> int:
    """Write so many videos in commits of 200,000; how large they are in memory, in MB."""
    versions = pl.struct(pl.col("id").alias("audio"), pl.col("id").alias("frames"))
    with lake(root).open("write") as store:
        for first in range(numbers.start, numbers.stop, 200_000):
            ids = pl.int_range(first, first + 200_000, eager=True).cast(pl.String)
            frame = pl.LazyFrame({"id": ids})
            store.write_metadata("video", frame.with_columns(metaxy_provenance_by_field=versions))
        found = polars(store.read_metadata("video"))
    return int(found.estimated_size("mb") * len(numbers) / len(found))


def peak_of_copy(source: Path, target: Path) -> int:
    """The peak memory of a process that copies, in MB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=measured_copy, args=(theirs, place(source), place(target)))
    process.start()
    theirs.close()
    peak_mb: int = ours.recv()
    process.join()
    return peak_mb


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Six times as many records take less than half of what the further ones are in memory.

    Anew and compared; benchmarks have ten million.
    """
    source = tmp_path / "source"
    write_many(source, range(400_000))
    few = [peak_of_copy(source, tmp_path / "few") for _ in range(2)]
    further_mb = write_many(source, range(400_000, 2_400_000))
    many = [peak_of_copy(source, tmp_path / "many") for _ in range(2)]

    assert many[0] - few[0] < further_mb / 2
    assert many[1] - few[1] < further_mb / 2
