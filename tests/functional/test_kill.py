"""A writer that is killed at any moment leaves a lake that reads, and is whole."""

import multiprocessing
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from films import films, stored, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore

KILLS = 100


def write_for_ever(root: Path, start: int, pipe: Connection) -> None:
    """Write records with the ids `start`, `start + 1` and so on, and acknowledge each."""
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        pipe.send(-1)
        number = start
        while True:
            columns = {f"column_{number // 500}": [number]} if number % 7 == 0 else {}
            store.write_metadata("video", videos((str(number), "1", "1"), **columns))
            pipe.send(number)
            number += 1


class Writer:
    """A process that writes until it is killed."""

    def __init__(self, root: Path, start: int) -> None:
        # Forked off a process that has imported all, but has not run any of it: 20 ms in place of
        # a second.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["films", "metaxy.metadata_store.delta"])
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=write_for_ever, args=(root, start, theirs))
        self._process.start()
        theirs.close()

    def killed_after(self, seconds: float) -> list[int]:
        """Let it write for so long and kill it; the ids that it has acknowledged."""
        assert self._pipe.recv() == -1
        time.sleep(seconds)
        self._process.kill()
        self._process.join()
        acknowledged: list[int] = []
        try:
            while True:
                acknowledged.append(self._pipe.recv())
        except (EOFError, OSError):  # the last message may be half a one
            return acknowledged
        finally:
            self._pipe.close()


@pytest.mark.slow
def test_a_killed_writer_leaves_what_it_acknowledged(tmp_path: Path) -> None:
    """100 kills at random moments: all acknowledged writes, at most one more a kill, no others."""
    moments = random.Random(20)  # noqa: S311 -- spreads the kills
    known: set[str] = set()
    for kill in range(KILLS):
        start = 1000 * kill
        acknowledged = Writer(tmp_path, start).killed_after(moments.uniform(0.0, 0.4))

        assert acknowledged == list(range(start, start + len(acknowledged)))
        sure = {str(each) for each in acknowledged}
        with DeltaMetadataStore(tmp_path, graph=films()) as store:
            has = store.has_feature("video")
            now = stored(store, "video", "id", latest_only=False) if has else []
            assert len(now) == len(set(now))
            assert known <= set(now)
            fresh = set(now) - known
            assert sure <= fresh
            assert fresh - sure <= {str(start + len(acknowledged))}
            known = set(now)
            if kill % 10 == 9:
                samples = videos(*((each, "1", "1") for each in (*known, "more")))
                increment = store.resolve_update("video", samples=samples)
                assert (len(increment.added), len(increment.changed)) == (1, 0)
                assert increment.removed.is_empty()

    assert len(known) > KILLS
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        assert update(store, "transcript") == [len(known), 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
