"""An update of a large table by a node, beside what Polars alone needs to do the same.

Run it as `python benchmarks/meta_tables.py --rows 1000000 --entities 100`. Polars alone reads what
is stored, compares it with the frame, and writes what is new or different, into the same kind of
Delta table; it checks nothing and stamps nothing. Both are given the same frames, in a process of
their own for each phase, over lakes in a temporary folder. It prints seconds, the least of some
runs.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from metaxy import DeltaMetadataStore
from metaxy.meta_tables import (
    DataNode,
    DataNodeConfiguration,
    MetaTableMigration,
    PlatformTimeIndexMetaTable,
)

GRAIN = ["time_index", "entity"]


class Base(DeclarativeBase):
    """Of the one table."""


class Readings(PlatformTimeIndexMetaTable, Base):
    """A time, an entity, a value."""

    __tablename__ = "benchmark__readings"
    __metatable_namespace__ = "benchmark"
    __metatable_description__ = "Readings."
    __index_names__ = ("time_index", "entity")

    time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    entity: Mapped[str]
    value: Mapped[float]


class ReadingsNode(DataNode):
    """Gives the frame that it is made with."""

    def __init__(self, frame: pl.DataFrame) -> None:
        super().__init__(DataNodeConfiguration(), Readings)
        self.frame = frame

    def update(self) -> pl.DataFrame:
        """Give it."""
        return self.frame


def readings(rows: int, entities: int, *, changed_every: int = 0) -> pl.DataFrame:
    """As many rows, of as many entities in turn; some have another value, where there are some."""
    number = pl.int_range(rows, eager=True)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    changed = number % (changed_every or 1) == (0 if changed_every else 1)
    return pl.DataFrame({"number": number}).select(
        (pl.lit(start) + pl.col("number") // entities * timedelta(minutes=1)).alias("time_index"),
        pl.format("entity-{}", pl.col("number") % entities).alias("entity"),
        (pl.col("number").cast(pl.Float64).sin() + changed.cast(pl.Float64)).alias("value"),
    )


def by_node(root: Path, frame: pl.DataFrame) -> int:
    """One run of a node."""
    with DeltaMetadataStore(root / "lake").open("write") as store:
        MetaTableMigration([Readings]).upgrade(store)
        began = time.perf_counter()
        ReadingsNode(frame).run()
        return _report(began)


def by_polars(root: Path, frame: pl.DataFrame) -> int:
    """The newest row of each name is read and compared, what is new or different is appended."""
    path = str(root / "plain")
    began = time.perf_counter()
    due = frame
    if DeltaTable.is_deltatable(path):
        stored = (
            pl.scan_delta(path)
            .sort("written_at")
            .unique(GRAIN, keep="last", maintain_order=True)
            .select(*GRAIN, pl.col("value").alias("stored"))
        )
        joined = frame.lazy().join(stored, on=GRAIN, how="left")
        different = pl.col("value").ne_missing(pl.col("stored"))
        due = joined.filter(different).drop("stored").collect()
    if due.height:
        due.with_columns(written_at=pl.lit(datetime.now(UTC))).write_delta(path, mode="append")
    return _report(began)


def _report(began: float) -> int:
    return round((time.perf_counter() - began) * 1_000_000)


Step = Callable[[Path, pl.DataFrame], int]
FRAMES = {"all new": 0, "all equal": 0, "one in ten corrected": 10, "all corrected": 1}


def seconds(step: Step, root: Path, arguments: tuple[int, int, int]) -> float:
    """How long a step took, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, step, root, arguments))
    process.start()
    taken = receiver.recv()
    process.join()
    return float(taken) / 1_000_000


def _run(sender: Connection, step: Step, root: Path, arguments: tuple[int, int, int]) -> None:  # noqa: PLR0917 -- given to a process
    rows, entities, changed_every = arguments
    sender.send(step(root, readings(rows, entities, changed_every=changed_every)))


def main() -> None:
    """Measure each phase of both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    least: dict[tuple[str, str], float] = {}
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            for phase, changed_every in FRAMES.items():
                arguments = (given.rows, given.entities, changed_every)
                for step in (by_polars, by_node):
                    taken = seconds(step, Path(folder), arguments)
                    key = (phase, step.__name__)
                    least[key] = min(taken, least.get(key, taken))
    print("| phase | Polars alone, s | node, s | ratio |")
    print("|---|--:|--:|--:|")
    for phase in FRAMES:
        plain, node = least[phase, "by_polars"], least[phase, "by_node"]
        print(f"| {phase} | {plain:.2f} | {node:.2f} | {node / plain:.1f} |")


if __name__ == "__main__":
    main()
