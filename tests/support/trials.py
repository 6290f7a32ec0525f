"""Trials of what writers of a lake may rely on: races, failing requests, killed processes.

Each does its harm, compares what writers were told with what is in the lake then, and counts. Tests
run them with few rounds, and `benchmarks/reliability.py` with as many as one likes.
"""

import random
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import polars as pl
from deltalake import DeltaTable

from films import stored
from support.fault_proxy import Fault, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.store_writers import (
    LakePlace,
    in_processes,
    started_writer,
    write_first_of_many,
    write_many,
    written_once,
    written_with_key,
)

HURRIED: Final = {
    "timeout": "1s",
    "retry_timeout": "4s",
    "max_retries": "3",
    "backoff_config.init_backoff": "10ms",
    "backoff_config.max_backoff": "100ms",
}
"""Options of a client that gives up soon, so that failing requests reach metaxy."""

MANY_FAULTS: Final = (
    Fault("lose_answer", operation="PUT", key="*/_delta_log/*.json", probability=0.25),
    Fault("refuse_after", operation="PUT", probability=0.1, status=500),
    Fault("hang_after", operation="PUT", probability=0.03, seconds=2),
    Fault("refuse", probability=0.05, status=503),
    Fault("reset", probability=0.05),
    Fault("truncate", operation="GET", probability=0.03),
)
"""Every request is in danger, and those that commit most of all."""

_THREADS: Final = 4


@dataclass(frozen=True)
class Tally:
    """What a trial came to. Every append is of one row, and tries to be one commit."""

    writers: int
    appends: int
    """That were begun."""
    acknowledged: int
    faults: int = 0
    """Requests that were harmed."""
    kills: int = 0
    lost: frozenset[str] = field(default_factory=frozenset)
    """Rows that were acknowledged and aren't there."""
    doubled: frozenset[str] = field(default_factory=frozenset)
    """Rows that are there more than once, in the newest version or among all changes."""
    uncalled: frozenset[str] = field(default_factory=frozenset)
    """Rows that are there although they were refused, or that nobody was writing."""
    versions: tuple[int, ...] = ()
    """Of the table, that acknowledged appends were told, in order; where the trial notes them."""

    @property
    def is_sound(self) -> bool:
        """Whether all is as promised."""
        return not (self.lost or self.doubled or self.uncalled)


def place_in(endpoint: S3Endpoint, prefix: str, **options: str) -> LakePlace:
    """A lake in a bucket."""
    return LakePlace(endpoint.uri(prefix), endpoint.storage_options() | options)


def table_of(place: LakePlace) -> DeltaTable:
    """The table of videos, past metaxy."""
    return DeltaTable(f"{place.root}/video.delta", storage_options=dict(place.options) or None)


def stored_ids(place: LakePlace) -> Counter[str]:
    """How many rows each video has; none where there is no table."""
    with place.store() as store:
        if not store.has_feature("video"):
            return Counter()
        return Counter(stored(store, "video", "id", latest_only=False))


def changed_ids(place: LakePlace) -> Counter[str]:
    """How many rows each video has among all changes of the table."""
    changes = table_of(place).load_cdf(starting_version=0, columns=["id", "_change_type"])
    return Counter(pl.DataFrame(changes)["id"].to_list())


def compared(
    tally: Tally,
    *found: Counter[str],
    acknowledged: Collection[str],
    possible: Collection[str] = (),
) -> Tally:
    """The tally, with what differs between what was told and what is there.

    Args:
        found: How often each row is there, by one way of looking or several.
        possible: Rows of which nobody knows; they may be there, once.
    """
    allowed = {*acknowledged, *possible}
    return replace(
        tally,
        acknowledged=len(acknowledged),
        lost=frozenset(name for name in acknowledged if any(not each[name] for each in found)),
        doubled=frozenset(name for each in found for name, rows in each.items() if rows > 1),
        uncalled=frozenset(name for each in found for name in each if name not in allowed),
    )


def try_appends(place: LakePlace, *, writers: int, count: int, columns: int = 0) -> Tally:
    """Writers in processes, from no lake on; every other one brings so many columns of its own."""
    results = in_processes(
        write_many, [(place, each, count, columns if each % 2 else 0) for each in range(writers)]
    )
    acknowledged = {
        f"{writer}-{number}" for writer, own in enumerate(results) for number in range(len(own))
    }
    told = [each.version for own in results for each in own]
    versions = tuple(sorted(each for each in told if each is not None))
    tally = Tally(writers, writers * count, 0, versions=versions)
    return compared(tally, stored_ids(place), changed_ids(place), acknowledged=acknowledged)


def try_creations(place: LakePlace, *, writers: int, rounds: int) -> Tally:
    """All create the same lake and table at once, each with a column of its own; again and again.

    The lakes are those in the folders `0`, `1` and so on of the place.
    """
    in_processes(write_first_of_many, [(place, each, rounds) for each in range(writers)])
    tallies = [
        compared(
            Tally(writers, writers, 0),
            stored_ids(place.within(str(number))),
            acknowledged=[str(each) for each in range(writers)],
        )
        for number in range(rounds)
    ]
    return Tally(
        writers,
        writers * rounds,
        writers * rounds,
        lost=frozenset(f"{n}/{name}" for n, each in enumerate(tallies) for name in each.lost),
        doubled=frozenset(f"{n}/{name}" for n, each in enumerate(tallies) for name in each.doubled),
        uncalled=frozenset(
            f"{n}/{name}" for n, each in enumerate(tallies) for name in each.uncalled
        ),
    )


def try_faults(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, *, count: int, seed: int = 0
) -> Tally:
    """Threads that write so many records under many faults, then as many, each under its key.

    Acknowledged: there once. Refused: not there. Unknown: at most once. With a key: once.
    """
    direct = place_in(lake, prefix)
    with direct.store().open("write") as store:
        assert written_once(store, "first") == "acknowledged"
    plain = [f"plain-{number}" for number in range(count)]
    keyed = [f"keyed-{number}" for number in range(count)]
    proxy.forget_requests()
    through = place_in(proxy.endpoint, prefix, **HURRIED)
    with through.store().open("write") as store, ThreadPoolExecutor(_THREADS) as threads:
        proxy.set_faults(*MANY_FAULTS, seed=seed)
        told = dict(zip(plain, threads.map(partial(written_once, store), plain), strict=True))
        list(threads.map(partial(written_with_key, store), keyed))
        proxy.set_faults()
    by_answer = {
        answer: {name for name, each in told.items() if each == answer}
        for answer in ("acknowledged", "unknown")
    }
    faults = sum(bool(request.faults) for request in proxy.requests())
    return compared(
        Tally(_THREADS, 1 + 2 * count, 0, faults=faults),
        stored_ids(direct),
        changed_ids(direct),
        acknowledged={"first", *keyed, *by_answer["acknowledged"]},
        possible=by_answer["unknown"],
    )


def try_kills(
    place: LakePlace, *, writers: int, rounds: int, longest_s: float, seed: int = 20
) -> Tally:
    """Writers in processes, each killed at a random moment; then the next ones; again and again.

    A kill comes behind none to three acknowledged records, and up to `longest_s / writers` later.
    After each round the lake is read. Of each writer the record that was in flight may be there.
    """
    moments = random.Random(seed)  # noqa: S311 -- spreads the kills
    acknowledged: set[str] = set()
    in_flight: set[str] = set()
    tally = Tally(writers, 0, 0)
    for number in range(rounds):
        with ExitStack() as stack:
            starts = [1000 * (number * writers + each) for each in range(writers)]
            running = [stack.enter_context(started_writer(place, start)) for start in starts]
            for start, killed_after in zip(starts, running, strict=True):
                own = killed_after(moments.randrange(4), moments.uniform(0.0, longest_s / writers))
                acknowledged |= set(map(str, own))
                in_flight.add(str(start + len(own)))
        seen = compared(tally, stored_ids(place), acknowledged=acknowledged, possible=in_flight)
        tally = replace(
            seen,
            lost=tally.lost | seen.lost,
            doubled=tally.doubled | seen.doubled,
            uncalled=tally.uncalled | seen.uncalled,
        )
    return replace(tally, appends=len(acknowledged | in_flight), kills=writers * rounds)
