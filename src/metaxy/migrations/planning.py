"""What a migration would do to a store: the plan that a dry run shows and a run carries out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from metaxy.errors import StoreError, counted
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.history import TableCommit
from metaxy.migrations.carry_frames import Carrying
from metaxy.migrations.carrying import CarryPlan, CarryResult, plan_carrying, table_version
from metaxy.migrations.models import Migration
from metaxy.migrations.ops import BaseOperation, DataVersionReconciliation, feature_of
from metaxy.migrations.readiness import unready_reasons
from metaxy.migrations.result import OperationResult, OperationStatus
from metaxy.migrations.runs import run_of, undoing_run
from metaxy.migrations.scheduling import needs_of
from metaxy.migrations.snapshots import graph_at
from metaxy.migrations.states import MigrationState
from metaxy.models.keys import FeatureKey

_WRITES_RECORDS: Final = frozenset(
    {
        *("write", "delete", "hard_delete", "drop", "copy", "migration", "rollback"),
        *("WRITE", "DELETE", "MERGE", "UPDATE"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOperation:
    """One operation of a plan.

    Attributes:
        carrying: What it carries; None for an operation that does something of its own.
        carry: What that comes to now.
        needs: The ids of the operations that must be done before.
        is_done: An earlier attempt has done it, and it isn't one that can be repeated at no cost.
        table_version: Of the feature's table; None without a table, or without versions.
    """

    operation: BaseOperation
    feature: FeatureKey
    carrying: Carrying | None
    carry: CarryPlan | None
    needs: frozenset[str]
    is_done: bool
    table_version: int | None

    @property
    def id(self) -> str:
        """The id of the operation."""
        return self.operation.id

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why it must not be done; empty when it may."""
        return () if self.carry is None else self.carry.refusals

    def foreseen(self, *, rows: int = 0, error: str | None = None) -> OperationResult:
        """What is to come of it.

        Args:
            rows: To be written by an operation of its own kind.
            error: Why that can't be told.
        """
        if error is not None:
            return self.ended("failed", error=error)
        if self.is_done:
            return self.ended("skipped")
        result = self.ended("refused" if self.refusals else "planned", rows=rows)
        if self.carry is None:
            return result
        return result.model_copy(
            update={
                "rows": self.carry.to_append,
                "in_sync": self.carry.in_sync,
                "out_of_date": self.carry.out_of_date,
                "orphaned": self.carry.orphaned,
                "already": self.carry.already,
                "out_of_date_examples": self.carry.out_of_date_examples,
                "refusals": self.refusals,
            }
        )

    def carried(self, result: CarryResult) -> OperationResult:
        """What came of a reconciliation."""
        return OperationResult(
            operation=self.id,
            feature_key=self.feature,
            status="completed",
            rows=result.rows,
            in_sync=result.in_sync,
            out_of_date=result.out_of_date,
            orphaned=result.orphaned,
            already=result.already,
            out_of_date_examples=self.carry.out_of_date_examples if self.carry else (),
        )

    def ended(
        self,
        status: OperationStatus,
        *,
        rows: int = 0,
        error: str | None = None,
        blocked_by: tuple[FeatureKey, ...] = (),
    ) -> OperationResult:
        """What came of it otherwise."""
        return OperationResult(
            operation=self.id,
            feature_key=self.feature,
            status=status,
            rows=rows,
            error=error,
            blocked_by=blocked_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """What a migration would do.

    Attributes:
        run: The materialization id of all that it writes.
        operations: Each after those that it needs; none of a `CustomMigration`, which does as it
            likes.
        refusals: Why it must not be carried out, besides those of the operations.
        notes: What has changed since an earlier attempt.
    """

    migration_id: str
    run: str
    from_snapshot_version: str | None = None
    to_snapshot_version: str | None = None
    operations: tuple[PlannedOperation, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[FeatureKey, ...]:
        """The features that it is about, upstreams first."""
        return tuple(dict.fromkeys(each.feature for each in self.operations))

    @property
    def table_versions(self) -> dict[str, int | None]:
        """By feature, the version of the table that was planned with."""
        return {str(each.feature): each.table_version for each in self.operations}


def migration_plan(
    store: MetadataStore,
    migration: Migration,
    state: MigrationState,
    *,
    project: str | None,
    rerun: bool = False,
) -> MigrationPlan:
    """Work out what a migration would do now; nothing is written.

    Args:
        state: What has happened to it so far.
        rerun: Whether operations that are done are to be done again.

    Raises:
        MigrationError: Its operations can't be told.
        SystemDataNotFoundError: One of its snapshots was never pushed.
    """
    run = run_of(migration.migration_id)
    refusals = unready_reasons(migration)
    migration = migration.resolved(store, project)
    if migration.snapshots is None:
        return MigrationPlan(migration_id=migration.migration_id, run=run, refusals=refusals)
    old_version, new_version = migration.snapshots
    old, new = (graph_at(store, each) for each in migration.snapshots)
    operations = migration.operations(store, project)
    needs = needs_of([(each.id, feature_of(each)) for each in operations], new)
    carried = frozenset(map(feature_of, operations))
    done = () if rerun else _done(state)
    planned: list[PlannedOperation] = []
    for each in operations:
        carrying = None
        if _carries(each):
            carrying = Carrying(
                feature=feature_of(each),
                old=old,
                new=new,
                run=run,
                carried=carried,
                assume_same_result=each.assume_same_result,
            )
        is_done = carrying is None and each.id in done
        planned.append(_planned(store, each, carrying, needs=needs[each.id], is_done=is_done))
    return MigrationPlan(
        migration_id=migration.migration_id,
        run=run,
        from_snapshot_version=old_version,
        to_snapshot_version=new_version,
        operations=tuple(planned),
        refusals=refusals,
        notes=tuple(_changes(store, state, planned)),
    )


def _planned(
    store: MetadataStore,
    operation: BaseOperation,
    carrying: Carrying | None,
    *,
    needs: Iterable[str],
    is_done: bool,
) -> PlannedOperation:
    feature = feature_of(operation)
    return PlannedOperation(
        operation=operation,
        feature=feature,
        carrying=carrying,
        carry=None if carrying is None else plan_carrying(store, carrying),
        needs=frozenset(needs),
        is_done=is_done,
        table_version=table_version(store, feature),
    )


def commits_of_others(
    store: MetadataStore, feature: FeatureKey, *, since: int | None, run: str
) -> list[TableCommit]:
    """What others have done to the records of a feature after a version of its table.

    Args:
        since: The version; None: there was no table.
        run: The run that isn't another's.
    """
    try:
        commits = store.table_history(feature) or ()
    except StoreError:
        return []
    own = (run, undoing_run(run))
    return [
        each
        for each in commits
        if (since is None or each.version > since)
        and each.operation in _WRITES_RECORDS
        and each.materialization_id not in own
    ]


def _carries(operation: BaseOperation) -> TypeGuard[DataVersionReconciliation]:
    """Whether it is the reconciliation that is known here, not one that a user has made of it."""
    return (
        isinstance(operation, DataVersionReconciliation)
        and type(operation).execute is DataVersionReconciliation.execute
    )


def _done(state: MigrationState) -> frozenset[str]:
    return frozenset(
        each.operation for each in state.operations.values() if each.outcome == "completed"
    )


def _changes(
    store: MetadataStore, state: MigrationState, planned: Sequence[PlannedOperation]
) -> Iterator[str]:
    """Tell which features others have written since the newest attempt planned with them."""
    if state.is_applied or not state.standing:
        return
    before = state.standing[-1]
    for each in planned:
        name = str(each.feature)
        if name not in before.table_versions:
            continue
        commits = commits_of_others(
            store, each.feature, since=before.table_versions[name], run=run_of(state.migration_id)
        )
        if commits:
            newest = commits[0]
            who = f", the newest by {newest.engine}" if newest.engine else ""
            yield (
                f"Others have written '{name}' since attempt {before.number} was planned "
                f"({counted(len(commits), 'commit')}{who})."
            )
