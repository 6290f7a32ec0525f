"""The graph in the lake: pushes, the graphs restored from them, and the log of events."""

from datetime import UTC, datetime

import narwhals as nw
import polars as pl

from metaxy.errors import EventNotRecordedError, StoreError, UsageError, did_you_mean, listed
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store import system
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.system_rows import system_rows
from metaxy.metadata_store.writing import next_instant
from metaxy.models.keys import FeatureKey


def push_graph(store: OpenableStore, project: str) -> system.PushResult:
    """Record the features of a project, unless the newest push says the same."""
    hashing = store.hash_settings
    graph = store.graph
    recorded = read_pushes(store)
    newest = recorded.get_column("recorded_at").max()
    now = next_instant(datetime.now(UTC), newest if isinstance(newest, datetime) else None)
    rows = system.snapshot_rows(graph, project, hashing=hashing, now=now)
    snapshot = hashing.stamp(graph.snapshot_version_of(project))
    latest = system.latest_push(recorded, project)
    result = system.push_result(rows, latest, snapshot=snapshot, project=project)
    if result.case != "unchanged":
        _append_rows(store, system.FEATURE_VERSIONS_KEY, rows)
        record_event(
            store,
            "graph_pushed",
            project=project,
            case=result.case,
            snapshot_version=snapshot,
            features=result.features,
        )
    return result


def pushed_project(asked: str | None, graph: FeatureGraph) -> str:
    """The project that a push is about.

    Args:
        asked: By name; None means the only one in the graph.

    Raises:
        ValueError: The graph has features of several projects, or none of this one.
    """
    projects = graph.projects
    if asked is None and len(projects) == 1:
        return projects[0]
    if asked is None or asked not in projects:
        missing = (
            "Give one of them as project=…."
            if asked is None
            else f"None is of {asked!r}.{did_you_mean(asked, projects)}"
        )
        raise UsageError(
            f"Which project is pushed? The graph has features of {listed(projects)}. {missing}"
        )
    return asked


def read_pushes(store: OpenableStore) -> pl.DataFrame:
    """One row a feature and push, with the columns of `system.FEATURE_VERSIONS`; maybe none."""
    return system_rows(store, system.FEATURE_VERSIONS_KEY, system.FEATURE_VERSIONS)


def read_events(store: OpenableStore) -> pl.DataFrame:
    """One row an event in this lake, with the columns of `system.EVENTS`, oldest first."""
    return system_rows(store, system.EVENTS_KEY, system.EVENTS).sort("recorded_at")


def record_event(
    store: OpenableStore,
    kind: str,
    *,
    project: str,
    feature: FeatureKey | None = None,
    **details: object,
) -> None:
    """Append one event to the log, with the time that it is now.

    Raises:
        EventNotRecordedError: It failed. What the event tells of has happened, and stays.
    """
    now = datetime.now(UTC)
    event = system.event_row(kind, now=now, project=project, feature=feature, details=details)
    try:
        append_event(store, event)
    except StoreError as error:
        subject = project if feature is None else feature
        raise EventNotRecordedError(
            f"The event '{kind}' of '{subject}' could not be recorded in {store.display()}; what "
            f"it tells of has happened, and stays. {error}",
            kind=kind,
            store=store.display(),
            feature=None if feature is None else str(feature),
        ) from error


def append_event(
    store: OpenableStore, event: pl.DataFrame, *, idempotency_key: str | None = None
) -> bool:
    """Append one event to the log, as `system.event_row` gives it.

    Args:
        idempotency_key: Names the event: one of this name is appended once, whoever tries. A store
            that can't keep such keys appends it each time.

    Returns:
        Whether it was this call that appended it.
    """
    return _append_rows(store, system.EVENTS_KEY, event, idempotency_key=idempotency_key)


def _append_rows(
    store: OpenableStore, key: FeatureKey, rows: pl.DataFrame, *, idempotency_key: str | None = None
) -> bool:
    store.settle_hash_settings()
    note = CommitNote("system", rows=rows.height, idempotency_key=idempotency_key)
    outcome = store.write_metadata_to_store(key, nw.from_native(rows), note=note)
    return outcome is None or not outcome.already_committed
