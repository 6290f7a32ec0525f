"""Readers of a table that other processes append to, and compact, see whole commits only."""

import itertools
import multiprocessing
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from films import polars
from support.store_writers import START_S, LakePlace, compacting, writing_triples
from support.trials import table_of

READINGS = 1_000


@pytest.mark.slow
def test_readers_see_whole_commits_while_others_append_and_compact(tmp_path: Path) -> None:
    """1,000 snapshots: of each commit all three rows or none, and never fewer than before."""
    place = LakePlace(str(tmp_path))
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        ended = context.Event()
        started = context.Barrier(4)
        for work, number in ((writing_triples, 0), (writing_triples, 1), (compacting, 0)):
            process = context.Process(target=work, args=(started, ended, place, number))
            process.start()
            stack.callback(process.join)
        stack.callback(ended.set)
        started.wait(START_S)
        seen: list[Counter[str]] = []
        versions: list[int] = []
        with place.store() as store:
            while len(seen) < READINGS:
                frame = store.read_metadata("video", columns=["batch"], latest_only=False)
                seen.append(Counter(polars(frame)["batch"]))
                if len(seen) % 100 == 0:
                    versions.append(table_of(place).version())

    assert all(set(each.values()) <= {3} for each in seen)
    assert all(before.keys() <= after.keys() for before, after in itertools.pairwise(seen))
    assert len({len(each) for each in seen}) > 100
    assert len(set(versions)) == len(versions)
    operations = Counter(entry["operation"] for entry in table_of(place).history())
    assert operations["OPTIMIZE"] >= 10
    assert operations["WRITE"] >= len(seen[-1])
