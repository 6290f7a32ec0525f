"""Writers of lakes that tests run in many processes at once, through stores.

Functions of a module that take and give plain values, for processes that are started afresh.
"""

import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from films import films, videos
from metaxy.errors import CommitStateUnknownError, HashSettingsMismatchError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.writing import WriteResult

Result = TypeVar("Result")

_PRELOADED = ["films", "support.store_writers", "metaxy.metadata_store.delta"]


@dataclass(frozen=True)
class LakePlace:
    """A lake and how to reach it."""

    root: str
    options: Mapping[str, str]

    def store(self, **options: Any) -> DeltaMetadataStore:
        """A store of the graph of films."""
        return DeltaMetadataStore(self.root, graph=films(), storage_options=self.options, **options)


def in_processes(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Run a function once for each tuple of arguments, each in a process of its own, together.

    It gets a gate as its first argument, at which all wait for each other.
    """
    # Forked off a process that has imported all and run none of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    gate = context.Manager().Barrier(len(arguments))
    with ProcessPoolExecutor(
        len(arguments), mp_context=context, initializer=_find_tests, initargs=(sys.path,)
    ) as pool:
        futures = [pool.submit(work, gate, *each) for each in arguments]
        return [future.result() for future in futures]


def _find_tests(path: list[str]) -> None:
    sys.path[:] = path


def write_many(gate: Any, place: LakePlace, writer: int, count: int) -> list[WriteResult]:
    """Write so many records, one a commit; every other writer brings a column of its own."""
    columns = {f"of_{writer}": [writer]} if writer % 2 else {}
    store = place.store()
    gate.wait()
    with store.open("write"):
        return [
            store.write_metadata("video", videos((f"{writer}-{number}", "1", "1"), **columns))
            for number in range(count)
        ]


def write_first(gate: Any, place: LakePlace, writer: int, algorithm: str) -> str:
    """Write the first record of a new lake; what came of it."""
    with place.store(hash_algorithm=algorithm).open("write") as store:
        gate.wait()
        try:
            store.write_metadata("video", videos((str(writer), "1", "1")))
        except HashSettingsMismatchError as error:
            return str(error)
    return "written"


def write_keyed(gate: Any, place: LakePlace, writer: int, count: int) -> list[tuple[int, bool]]:
    """Write the same records as everybody else, each under its key."""
    with place.store().open("write") as store:
        gate.wait()
        results = [
            store.write_metadata(
                "video", videos((str(n), str(writer), "1")), idempotency_key=f"batch {n}"
            )
            for n in range(count)
        ]
    return [(each.rows, each.already_committed) for each in results]


def written_once(store: DeltaMetadataStore, name: str) -> str:
    """Write a record without a key, once; whether it was acknowledged, refused, or is unknown."""
    try:
        store.write_metadata("video", videos((name, "1", "1")))
    except CommitStateUnknownError:
        return "unknown"
    except StoreError:
        return "refused"
    return "acknowledged"


def written_with_key(store: DeltaMetadataStore, name: str) -> int:
    """Write a record under its key until that is acknowledged; how many tries it took."""
    for attempt in range(1, 60):
        try:
            store.write_metadata("video", videos((name, "1", "1")), idempotency_key=name)
        except StoreError:
            time.sleep(random.uniform(0, 0.2))  # noqa: S311 -- spreads writers
        else:
            return attempt
    raise AssertionError(name)


def write_for_ever(place: LakePlace, start: int, pipe: Connection) -> None:
    """Write records with the ids `start`, `start + 1` and so on, and acknowledge each."""
    with place.store().open("write") as store:
        pipe.send(-1)
        number = start
        while True:
            store.write_metadata("video", videos((str(number), "1", "1")))
            pipe.send(number)
            number += 1


@contextmanager
def started_writer(place: LakePlace, start: int) -> Generator[Callable[[float], list[int]]]:
    """A process that writes for ever; calling what is given lets it live so long, then kills it.

    That gives the ids that it has acknowledged.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    pipe, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write_for_ever, args=(place, start, theirs))
    process.start()
    theirs.close()

    def killed_after(seconds: float) -> list[int]:
        assert pipe.recv() == -1
        time.sleep(seconds)
        process.kill()
        process.join()
        acknowledged: list[int] = []
        try:
            while True:
                acknowledged.append(pipe.recv())
        except (EOFError, OSError):  # the last message may be half a one
            return acknowledged

    try:
        yield killed_after
    finally:
        process.kill()
        process.join()
        pipe.close()
