"""Writers of lakes that tests run in many processes at once, through stores.

Functions of a module that take and give plain values, for processes that are started afresh.
"""

import itertools
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from typing import Any, Final, TypeVar

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from films import films, videos
from metaxy.errors import CommitStateUnknownError, HashSettingsMismatchError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.writing import WriteResult
from support.child_process import peak_memory_mb

Result = TypeVar("Result")

PRELOADED: Final = ("films", "support.store_writers", "metaxy.metadata_store.delta")
START_S: Final = 60.0
"""So long processes that are to begin together wait for each other."""


@dataclass(frozen=True)
class LakePlace:
    """A lake and how to reach it."""

    root: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def store(self, **options: Any) -> DeltaMetadataStore:
        """A store of the graph of films."""
        return DeltaMetadataStore(self.root, graph=films(), storage_options=self.options, **options)

    def within(self, name: str) -> "LakePlace":
        """A lake in a folder of this place."""
        return replace(self, root=f"{self.root}/{name}")


def in_processes(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Run a function once for each tuple of arguments, each in a process of its own, together.

    It gets a gate as its first argument, at which all wait for each other.
    """
    # Forked off a process that has imported all and run none of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    gate = context.Manager().Barrier(len(arguments))
    with ProcessPoolExecutor(
        len(arguments), mp_context=context, initializer=_find_tests, initargs=(sys.path,)
    ) as pool:
        futures = [pool.submit(work, gate, *each) for each in arguments]
        return [future.result() for future in futures]


def _find_tests(path: list[str]) -> None:
    sys.path[:] = path


def write_many(
    gate: Any, place: LakePlace, writer: int, count: int, columns: int = 0
) -> list[WriteResult]:
    """Write so many records, one a commit, which bring so many columns of this writer's in turn."""

    def own(number: int) -> dict[str, list[int]]:
        return {f"of_{writer}_{number % columns}": [number]} if columns else {}

    store = place.store()
    gate.wait()
    with store.open("write"):
        return [
            store.write_metadata("video", videos((f"{writer}-{number}", "1", "1"), **own(number)))
            for number in range(count)
        ]


def write_first_of_many(gate: Any, place: LakePlace, writer: int, rounds: int) -> int:
    """Write the first record of a new lake when all do, in one lake after the other."""
    for number in range(rounds):
        with place.within(str(number)).store().open("write") as store:
            frame = videos((str(writer), "1", "1"), **{f"of_{writer}": [number]})
            gate.wait()
            store.write_metadata("video", frame)
    return rounds


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


def write_or_drop(gate: Any, place: LakePlace, writer: int, count: int) -> int:
    """The first writer drops the feature so often; the others write to it meanwhile."""
    with place.store().open("write") as store:
        gate.wait()
        for number in range(count):
            if writer:
                store.write_metadata("video", videos((f"{writer}-{number}", "1", "1")))
            else:
                store.drop_feature_metadata("video")
    return count


def writing_triples(started: Barrier, ended: Event, place: LakePlace, writer: int) -> None:
    """Write three records a commit, which have its name, until that is to end."""
    with place.store().open("write") as store:
        for number in itertools.count():
            name = f"{writer}-{number}"
            rows = [(f"{name}-{each}", "1", "1") for each in range(3)]
            store.write_metadata("video", videos(*rows, batch=[name] * 3))
            if number == 0:
                started.wait(START_S)
            if ended.wait(0.05):
                return


def compacting(started: Barrier, ended: Event, place: LakePlace, _number: int) -> None:
    """Compact the table of videos again and again, as any program may, until that is to end."""
    started.wait(START_S)
    table = DeltaTable(f"{place.root}/video.delta", storage_options=dict(place.options) or None)
    while not ended.wait(0.1):
        table.update_incremental()
        with suppress(CommitFailedError):  # it meets the appends of a moment ago
            table.optimize.compact()


def copy_lake(
    started: Barrier, source: LakePlace, target: LakePlace, options: Mapping[str, Any]
) -> None:
    """Copy once what is lacking, when all have started."""
    with source.store() as theirs, target.store().open("write") as ours:
        started.wait(START_S)
        ours.copy_metadata(theirs, **options)


def measured_copy(pipe: Connection, source: LakePlace, target: LakePlace) -> None:
    """Copy what is lacking, and send the peak memory of the process in MB."""
    with source.store() as theirs, target.store().open("write") as ours:
        ours.copy_metadata(theirs)
    pipe.send(peak_memory_mb())


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
    """Write records with the ids `start`, `start + 1` and so on, and acknowledge each.

    Now and then one brings a column, which others may bring at the same time.
    """
    with place.store().open("write") as store:
        pipe.send(-1)
        number = start
        while True:
            columns = {f"column_{number // 7000}": [number]} if number % 7 == 0 else {}
            store.write_metadata("video", videos((str(number), "1", "1"), **columns))
            pipe.send(number)
            number += 1


@contextmanager
def started_writer(place: LakePlace, start: int) -> Generator[Callable[[int, float], list[int]]]:
    """A process that writes for ever, until what is given is called, which kills it.

    It is called with how many records the writer shall have acknowledged at least, so that a busy
    machine does no harm, and how many seconds it then lives on. That gives the ids that it has
    acknowledged.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    pipe, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write_for_ever, args=(place, start, theirs))
    process.start()
    theirs.close()

    def killed_after(writes: int, seconds: float) -> list[int]:
        assert pipe.recv() == -1
        acknowledged = [pipe.recv() for _ in range(writes)]
        time.sleep(seconds)
        process.kill()
        process.join()
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
