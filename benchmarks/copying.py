"""How much memory and time copies of large tables take, local to local.

Run it as `python benchmarks/copying.py --records 10000000`. Each step runs in a process of its own,
over new lakes in a temporary folder; it prints seconds, rows, and the peak memory of the process.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl

from metaxy import BaseFeature, DeltaMetadataStore, FeatureSpec

COMMITS = 10


class Sample(BaseFeature, spec=FeatureSpec("sample", id_columns=["sample_id"])):
    """A record as large as most: an id, a path, a size."""

    sample_id: str
    path: str
    size: int


def write(root: Path, records: int) -> int:
    """Write a table in some commits."""
    each = records // COMMITS
    with DeltaMetadataStore(root / "source").open("write") as store:
        for commit in range(COMMITS):
            number = pl.int_range(commit * each, (commit + 1) * each, eager=True)
            name = pl.format("sample-{}", pl.col("number"))
            rows = pl.LazyFrame({"number": number}).select(
                name.alias("sample_id"),
                pl.format("s3://bucket/folder/{}.mp4", pl.col("number")).alias("path"),
                pl.col("number").alias("size"),
                pl.struct(name.alias("default")).alias("metaxy_provenance_by_field"),
            )
            store.write_metadata(Sample, rows)
    return each * COMMITS


def copy(root: Path, _records: int) -> int:
    """Copy what the destination lacks."""
    with (
        DeltaMetadataStore(root / "source") as source,
        DeltaMetadataStore(root / "copy").open("write") as store,
    ):
        return store.copy_metadata(source)["sample"]


def copy_filtered(root: Path, _records: int) -> int:
    """Copy half of the records, by a column that doesn't name them."""
    with (
        DeltaMetadataStore(root / "source") as source,
        DeltaMetadataStore(root / "half").open("write") as store,
    ):
        return store.copy_metadata(source, filters={"sample": ["size > 0", "size < 5000000"]})[
            "sample"
        ]


def copy_history(root: Path, _records: int) -> int:
    """Copy all files."""
    with (
        DeltaMetadataStore(root / "source") as source,
        DeltaMetadataStore(root / "history").open("write") as store,
    ):
        return store.copy_metadata(source, history=True)["sample"]


def _measured(
    pipe: Connection, step: Callable[[Path, int], int], *, root: Path, records: int
) -> None:
    begun = time.perf_counter()
    rows = step(root, records)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((rows, time.perf_counter() - begun, peak_kb // 1024))


def measured(step: Callable[[Path, int], int], root: Path, records: int) -> tuple[int, float, int]:
    """Run a step in a new process: what it gives, seconds, peak memory in MB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_measured, args=(theirs, step), kwargs={"root": root, "records": records}
    )
    process.start()
    theirs.close()
    try:
        rows, seconds, peak_mb = ours.recv()
    finally:
        process.join()
    return rows, seconds, peak_mb


def main() -> None:
    """Measure each step once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records: int = parser.parse_args().records
    with tempfile.TemporaryDirectory(prefix="metaxy-copying-") as folder:
        root = Path(folder)
        for name, step in {
            "write": write,
            "copy": copy,
            "copy again": copy,
            "copy, filtered": copy_filtered,
            "copy, history": copy_history,
        }.items():
            rows, seconds, peak_mb = measured(step, root, records)
            print(f"{name:16}{rows:>12,} rows {seconds:>8.1f} s {peak_mb:>7,} MB")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
