"""A refactoring that changes no result, a lake to migrate over it, and the migration.

Transcripts and faces were made from all of a video; it is found that the first need its audio only,
and the second its frames. What is made from them is affected: summaries and crops.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from definitions import feature, graph_of
from films import polars, update, videos
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import DataVersionReconciliation, DiffMigration
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.keys import FeatureKey

MIGRATED: Final = ("transcript", "faces", "summary", "crops")
"""The affected features; the third is made from the first, the fourth from the second."""
FEATURES: Final = ("video", *MIGRATED)
MIGRATION_ID: Final = "20260102_000000_narrow_inputs"
_WRITTEN_BY: Final = ("metaxy_created_at", "metaxy_deleted_at")


def wide() -> FeatureGraph:
    """Before: all of a video counts."""
    return _graph(text=None, boxes=None)


def narrow() -> FeatureGraph:
    """After: only that of it counts which is used."""
    return _graph(text="audio", boxes="frames")


def _graph(*, text: str | None, boxes: str | None) -> FeatureGraph:
    return graph_of(
        feature("video", fields=[FieldSpec("audio"), FieldSpec("frames")]),
        feature("transcript", deps=["video"], fields=[_field("text", text)]),
        feature("faces", deps=["video"], fields=[_field("boxes", boxes)]),
        feature("summary", deps=["transcript"], fields=[FieldSpec("topic")]),
        feature("crops", deps=["faces"], fields=[FieldSpec("images")]),
    )


def _field(name: str, part: str | None) -> FieldSpec:
    deps = [] if part is None else [FieldDep("video", fields=[part])]
    return FieldSpec(name, deps=deps) if deps else FieldSpec(name)


def fill(store: MetadataStore, *, count: int = 6) -> None:
    """Compute all of some videos with the features as they were, and push them.

    Of the first video the frames then change, so that what is made from it is out of date.
    """
    rows = [(f"v{number}", f"a{number}", f"f{number}") for number in range(count)]
    store.write_metadata("video", videos(*rows, path=[f"{name}.mp4" for name, _, _ in rows]))
    for each in MIGRATED:
        update(store, each)
    store.write_metadata("video", videos(("v0", "a0", "changed"), path=["v0.mp4"]))
    store.record_feature_graph_snapshot()


def migration(
    store: MetadataStore, *, ops: Sequence[Any] | None = None, **given: Any
) -> DiffMigration:
    """Carry all over, from what was pushed last to the code, whose push it makes."""
    pushes = store.read_pushes().sort("recorded_at")
    old = pushes.item(0, "snapshot_version")
    new = store.record_feature_graph_snapshot().snapshot_version
    return DiffMigration(
        migration_id=MIGRATION_ID,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        from_snapshot_version=old,
        to_snapshot_version=new,
        ops=tuple(reconciliations() if ops is None else ops),
        **given,
    )


def reconciliations() -> list[DataVersionReconciliation]:
    """One for each affected feature."""
    return [
        DataVersionReconciliation(
            feature_key=FeatureKey(each), reason="The code reads no more of a video."
        )
        for each in MIGRATED
    ]


def contents(store: MetadataStore, *features: str) -> Mapping[str, list[tuple[Any, ...]]]:
    """All rows that there are of features, of all versions, without their instants, sorted."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for each in features or FEATURES:
        rows = polars(store.read_metadata(each, current_only=False, latest_only=False))
        deleted = pl.col("metaxy_deleted_at").is_not_null().alias("is_deleted")
        plain = rows.with_columns(deleted).drop(_WRITTEN_BY)
        texts = plain.select(pl.struct(sorted(plain.columns)).struct.json_encode().alias("row"))
        found[each] = sorted(texts.rows())
    return found


def to_compute(store: MetadataStore, *features: str) -> dict[str, list[str]]:
    """The ids of added and changed records of each feature, sorted."""
    told: dict[str, list[str]] = {}
    for each in features or MIGRATED:
        increment = store.resolve_update(each)
        frames = [polars(increment.added)["id"], polars(increment.changed)["id"]]
        told[each] = sorted(pl.concat(frames).to_list())
    return told
