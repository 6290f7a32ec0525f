"""A migration taken back as a whole: by features, claimed and put on record as its run is."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from metaxy.errors import (
    MigrationConflictError,
    MigrationError,
    StoreError,
    SystemDataNotFoundError,
    counted,
    did_you_mean,
    listed,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.attempts import next_attempt, on_record
from metaxy.migrations.claims import LEASE, Claim, claim, read_states, this_holder
from metaxy.migrations.events import MigrationRolledBack, MigrationStarted
from metaxy.migrations.leave import held
from metaxy.migrations.progress import MigrationProgress, OnProgress, Phase
from metaxy.migrations.rollback import RollbackCounts, roll_back_feature
from metaxy.migrations.runs import run_of
from metaxy.migrations.snapshots import graph_at
from metaxy.migrations.states import MigrationState
from metaxy.models.keys import FeatureKey

RollbackStatus: TypeAlias = Literal["rolled_back", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackResult:
    """What taking back a migration did.

    Attributes:
        status: "skipped" where it had been taken back before.
        features: What was done to each feature, dependents first; those without anything to do are
            left out.
    """

    migration_id: str
    status: RollbackStatus
    features: Mapping[FeatureKey, RollbackCounts] = field(
        default_factory=dict[FeatureKey, RollbackCounts]
    )
    duration_seconds: float = 0.0

    @property
    def counts(self) -> RollbackCounts:
        """The sums over all features."""
        found = self.features.values()
        return RollbackCounts(
            sum(each.restored for each in found),
            sum(each.ended for each in found),
            sum(each.kept for each in found),
        )

    def summary(self) -> str:
        """Tell all of it in a few lines, for people."""
        if self.status == "skipped":
            return (
                f"{self.migration_id}: was rolled back before, so there is nothing to take back. "
                f"`metaxy migrations apply {self.migration_id}` applies it again."
            )
        head = f"{self.migration_id}: rolled back, {_told(self.counts)}"
        return "\n".join(
            [head, *(f"  {key}: {_told(each)}" for key, each in self.features.items())]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """What there is to take back of a migration, as far as its runs have put it on record.

    Attributes:
        is_done: It was taken back before.
        rows: How many rows were written to each feature; empty for one that was only stamped.
    """

    migration_id: str
    is_done: bool
    rows: Mapping[str, int]

    def __str__(self) -> str:
        if not self.rows:
            return f"Take back '{self.migration_id}', of which no written rows are on record"
        each = ", ".join(f"'{key}' ({counted(rows, 'row')})" for key, rows in self.rows.items())
        return f"Take back what '{self.migration_id}' has written to {each}"


def rollback_plan(store: MetadataStore, migration_id: str, *, force: bool) -> RollbackPlan:
    """Tell what `rolled_back` would take back; no records are read, and nothing is written.

    Raises:
        MigrationConflictError: It must not be taken back now.
        MigrationError: Nothing is recorded of it.
    """
    states = read_states(store)
    state = _found(states, migration_id)
    is_done = state.status == "rolled_back"
    if not is_done and not force:
        _refuse(states, state)
    rows: dict[str, int] = {}
    for each in state.operations.values():
        if each.rows:
            name = each.feature or each.operation
            rows[name] = rows.get(name, 0) + each.rows
    return RollbackPlan(migration_id=state.migration_id, is_done=is_done, rows=rows)


def rolled_back(
    store: MetadataStore,
    migration_id: str,
    *,
    force: bool,
    project: str | None,
    on_progress: OnProgress | None,
    lease: timedelta = LEASE,
) -> RollbackResult:
    """Take back what a migration has written; see `metaxy.migrations.rollback_migration`."""
    began = time.monotonic()
    states = read_states(store)
    state = _found(states, migration_id)
    migration_id = state.migration_id
    if state.status == "rolled_back":
        return RollbackResult(migration_id=migration_id, status="skipped")
    if not force:
        _refuse(states, state)
    tag = _tag(store, state)
    started = _started(state, lease=lease)
    claimed = claim(store, started, project=project, lease=lease)
    if claimed is None:
        now = read_states(store)[migration_id]
        raise MigrationConflictError(held(now), migration=migration_id)
    with claimed.kept(), store.allow_cross_project_writes(), on_record(claimed):
        features: dict[FeatureKey, RollbackCounts] = {}
        if tag is not None:
            features = _undone(claimed, state, tag, on_progress=on_progress)
        seconds = time.monotonic() - began
        result = RollbackResult(
            migration_id=migration_id,
            status="rolled_back",
            features=features,
            duration_seconds=seconds,
        )
        claimed.record(
            MigrationRolledBack(
                migration_id=migration_id,
                attempt=claimed.attempt,
                content_hash=started.content_hash,
                restored=result.counts.restored,
                ended=result.counts.ended,
                kept=result.counts.kept,
                duration_seconds=seconds,
            )
        )
    return result


def _found(states: Mapping[str, MigrationState], migration_id: str) -> MigrationState:
    if migration_id in states:
        return states[migration_id]
    begun = [name for name in states if name.startswith(migration_id)]
    if len(begun) == 1:
        return states[begun[0]]
    if begun:
        raise MigrationError(
            f"Several migrations begin with '{migration_id}': {listed(sorted(begun))}. Give more "
            "of the id.",
            migration=migration_id,
        )
    known = f"there are {listed(sorted(states))}" if states else "nor is anything of others"
    raise MigrationError(
        f"Nothing is recorded of a migration '{migration_id}' in this lake, so there is nothing "
        f"to take back; {known}.{did_you_mean(migration_id, states)}",
        migration=migration_id,
    )


def _refuse(states: Mapping[str, MigrationState], state: MigrationState) -> None:
    """Refuse what is being worked on, and what others were built upon.

    Raises:
        MigrationConflictError: It must not be taken back now.
    """
    if state.status == "running":
        raise MigrationConflictError(held(state), migration=state.migration_id)
    later = sorted(
        each.migration_id
        for each in states.values()
        if each.last is not None
        and each.last.parent == state.migration_id
        and each.status in ("completed", "partial", "running")
    )
    if later:
        raise MigrationConflictError(
            f"{listed(later)} came after '{state.migration_id}', and rests on what it wrote. Roll "
            "that back first; --force does it nevertheless.",
            migration=state.migration_id,
        )


def _started(state: MigrationState, *, lease: timedelta) -> MigrationStarted:
    before = state.standing[-1] if state.standing else None
    return MigrationStarted(
        migration_id=state.migration_id,
        attempt=next_attempt(state),
        purpose="rollback",
        content_hash=state.content_hash or "",
        run=run_of(state.migration_id),
        holder=this_holder(),
        lease_until=datetime.now(UTC) + lease,
        parent=None if state.last is None else state.last.parent,
        from_snapshot_version=None if before is None else before.from_snapshot_version,
        to_snapshot_version=None if before is None else before.to_snapshot_version,
    )


def _features(store: MetadataStore, state: MigrationState) -> list[FeatureKey]:
    """The features that it may have written: those of its plans, and those that its commits tell.

    What an operation of a user's own writes is known by its commits alone.
    """
    planned = {name for attempt in state.standing for name in attempt.table_versions}
    run = run_of(state.migration_id)
    return [
        key
        for key in store.features_in_store()
        if str(key) in planned or _has_commit(store, key, run)
    ]


def _has_commit(store: MetadataStore, feature: FeatureKey, run: str) -> bool:
    try:
        commits = store.table_history(feature) or ()
    except StoreError:
        return False
    return any(each.materialization_id == run for each in commits)


def _tag(store: MetadataStore, state: MigrationState) -> str | None:
    """The tag of before the migration; None where it has written nothing.

    An attempt that was cut off before it set its tag has written nothing.

    Raises:
        MigrationError: It has written something, and none of its tags is there any more.
    """
    known = set(store.tags().get_column("name").to_list())
    tags = [each.tag for each in state.standing if each.tag is not None]
    found = next((tag for tag in tags if tag in known), None)
    if found is not None or not any(each.rows for each in state.operations.values()):
        return found
    why = (
        f"what was before it is told by the tag {listed(tags)}, and {store.display()} doesn't have "
        "that any more."
        if tags
        else f"a {type(store).__name__} keeps no versions of its tables, so nobody can tell what "
        "was before it."
    )
    raise MigrationError(
        f"'{state.migration_id}' can't be taken back: {why}", migration=state.migration_id
    )


def _undone(
    claimed: Claim, state: MigrationState, tag: str, *, on_progress: OnProgress | None
) -> dict[FeatureKey, RollbackCounts]:
    store, run = claimed.store, claimed.started.run
    graphs = _graphs(store, claimed.started)
    features = _dependents_first(_features(store, state), graphs)
    done: dict[FeatureKey, RollbackCounts] = {}
    for number, key in enumerate(features):
        _tell(on_progress, claimed, key, phase="running", done=number, total=len(features))
        claimed.check()
        graph = _knowing(graphs, key)
        counts = roll_back_feature(store, key, tag=tag, run=run, graph=graph)
        if counts != RollbackCounts():
            done[key] = counts
        _tell(on_progress, claimed, key, phase="completed", done=number + 1, total=len(features))
    return done


def _graphs(store: MetadataStore, started: MigrationStarted) -> list[FeatureGraph]:
    """The graph that it wrote by, if it can still be told, and that of the code."""
    if started.to_snapshot_version is None:
        return [store.graph]
    try:
        return [graph_at(store, started.to_snapshot_version), store.graph]
    except SystemDataNotFoundError:
        return [store.graph]


def _knowing(graphs: Iterable[FeatureGraph], key: FeatureKey) -> FeatureGraph:
    for graph in graphs:
        if key in graph:
            return graph
    raise MigrationError(
        f"The migration has written '{key}', which is neither in the definitions that it led to "
        "nor in the code, so nobody knows its ids. Roll back with code that has the feature."
    )


def _dependents_first(
    features: Iterable[FeatureKey], graphs: Iterable[FeatureGraph]
) -> list[FeatureKey]:
    rank = {key: rank for graph in graphs for rank, key in enumerate(graph.topological_order())}
    return sorted(features, key=lambda key: (-rank.get(key, 0), key))


def _tell(
    on_progress: OnProgress | None,
    claimed: Claim,
    key: FeatureKey,
    *,
    phase: Phase,
    done: int,
    total: int,
) -> None:
    if on_progress is not None:
        migration_id = claimed.started.migration_id
        on_progress(MigrationProgress(migration_id, None, key, phase, done, total))


def _told(counts: RollbackCounts) -> str:
    told: list[str] = []
    if counts.restored:
        told.append(f"{counted(counts.restored, 'record')} restored as before")
    if counts.ended:
        told.append(f"{counted(counts.ended, 'record')} ended, as there was none before")
    if counts.kept:
        told.append(f"{counted(counts.kept, 'record')} left alone, written by others since")
    return "; ".join(told) or "no record was its work"
