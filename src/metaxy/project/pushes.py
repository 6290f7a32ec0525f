"""What was pushed to a lake, newest first, and the graphs that were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from metaxy.errors import FeatureNotFoundError, SystemDataNotFoundError, did_you_mean
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.system import PushCase, push_result
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class Push:
    """One push of a project.

    Attributes:
        recorded_at: When, in UTC.
        snapshot_version: As stamped in the lake.
        features: How many features the project had.
        case: What it changed against the push of the project before it.
    """

    recorded_at: datetime
    project: str
    snapshot_version: str
    features: int
    case: PushCase


def push_history(recorded: pl.DataFrame, *, project: str | None = None) -> tuple[Push, ...]:
    """Tell all pushes, the newest first.

    Args:
        recorded: One row a feature and push, as `MetadataStore.read_pushes` gives it.
        project: Only its pushes; None: those of all projects.
    """
    if project is not None:
        recorded = recorded.filter(pl.col("project") == project)
    before: dict[str, pl.DataFrame] = {}
    pushes: list[Push] = []
    for rows in recorded.sort("recorded_at", "push_id").partition_by("push_id"):
        push = _push(rows, before.get(rows.item(0, "project"), recorded.clear()))
        before[push.project] = rows
        pushes.append(push)
    return tuple(reversed(pushes))


def found_push(pushes: Sequence[Push], snapshot_version: str) -> Push:
    """Find the newest push of a snapshot by its version, or by the beginning of one.

    Raises:
        SystemDataNotFoundError: None was pushed that begins so, or several were.
    """
    found = [push for push in pushes if push.snapshot_version.startswith(snapshot_version)]
    versions = dict.fromkeys(push.snapshot_version for push in found)
    if len(versions) == 1:
        return found[0]
    if versions:
        begun = ", ".join(version[:16] for version in versions)
        raise SystemDataNotFoundError(
            f"{len(versions)} snapshots begin with '{snapshot_version}': {begun}. Give more of it."
        )
    known = {push.snapshot_version[: max(len(snapshot_version), 8)] for push in pushes}
    raise SystemDataNotFoundError(
        f"No snapshot '{snapshot_version}' was pushed to this lake."
        f"{did_you_mean(snapshot_version, known)} `metaxy graph history` lists those that were."
    )


def graph_with(store: MetadataStore, feature: FeatureKey) -> FeatureGraph:
    """Give a graph that has a feature: that of the code, else the newest that was pushed with it.

    So records of a feature can be dealt with after its class is gone.

    Raises:
        FeatureNotFoundError: Neither the code nor any push has it.
    """
    graph = store.graph
    if feature in graph:
        return graph
    recorded = store.read_pushes()
    pushed = recorded.filter(pl.col("feature_key") == str(feature)).sort("recorded_at", "push_id")
    if pushed.is_empty():
        known = {*map(str, graph), *recorded.get_column("feature_key")}
        raise FeatureNotFoundError(
            f"There is no feature '{feature}', neither in the code nor in what was pushed to "
            f"{store.display()}.{did_you_mean(str(feature), known)} `metaxy list features` lists "
            "those that there are.",
            feature=str(feature),
        )
    return store.load_graph_snapshot(pushed.item(-1, "snapshot_version"))


def _push(rows: pl.DataFrame, before: pl.DataFrame) -> Push:
    recorded_at, project, snapshot = rows.select("recorded_at", "project", "snapshot_version").row(
        0
    )
    result = push_result(rows, before, snapshot=snapshot, project=project)
    return Push(recorded_at, project, snapshot, result.features, result.case)
