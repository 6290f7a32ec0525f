"""Whether writers lose or double rows: races, new columns, failing requests, killed processes.

And whether removals take more than they were asked to, killed or under failing requests.

Run it as `python benchmarks/reliability.py --help`. Each trial compares what writers were told with
what is in the lake then. The trials are those of the tests, from `tests/support`, with more rounds.
It prints a table in Markdown, and ends with code 1 if a row was lost or doubled, or is there though
it was refused, or if a removal has left something otherwise than it should.
"""

import argparse
import platform
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

# The trials, and the servers and the proxy that they need, belong to the tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.fault_proxy import fault_proxy
from support.rados_gateway import missing_programs
from support.removal_trials import RemovalTally, try_killed_removals, try_removals_under_faults
from support.removals import Lakes
from support.s3_endpoint import S3Endpoint
from support.s3_servers import ceph_server, moto_server
from support.store_writers import LakePlace
from support.trials import (
    Tally,
    place_in,
    try_appends,
    try_creations,
    try_faults,
    try_kills,
)

LAKES: Final = ("local", "moto", "ceph")
COLUMNS: Final = (
    *("lake", "trial", "writers", "appends", "acknowledged", "faults", "kills"),
    *("rows lost", "rows doubled", "seconds"),
)
REMOVALS: Final = ("hard-deletion", "purge", "vacuum")
REMOVAL_COLUMNS: Final = (
    *("lake", "removal", "rounds", "attempts", "faults", "kills"),
    *("wrong", "seconds"),
)
LIBRARIES: Final = ("deltalake", "polars", "pyarrow", "s3fs", "moto")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each trial does."""

    writers: int
    appends: int
    races: int
    kills: int
    batches: int


@dataclass(frozen=True, slots=True)
class Lake:
    """Where trials run; on S3 also by a proxy that does harm."""

    name: str
    new_place: Callable[[], LakePlace]
    endpoint: S3Endpoint | None = None


@contextmanager
def lake_of(name: str) -> Generator[Lake]:
    """A folder, or a server that is started for it."""
    with ExitStack() as stack:
        if name == "local":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="metaxy-reliability-"))
            yield Lake(name, lambda: LakePlace(f"{folder}/{uuid.uuid4().hex}"))
            return
        server = stack.enter_context(moto_server() if name == "moto" else ceph_server())
        yield Lake(name, lambda: place_in(server.owner, uuid.uuid4().hex), server.owner)


def trials(lake: Lake, sizes: Sizes) -> Iterator[tuple[str, Callable[[], Tally]]]:
    """What is tried on a lake, by name."""
    new, writers = lake.new_place, sizes.writers
    yield "appends", lambda: try_appends(new(), writers=writers, count=sizes.appends)
    yield (
        "appends with new columns",
        lambda: try_appends(new(), writers=writers, count=sizes.appends, columns=5),
    )
    yield "creation races", lambda: try_creations(new(), writers=6, rounds=sizes.races)
    yield (
        "kills",
        lambda: try_kills(
            new(),
            writers=3,
            rounds=sizes.kills // 3,
            longest_s=0.6 if lake.endpoint is None else 2.0,
        ),
    )
    if lake.endpoint is not None:
        endpoint = lake.endpoint
        yield "faults", lambda: with_faults(endpoint, count=sizes.batches)


def with_faults(endpoint: S3Endpoint, *, count: int) -> Tally:
    """Write behind a proxy that does harm, half of it without keys and half of it with."""
    with fault_proxy(endpoint) as proxy:
        return try_faults(proxy, endpoint, uuid.uuid4().hex, count=count // 2)


def removal_trials(lake: Lake, rounds: int) -> Iterator[tuple[str, Callable[[], RemovalTally]]]:
    """What is tried with removals, by name: killed in a folder, and under faults on a server."""
    with tempfile.TemporaryDirectory(prefix="metaxy-removals-") as folder:
        lakes = Lakes.filled(Path(folder))
        for removal in REMOVALS:
            yield removal, partial(harmed_removals, lake, lakes, removal, rounds=rounds)


def harmed_removals(lake: Lake, lakes: Lakes, removal: str, *, rounds: int) -> RemovalTally:
    """Remove something so often: killed in a folder, or behind a proxy that does harm."""
    if lake.endpoint is None:
        return try_killed_removals(lakes, removal, rounds=rounds)
    with fault_proxy(lake.endpoint) as proxy:
        return try_removals_under_faults(lakes, removal, proxy, lake.endpoint, rounds=rounds)


def line(values: Iterable[object]) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, values))} |"


def main() -> int:
    """Run the trials that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lakes", nargs="+", choices=LAKES, help="default: local, moto, and ceph if installed"
    )
    parser.add_argument("--writers", type=int, default=16, help="processes that append at once")
    parser.add_argument("--s3-writers", type=int, default=8, help="the same, on S3")
    parser.add_argument("--appends", type=int, default=20, help="of each of them")
    parser.add_argument("--races", type=int, default=25, help="to create a lake, of 6 processes")
    parser.add_argument("--kills", type=int, default=200, help="of 3 processes at a time")
    parser.add_argument("--batches", type=int, default=80, help="written under faults, on S3")
    parser.add_argument("--removals", type=int, default=20, help="of each kind, killed or harmed")
    parser.add_argument("--only-removals", action="store_true", help="no writers")
    given = parser.parse_args()
    lakes: list[str] = given.lakes or [name for name in LAKES if name != "ceph" or has_ceph()]
    sound = given.only_removals or written(lakes, given)
    sound = removed(lakes, given.removals) and sound
    print(f"\n{platform.machine()}, Python {platform.python_version()}, {libraries()}")
    if not sound:
        print("Something was lost, doubled, or there although it was refused.", file=sys.stderr)
    return 0 if sound else 1


def written(lakes: list[str], given: argparse.Namespace) -> bool:
    """Run the trials of writers; whether all is as promised."""
    head(COLUMNS)
    sound = True
    for name in lakes:
        sizes = Sizes(
            writers=given.writers if name == "local" else given.s3_writers,
            appends=given.appends,
            races=given.races,
            kills=given.kills,
            batches=given.batches,
        )
        with lake_of(name) as lake:
            for trial, run in trials(lake, sizes):
                begun = time.perf_counter()
                tally = run()
                seconds = time.perf_counter() - begun
                print(line([name, trial, *figures(tally, seconds=seconds)]), flush=True)
                sound = sound and tally.is_sound
    return sound


def removed(lakes: list[str], rounds: int) -> bool:
    """Run the trials of removals; whether all is as promised."""
    print()
    head(REMOVAL_COLUMNS)
    sound = True
    for name in lakes:
        with lake_of(name) as lake:
            for removal, run in removal_trials(lake, rounds):
                begun = time.perf_counter()
                tally = run()
                seconds = f"{time.perf_counter() - begun:.0f}"
                counts = (tally.rounds, tally.attempts, tally.faults, tally.kills)
                print(line([name, removal, *counts, len(tally.wrong), seconds]), flush=True)
                sound = sound and not tally.wrong
    return sound


def head(columns: tuple[str, ...]) -> None:
    """Print the head of a table."""
    print(line(columns))
    print(line(["---"] * 2 + ["--:"] * (len(columns) - 2)))


def has_ceph() -> bool:
    """Whether Ceph's gateway is installed."""
    return not missing_programs()


def figures(tally: Tally, *, seconds: float) -> list[object]:
    """What the table tells of a trial."""
    return [
        *(tally.writers, tally.appends, tally.acknowledged, tally.faults, tally.kills),
        *(len(tally.lost), len(tally.doubled), f"{seconds:.0f}"),
    ]


def libraries() -> str:
    """The versions that the figures are of."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


if __name__ == "__main__":
    sys.exit(main())
