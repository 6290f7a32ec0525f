"""Short ways to write stored rows and to ask the versioning engine about them in tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from metaxy.graph.graph import FeatureGraph
from metaxy.models.keys import FeatureKey
from metaxy.versioning.engine import PolarsVersioningEngine
from metaxy.versioning.inputs import NOTHING_STORED, StoredRows
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.scope import NO_FILTERS, Condition, RuntimeFilters
from metaxy.versioning.system_columns import INSTANT
from metaxy.versioning.types import LazyIncrement
from reference.row_bytes import Value, header, row_text

Rows = Sequence[Mapping[str, Any]]


def at(second: int) -> datetime:
    """The instant of a commit."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def record(**columns: Any) -> dict[str, Any]:
    """A stored row in short; see `stored`."""
    return columns


def stored(*rows: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> StoredRows:
    """Rows of a feature's table.

    Each has ids and other columns, and for short: `at` (the second of its commit, 0 by default),
    `gone` (a tombstone), `version` (of the field `default`).
    """
    frame = pl.DataFrame([_row(**row) for row in rows], schema_overrides=dict(schema or {}))
    instants = {"metaxy_created_at": INSTANT, "metaxy_deleted_at": INSTANT}
    return StoredRows(frame.lazy().with_columns(pl.col(n).cast(t) for n, t in instants.items()))


def _row(*, at: int = 0, gone: bool = False, version: Any = "1", **columns: Any) -> dict[str, Any]:
    instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
    by_field: dict[str, Any] = {"default": version}
    whole = provenance(*sorted(by_field), values=[by_field[name] for name in sorted(by_field)])
    return columns | {
        "metaxy_created_at": instant,
        "metaxy_deleted_at": instant if gone else None,
        "metaxy_provenance": whole,
        "metaxy_data_version": whole,
        "metaxy_provenance_by_field": by_field,
        "metaxy_data_version_by_field": by_field,
    }


def provenance(*fields: str, values: Sequence[Value]) -> str:
    """The provenance of a record from that of its fields."""
    names = ",".join(f'"{name}"' for name in fields)
    return row_text([header(f"[{names}]"), *values], algorithm="xxhash64")


def made_of(*parents: tuple[str, Value], code_version: str = "1") -> str:
    """The provenance of a field `default` from (name in the header, version), one value each."""
    names = ",".join(f'"{name}"' for name, _ in parents)
    values = [value for _, value in parents]
    text = header(f'["default","{code_version}",[{names}]]')
    return row_text([text, *values], algorithm="xxhash64")


def resolved(
    graph: FeatureGraph,
    feature: str,
    lake: Mapping[str, StoredRows],
    *,
    filters: Mapping[str, Condition] | None = None,
    everywhere: Condition | None = None,
    samples: pl.LazyFrame | None = None,
    skip_comparison: bool = False,
) -> LazyIncrement:
    """The increment of a feature; what isn't in `lake` has no table."""
    plan = graph.plan(feature)
    by_feature = {FeatureKey(key): (each,) for key, each in (filters or {}).items()}
    asked = RuntimeFilters(by_feature, () if everywhere is None else (everywhere,))
    return PolarsVersioningEngine(plan, hasher=RowHasher()).resolve(
        upstream={
            each.upstream: lake.get(str(each.upstream), NOTHING_STORED) for each in plan.inputs
        },
        stored=lake.get(feature, NOTHING_STORED),
        samples=samples,
        filters=NO_FILTERS if asked.is_empty else asked,
        skip_comparison=skip_comparison,
    )


def expected(graph: FeatureGraph, feature: str, lake: Mapping[str, StoredRows]) -> list[Any]:
    """All expected records as rows, sorted by the grain."""
    plan = graph.plan(feature)
    frame = resolved(graph, feature, lake, skip_comparison=True).collect().added.to_native()
    return frame.sort(plan.grain).to_dicts()


def ids(increment: LazyIncrement, column: str = "id") -> tuple[list[Any], list[Any], list[Any]]:
    """One id column of added, changed and removed, each sorted."""
    found = increment.collect()
    frames = (found.added, found.changed, found.removed)
    added, changed, removed = (sorted(each[column].to_list()) for each in frames)
    return added, changed, removed
