"""What each operation of a migration does, and why its feature is affected."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace

from metaxy.graph.changes import GraphDiff
from metaxy.graph.diff import diff_graphs
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.models import Migration
from metaxy.migrations.ops import BaseOperation, DataVersionReconciliation, feature_of
from metaxy.migrations.reconciliation import refusals
from metaxy.migrations.runs import run_of
from metaxy.migrations.snapshots import graph_at
from metaxy.models.keys import FeatureKey

_CARRIES = "Carries its records over to the new definition; nothing is computed."
_ASSUMES = " What can't be shown to change no result is taken on your word."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedOperation:
    """One operation.

    Attributes:
        does: What it does, in a sentence.
        because: Each change of its own definition, and each field that changes with an upstream.
        reason: What somebody has written in the migration.
        refusals: Why it can't be done.
    """

    operation: str
    type: str
    feature: FeatureKey
    does: str
    because: tuple[str, ...]
    reason: str
    refusals: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.feature} ({self.operation})", f"  {self.does}"]
        lines += [f"  because {each}" for each in self.because]
        lines += [f"  reason: {self.reason}"] if self.reason else []
        lines += [f"  can't be done: {each}" for each in self.refusals]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationExplanation:
    """A migration in words.

    Attributes:
        does: What it does as a whole.
        operations: In the order in which they are done.
        left_out: Features that are affected and have no operation: they are computed again.
    """

    migration_id: str
    does: str
    run: str
    from_snapshot_version: str | None = None
    to_snapshot_version: str | None = None
    operations: tuple[ExplainedOperation, ...] = ()
    left_out: tuple[FeatureKey, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.migration_id}: {self.does}", *map(str, self.operations)]
        lines += [f"{key}: has no operation, so it is computed again." for key in self.left_out]
        return "\n\n".join(lines)


def explanation(
    store: MetadataStore, migration: Migration, *, project: str | None = None
) -> MigrationExplanation:
    """Explain a migration from its definitions; no records are read.

    Raises:
        MigrationError: Its operations contradict each other or the definitions.
        SystemDataNotFoundError: One of its snapshots was never pushed.
    """
    told = MigrationExplanation(
        migration_id=migration.migration_id,
        does=migration.description or _first_sentence(type(migration)),
        run=run_of(migration.migration_id),
    )
    resolved = migration.resolved(store, project)
    if resolved.snapshots is None:
        return told
    old, new = (graph_at(store, each) for each in resolved.snapshots)
    operations = resolved.operations(store, project)
    diff = diff_graphs(old, new)
    carried = frozenset(map(feature_of, operations))

    def refused(operation: BaseOperation) -> tuple[str, ...]:
        if not isinstance(operation, DataVersionReconciliation):
            return ()
        return refusals(
            old,
            new,
            feature_of(operation),
            assume_same_result=operation.assume_same_result,
            carried=carried,
        )

    explained = tuple(
        ExplainedOperation(
            operation=each.id,
            type=each.type,
            feature=feature_of(each),
            does=_does(each),
            because=tuple(_causes(diff, feature_of(each))),
            reason=each.reason,
            refusals=refused(each),
        )
        for each in operations
    )
    affected = resolved.get_affected_features(store, project)
    return replace(
        told,
        from_snapshot_version=resolved.snapshots[0],
        to_snapshot_version=resolved.snapshots[1],
        operations=explained,
        left_out=tuple(key for key in affected if key not in carried),
    )


def _does(operation: BaseOperation) -> str:
    if type(operation) is DataVersionReconciliation:
        return _CARRIES + (_ASSUMES if operation.assume_same_result else "")
    return _first_sentence(type(operation))


def _first_sentence(cls: type[object]) -> str:
    text = inspect.getdoc(cls) or cls.__name__
    return " ".join(text.split("\n\n")[0].split())


def _causes(diff: GraphDiff, feature: FeatureKey) -> Iterator[str]:
    """Tell what gives a feature another version."""
    for each in diff.changed:
        if each.key == feature:
            yield from (str(change) for change in each.changes if change.changes_version)
    for affected in diff.affected:
        if affected.key == feature:
            yield from map(str, affected.fields)
