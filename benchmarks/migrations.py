"""How long a migration takes, against reading its inputs and writing its outputs with Polars.

    python benchmarks/migrations.py --records 1000000

A chain of four features; the first below the root narrows what it is made from, so that all three
below the root are carried. The floor does what no migration can do without: for each of the three,
read its table and the ids and versions of its upstream, and write as many rows of the same columns
into a new table, in the same process. See benchmarks/README.md.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from metaxy import (
    BaseFeature,
    DeltaMetadataStore,
    FeatureDep,
    FeatureRegistry,
    FeatureSpec,
    FieldDep,
    FieldSpec,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.migrations.carry_frames import Carrying
from metaxy.migrations.carrying import carry
from metaxy.migrations.reconciliation import affected_features
from metaxy.models.keys import FeatureKey

LEVELS = ("first", "second", "third")


def graph(*, narrowed: bool) -> FeatureGraph:
    """A root with two fields, and three features, each made from the one before."""
    with FeatureRegistry(default_project="bench").use() as registry:
        fields = [FieldSpec("audio"), FieldSpec("frames")]
        upstream = _feature(FeatureSpec("root", id_columns=["id"], fields=fields))
        for level in LEVELS:
            made_of = ["audio"] if narrowed or level != "first" else ["audio", "frames"]
            deps = [FieldDep(upstream, made_of)] if level == "first" else None
            field = FieldSpec("audio", deps=deps) if deps else FieldSpec("audio")
            upstream = _feature(
                FeatureSpec(level, id_columns=["id"], deps=[FeatureDep(upstream)], fields=[field])
            )
        return registry.graph()


def _feature(spec: FeatureSpec) -> type[BaseFeature]:
    class Feature(BaseFeature, spec=spec):
        pass

    return Feature


def samples(records: int) -> pl.DataFrame:
    """One row a record, in random order, with a path and two numbers of the user's."""
    number = pl.col("id")
    texts = [number.hash(seed=n).cast(pl.String).str.zfill(20).str.slice(4) for n in range(2)]
    frame = pl.select(pl.int_range(records, dtype=pl.Int64).shuffle(seed=1).alias("id"))
    return frame.select(
        "id",
        pl.concat_str(pl.lit("s3://bucket/"), number.cast(pl.String)).alias("path"),
        (number * 7).alias("size"),
        pl.struct(audio=texts[0], frames=texts[1]).alias("metaxy_provenance_by_field"),
    )


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one run."""
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def run(records: int, folder: Path) -> dict[str, float]:
    """Fill a lake, measure the floor and the migration once each."""
    old, new = graph(narrowed=False), graph(narrowed=True)
    store = DeltaMetadataStore(folder / "lake", graph=old)
    with store.open("write"):
        store.write_metadata("root", samples(records))
        for level in LEVELS:
            store.write_metadata(level, store.resolve_update(level).added)
    tables = {key: store.table_path(FeatureKey(key)) for key in ("root", *LEVELS)}

    def floor() -> None:
        for upstream, level in zip(("root", *LEVELS), LEVELS, strict=False):
            pl.scan_delta(tables[upstream]).select("id", "metaxy_data_version_by_field").collect()
            rows = pl.scan_delta(tables[level]).collect()
            rows.write_delta(str(folder / "floor" / level))

    floor_seconds = seconds_of(floor)
    order = affected_features(old, new)
    migrated = DeltaMetadataStore(folder / "lake", graph=new)

    def migrate() -> None:
        with migrated.open("write"):
            for key in order:
                asked = Carrying(
                    feature=key,
                    old=old,
                    new=new,
                    run="migration:bench",
                    carried=frozenset(order),
                )
                done = carry(migrated, asked)
                if done.in_sync != records:
                    raise SystemExit(f"wrong: {done}")

    seconds = seconds_of(migrate)
    with migrated.open("read"):
        for level in LEVELS:
            increment = migrated.resolve_update(level)
            if len(increment.added) or len(increment.changed) or len(increment.removed):
                raise SystemExit(f"something is left to compute: {increment}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "floor": floor_seconds, "peak_bytes": peak}


def main() -> None:
    """Measure in a process of its own, so that its peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        with tempfile.TemporaryDirectory(prefix="metaxy-bench-") as folder:
            print(json.dumps(run(arguments.records, Path(folder))))
        return
    command = [sys.executable, __file__, "--child", "--records", str(arguments.records)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own file
    found = json.loads(done.stdout)
    print("| records | features | seconds | floor | ratio | peak memory |")
    print("|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {arguments.records:,} | {len(LEVELS)} | {found['seconds']:.2f} | {found['floor']:.2f} "
        f"| {found['seconds'] / found['floor']:.1f} | {found['peak_bytes'] / 2**30:.2f} GiB |"
    )


if __name__ == "__main__":
    main()
