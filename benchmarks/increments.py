"""How long increments take, against the bare read of the tables that they need.

Run it as `./run bench`, or `python benchmarks/increments.py --help`. The cases are described in
benchmarks/README.md and docs/benchmarks.md.
"""

import argparse
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import polars as pl

from metaxy import (
    BaseFeature,
    DeltaMetadataStore,
    FeatureDep,
    FeatureRegistry,
    FeatureSpec,
    FieldSpec,
    Increment,
)

Ids = Literal["int", "str"]
RESULTS: Final = Path(__file__).parent / "results" / "increments.json"
REPEATS: Final = 3
CHANGED_SHARE: Final = 10
"""One record in so many changes."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A root or several, and a leaf whose fields depend on all of theirs."""

    roots: int
    root_fields: int
    leaf_fields: int


GRAPHS: Final = {
    "simple": Graph(roots=1, root_fields=2, leaf_fields=2),
    "wide": Graph(roots=2, root_fields=4, leaf_fields=2),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One process's work."""

    graph: str
    ids: Ids
    records: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What one phase of a case took.

    Attributes:
        seconds: The least of several runs; of one for writes.
        floor_seconds: The same for the bare read; None for writes.
        peak_bytes: Of the process, up to the end of the phase.
    """

    graph: str
    ids: Ids
    records: int
    phase: str
    seconds: float
    floor_seconds: float | None
    peak_bytes: int

    @property
    def ratio(self) -> float | None:
        """Seconds in floors."""
        return None if self.floor_seconds is None else self.seconds / self.floor_seconds


def declared(graph: Graph) -> tuple[list[type[BaseFeature]], type[BaseFeature]]:
    """The feature classes of a graph: roots and leaf."""
    fields = [FieldSpec(f"field_{each}") for each in range(graph.root_fields)]
    roots = [
        _feature(FeatureSpec(f"root_{n}", id_columns=["id"], fields=fields))
        for n in range(graph.roots)
    ]
    leaf = _feature(
        FeatureSpec(
            "leaf",
            id_columns=["id"],
            deps=[FeatureDep(root) for root in roots],
            fields=[FieldSpec(f"result_{each}") for each in range(graph.leaf_fields)],
        )
    )
    return roots, leaf


def _feature(spec: FeatureSpec) -> type[BaseFeature]:
    class Feature(BaseFeature, spec=spec):
        pass

    return Feature


def samples(case: Case, *, generation: int, seed: int) -> pl.LazyFrame:
    """One row a record in random order; with each generation one in ten has other versions."""
    number = pl.int_range(case.records, dtype=pl.Int64)
    frame = pl.select(number.shuffle(seed=seed).alias("number")).lazy()
    changes = pl.col("number") % CHANGED_SHARE == 0
    salt = pl.when(changes).then(generation).otherwise(0)
    texts = [
        (pl.col("number") * 31 + salt * 7919 + each)
        .hash(seed=each)
        .cast(pl.String)
        .str.zfill(20)
        .str.slice(4)
        for each in range(GRAPHS[case.graph].root_fields)
    ]
    by_field = pl.struct(text.alias(f"field_{each}") for each, text in enumerate(texts))
    ids = pl.col("number")
    if case.ids == "str":
        ids = pl.concat_str(pl.lit("sample-"), ids.cast(pl.String).str.zfill(10))
    return frame.select(ids.alias("id"), by_field.alias("metaxy_provenance_by_field"))


def figures(case: Case, folder: Path) -> Iterator[Figure]:
    """Run one case from an empty lake to the last phase."""
    registry = FeatureRegistry(default_project="bench")
    with registry.use():
        roots, leaf = declared(GRAPHS[case.graph])
        graph = registry.graph()
    store = DeltaMetadataStore(folder / "lake", graph=graph)
    root_tables = [store.table_path(root.spec.key) for root in roots]
    leaf_table = store.table_path(leaf.spec.key)

    def figure(phase: str, seconds: float, floor: float | None) -> Figure:
        return Figure(case.graph, case.ids, case.records, phase, seconds, floor, peak_bytes())

    def write_roots(generation: int) -> float:
        frames = [
            samples(case, generation=generation, seed=n + generation).collect()
            for n, _ in enumerate(roots)
        ]
        return seconds_of(
            lambda: [
                store.write_metadata(root.spec.key, frame)
                for root, frame in zip(roots, frames, strict=True)
            ]
        )

    def resolved() -> Increment:
        return store.resolve_update(leaf.spec.key)

    def write_leaf() -> float:
        increment = resolved()
        expect(increment, added=case.records, changed=0)
        return seconds_of(lambda: store.write_metadata(leaf.spec.key, increment.added))

    with store.open("write"):
        yield figure("write roots", write_roots(0), None)

        floor, seconds = compared(lambda: read(root_tables), resolved)
        yield figure("new", seconds, floor)

        yield figure("write leaf", write_leaf(), None)

        expect(resolved(), added=0, changed=0)
        floor, seconds = compared(lambda: read([*root_tables, leaf_table]), resolved)
        yield figure("nothing", seconds, floor)

        write_roots(1)
        expect(resolved(), added=0, changed=-(-case.records // CHANGED_SHARE))
        floor, seconds = compared(lambda: read([*root_tables, leaf_table]), resolved)
        yield figure("changed", seconds, floor)


def read(tables: list[str]) -> None:
    """The floor: the bare read of ids and versions."""
    for table in tables:
        pl.scan_delta(table).select("id", "metaxy_data_version_by_field").collect()


def compared(floor: Callable[[], object], work: Callable[[], object]) -> tuple[float, float]:
    """The least seconds of either, taken in turns so that a busy machine slows both."""
    pairs = [(seconds_of(floor), seconds_of(work)) for _ in range(REPEATS)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one run."""
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def expect(increment: Increment, *, added: int, changed: int) -> None:
    """A fast wrong answer is worth nothing."""
    got = (len(increment.added), len(increment.changed), len(increment.removed))
    if got != (added, changed, 0):
        raise SystemExit(f"wrong increment: {got}, wanted {(added, changed, 0)}")


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_in_child(case: Case) -> list[Figure]:
    """Run a case in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own file
    return [Figure(**each) for each in json.loads(done.stdout)]


def table(results: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| graph | ids | records | phase | seconds | floor | ratio | peak memory |",
        "|---|---|--:|---|--:|--:|--:|--:|",
    ]
    for each in results:
        floor = "" if each.floor_seconds is None else f"{each.floor_seconds:.3f}"
        ratio = "" if each.ratio is None else f"{each.ratio:.1f}"
        lines.append(
            f"| {each.graph} | {each.ids} | {each.records:,} | {each.phase} | {each.seconds:.3f} "
            f"| {floor} | {ratio} | {each.peak_bytes / 2**30:.2f} GiB |"
        )
    return "\n".join(lines)


def environment() -> dict[str, str]:
    """What the figures depend on."""
    packages = ("metaxy-lake", "polars", "polars-hash", "deltalake", "pyarrow")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        **{name: version(name) for name in packages},
    }


def main() -> None:
    """Run the cases that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--graph", choices=sorted(GRAPHS), nargs="+", default=sorted(GRAPHS))
    parser.add_argument("--ids", choices=["int", "str"], nargs="+", default=["int", "str"])
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        with tempfile.TemporaryDirectory(prefix="metaxy-bench-") as folder:
            results = list(figures(Case(**json.loads(arguments.case)), Path(folder)))
        print(json.dumps([asdict(each) for each in results]))
        return
    results: list[Figure] = []
    for graph in arguments.graph:
        for ids in arguments.ids:
            for records in arguments.records:
                print(f"{graph}, {ids} ids, {records:,} records …", file=sys.stderr)
                results += run_in_child(Case(graph, ids, records))
    print(table(results))
    report = {"environment": environment(), "figures": [asdict(each) for each in results]}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
