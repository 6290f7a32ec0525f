"""Copies that are killed, or that run at the same time, copy everything once."""

import multiprocessing
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from films import films, polars, videos
from metaxy.metadata_store.delta import DeltaMetadataStore

RECORDS = 20_000
COMMITS = 4
KILLS = 12


def lake(root: Path) -> DeltaMetadataStore:
    """A store of the films."""
    return DeltaMetadataStore(root, graph=films())


def write(root: Path) -> None:
    """Write videos in some commits, each record as often."""
    numbers = [str(number) for number in range(RECORDS)]
    with lake(root).open("write") as store:
        for commit in range(COMMITS):
            store.write_metadata("video", videos(*((each, str(commit), "1") for each in numbers)))
        store.write_metadata("transcript", store.resolve_update("transcript").added)


def copy(source: Path, target: Path, started: Any, options: dict[str, Any]) -> None:
    """Copy once everything that is lacking."""
    with lake(source) as theirs, lake(target).open("write") as ours:
        started.wait()
        ours.copy_metadata(theirs, **options)


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
        context.set_forkserver_preload(["films", "metaxy.metadata_store.delta"])
        self._started = context.Barrier(number + 1)
        self.processes = [
            context.Process(target=copy, args=(source, target, self._started, options))
            for _ in range(number)
        ]
        for each in self.processes:
            each.start()
        self._started.wait()

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


def measured_copy(source: Path, target: Path, pipe: Any) -> None:
    """Copy, and send the peak memory of the process in MB."""
    with lake(source) as theirs, lake(target).open("write") as ours:
        ours.copy_metadata(theirs)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """800,000 records, copied and compared, take less than 1.2 GB; benchmarks have ten million."""
    source, target = tmp_path / "source", tmp_path / "target"
    with lake(source).open("write") as store:
        for part in range(4):
            ids = pl.int_range(200_000 * part, 200_000 * (part + 1), eager=True).cast(pl.String)
            versions = pl.struct(pl.col("id").alias("audio"), pl.col("id").alias("frames"))
            frame = pl.LazyFrame({"id": ids})
            store.write_metadata("video", frame.with_columns(metaxy_provenance_by_field=versions))
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=measured_copy, args=(source, target, theirs))
        process.start()
        assert ours.recv() < 1_200
        process.join()
