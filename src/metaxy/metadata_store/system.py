"""The system tables: which graphs were pushed, and what happened in the lake.

- `metaxy-system/feature_versions`: one row a feature and push.
- `metaxy-system/events`: one row an event, such as a push, a drop, a deletion.
- `metaxy-system/lake`: how the lake hashes.
- `metaxy-system/tags`: one row a tag that was set or removed.
- `metaxy-system/meta_tables`: one row a table of a storage class and upgrade that changed it.

They are ordinary append-only tables without the columns of records. docs/format.md lists theirs.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl

from metaxy.errors import SystemDataNotFoundError, did_you_mean
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.hash_settings import HashSettings
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey
from metaxy.versioning.system_columns import INSTANT

FEATURE_VERSIONS_KEY: Final = FeatureKey.system("feature_versions")
EVENTS_KEY: Final = FeatureKey.system("events")
LAKE_KEY: Final = FeatureKey.system("lake")
TAGS_KEY: Final = FeatureKey.system("tags")
META_TABLES_KEY: Final = FeatureKey.system("meta_tables")
TABLE_KEYS: Final = (EVENTS_KEY, FEATURE_VERSIONS_KEY, LAKE_KEY, META_TABLES_KEY, TAGS_KEY)
"""All system tables, sorted."""

FEATURE_VERSIONS: Final = pl.Schema(
    {
        "push_id": pl.String(),
        "recorded_at": INSTANT,
        "project": pl.String(),
        "snapshot_version": pl.String(),
        "is_external": pl.Boolean(),
        "feature_key": pl.String(),
        "feature_version": pl.String(),
        "code_version": pl.String(),
        "feature_spec_version": pl.String(),
        "full_definition_version": pl.String(),
        "fields": pl.List(pl.String()),
        "feature_class_path": pl.String(),
        "feature_spec": pl.String(),
        "definition": pl.String(),
    }
)
EVENTS: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "recorded_at": INSTANT,
        "kind": pl.String(),
        "project": pl.String(),
        "feature_key": pl.String(),
        "details": pl.String(),
    }
)

LAKE: Final = pl.Schema(
    {
        "recorded_at": INSTANT,
        "format_version": pl.Int64(),
        "hash_algorithm": pl.String(),
        "hash_truncation_length": pl.Int64(),
    }
)
TAGS: Final = pl.Schema(
    {
        "tag_id": pl.String(),
        "recorded_at": INSTANT,
        "name": pl.String(),
        "sequence": pl.Int64(),
        "kind": pl.String(),
        "message": pl.String(),
        "tables": pl.List(pl.Struct({"feature_key": pl.String(), "table_version": pl.Int64()})),
    }
)
META_TABLES: Final = pl.Schema(
    {
        "uid": pl.String(),
        "revision": pl.Int64(),
        "recorded_at": INSTANT,
        "project": pl.String(),
        "table_name": pl.String(),
        "feature_key": pl.String(),
        "identifier": pl.String(),
        "namespace": pl.String(),
        "description": pl.String(),
        "labels": pl.List(pl.String()),
        "class_path": pl.String(),
        "contract_hash": pl.String(),
        "contract": pl.String(),
    }
)
FORMAT_VERSION: Final = 1
"""Of everything on disk; docs/format.md tells what it stands for."""

PushCase = Literal["new", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push found and did.

    Attributes:
        case: "new": another snapshot than the latest pushed one; "updated": the same snapshot with
            other descriptions, columns or the like; "unchanged": nothing to record.
        features: How many features the project has.
        updated: In the case "updated", the features whose full definition is another.
    """

    snapshot_version: str
    project: str
    case: PushCase
    features: int
    updated: tuple[FeatureKey, ...] = ()


def snapshot_rows(
    graph: FeatureGraph,
    project: str,
    *,
    hashing: HashSettings,
    now: datetime,
) -> pl.DataFrame:
    """One row a feature of the project, and one a feature of others that it is made from.

    The latter are marked `is_external`; with them the graph can be restored from one push.
    """
    own = [key for key, each in graph.definitions.items() if each.project == project]
    above = {key for each in own for key in graph.upstream(each)}
    common = {
        "push_id": uuid.uuid4().hex,
        "recorded_at": now,
        "project": project,
        "snapshot_version": hashing.stamp(graph.snapshot_version_of(project)),
    }
    rows = [
        common
        | {"is_external": graph.definition(key).project != project}
        | _feature_row(graph, graph.definition(key), hashing)
        for key in sorted(above.union(own))
    ]
    return pl.DataFrame(rows, schema=FEATURE_VERSIONS)


def _feature_row(
    graph: FeatureGraph, definition: FeatureDefinition, hashing: HashSettings
) -> dict[str, Any]:
    key = definition.key
    return {
        "feature_key": str(key),
        "feature_version": hashing.stamp(graph.feature_version(key)),
        "code_version": hashing.stamp(graph.code_version(key)),
        "feature_spec_version": hashing.stamp(graph.feature_spec_version(key)),
        "full_definition_version": hashing.stamp(graph.full_definition_version(key)),
        "fields": [str(field.key) for field in definition.spec.fields],
        "feature_class_path": definition.class_path,
        "feature_spec": definition.spec.model_dump_json(),
        "definition": definition.to_json(),
    }


def latest_push(recorded: pl.DataFrame, project: str) -> pl.DataFrame:
    """The rows of the newest push of a project; none when it was never pushed."""
    own = recorded.filter(pl.col("project") == project)
    newest = own.sort("recorded_at", "push_id").tail(1).get_column("push_id")
    return own.filter(pl.col("push_id").is_in(newest.implode()))


def push_result(
    rows: pl.DataFrame, latest: pl.DataFrame, *, snapshot: str, project: str
) -> PushResult:
    """Compare what would be recorded with what was recorded last."""
    rows = rows.filter(~pl.col("is_external"))
    latest = latest.filter(~pl.col("is_external"))
    columns = ["feature_key", "snapshot_version", "full_definition_version"]
    before = {key: (snap, full) for key, snap, full in latest.select(columns).iter_rows()}
    after = {key: (snap, full) for key, snap, full in rows.select(columns).iter_rows()}
    if before == after:
        return PushResult(snapshot, project, "unchanged", rows.height)
    if {snap for snap, _ in before.values()} != {snapshot}:
        return PushResult(snapshot, project, "new", rows.height)
    updated = sorted(key for key in after if before.get(key) != after[key])
    return PushResult(
        snapshot, project, "updated", rows.height, tuple(FeatureKey(key) for key in updated)
    )


def restored_graph(
    recorded: pl.DataFrame, snapshot_version: str, *, project: str | None = None
) -> FeatureGraph:
    """The graph that was pushed as this snapshot, from its newest push; no class is imported.

    Features of other projects that it is made from are in it, too.

    Args:
        project: Whose push counts, where it has pushed this snapshot; a project that was renamed
            has pushed it under both names.

    Raises:
        SystemDataNotFoundError: No such snapshot was pushed.
    """
    of_snapshot = recorded.filter(pl.col("snapshot_version") == snapshot_version)
    if of_snapshot.is_empty():
        known = recorded.get_column("snapshot_version").unique().to_list()
        raise SystemDataNotFoundError(
            f"No snapshot '{snapshot_version}' was pushed to this lake; it has {len(known)}."
            f"{did_you_mean(snapshot_version, known)} See `metaxy graph history`.",
        )
    own = of_snapshot.filter(pl.col("project").is_in([project]))
    pushes = of_snapshot if own.is_empty() else own
    newest = pushes.sort("recorded_at", "push_id").get_column("push_id").tail(1)
    rows = of_snapshot.filter(pl.col("push_id").is_in(newest.implode()))
    return FeatureGraph.from_definitions(map(FeatureDefinition.from_json, rows["definition"]))


def event_row(
    kind: str,
    *,
    now: datetime,
    project: str | None = None,
    feature: FeatureKey | None = None,
    details: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """One event."""
    row = {
        "event_id": uuid.uuid4().hex,
        "recorded_at": now,
        "kind": kind,
        "project": project,
        "feature_key": None if feature is None else str(feature),
        "details": json.dumps(dict(details or {}), sort_keys=True, default=str),
    }
    return pl.DataFrame([row], schema=EVENTS)


def lake_row(settings: HashSettings, *, now: datetime) -> pl.DataFrame:
    """How a lake hashes; one row a lake."""
    row = {
        "recorded_at": now,
        "format_version": FORMAT_VERSION,
        "hash_algorithm": str(settings.algorithm),
        "hash_truncation_length": settings.truncation,
    }
    return pl.DataFrame([row], schema=LAKE)
