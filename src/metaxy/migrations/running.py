"""The operations of a claimed attempt, each carried out once those that it needs are done."""

import threading
import time
from collections.abc import Collection
from typing import TypedDict

from metaxy.errors import MigrationConflictError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.attempts import told
from metaxy.migrations.carrying import CarryResult, carry
from metaxy.migrations.claims import Claim
from metaxy.migrations.events import (
    MigrationCompleted,
    MigrationEvent,
    MigrationFailed,
    OperationCompleted,
    OperationFailed,
    OperationSkipped,
)
from metaxy.migrations.models import CustomMigration
from metaxy.migrations.planning import MigrationPlan, PlannedOperation, commits_of_others
from metaxy.migrations.progress import MigrationProgress, OnProgress, Phase
from metaxy.migrations.result import MigrationResult, MigrationStatus, OperationResult
from metaxy.migrations.scheduling import run_in_order

_CUSTOM = "execute"
"""What stands for the one operation of a `CustomMigration` in the events."""


class _EventHead(TypedDict):
    """What every event of an operation says."""

    migration_id: str
    attempt: int
    operation: str
    feature: str


def custom_result(
    store: MetadataStore, migration: CustomMigration, *, project: str | None, dry_run: bool
) -> MigrationResult:
    """What comes of a migration that does as it likes, also when it raises."""
    try:
        result = migration.execute(store, project, dry_run=dry_run)
    except Exception as error:  # noqa: BLE001 -- whatever a user's code raises
        errors = {"": told(error)}
        return MigrationResult(migration_id=migration.migration_id, status="failed", errors=errors)
    return result.model_copy(update={"migration_id": migration.migration_id})


class MigrationRun:
    """One attempt at a migration, from the claim to the event that ends it.

    Args:
        is_locked: Fail an operation whose feature others have written since the plan was made.
    """

    def __init__(
        self,
        claimed: Claim,
        plan: MigrationPlan,
        *,
        on_progress: OnProgress | None,
        parallel: int,
        is_locked: bool,
    ) -> None:
        self._claimed = claimed
        self._store = claimed.store
        self._plan = plan
        self._id = plan.migration_id
        self._on_progress = on_progress
        self._parallel = parallel
        self._is_locked = is_locked
        self._planned = {each.id: each for each in plan.operations}
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._results: dict[str, OperationResult] = {}
        self._notes = list(plan.notes)

    def operations(self) -> MigrationResult:
        """Carry the plan out. What fails keeps back what needs it; all else is done."""
        run_in_order(
            [each.id for each in self._plan.operations],
            {each.id: each.needs for each in self._plan.operations},
            work=self._work,
            skip=self._skip,
            parallel=self._parallel,
        )
        results = tuple(self._results[each.id] for each in self._plan.operations)
        errors = {str(each.feature_key): each.error for each in results if each.error is not None}
        status: MigrationStatus = "completed"
        if any(each.status == "failed" for each in results):
            status = "partial" if any(each.status == "completed" for each in results) else "failed"
        result = MigrationResult(
            migration_id=self._id,
            status=status,
            affected_features=self._plan.features,
            rows_affected=sum(each.rows for each in results),
            errors=errors,
            operations=results,
            notes=tuple(self._notes),
        )
        self._end(result)
        return result

    def custom(self, migration: CustomMigration, *, project: str | None) -> MigrationResult:
        """Let a migration do as it likes."""
        self._claimed.check()
        with self._store.materializing(self._plan.run):
            result = custom_result(self._store, migration, project=project, dry_run=False)
        if result.status == "completed":
            done = OperationCompleted(
                migration_id=self._id,
                attempt=self._claimed.attempt,
                operation=_CUSTOM,
                rows=result.rows_affected,
            )
            self._claimed.record(done)
        self._end(result)
        return result

    def _end(self, result: MigrationResult) -> None:
        started = self._claimed.started
        seconds = time.monotonic() - self._began
        if result.status in ("completed", "skipped"):
            ending: MigrationEvent = MigrationCompleted(
                migration_id=started.migration_id,
                attempt=started.attempt,
                content_hash=started.content_hash,
                rows=result.rows_affected,
                duration_seconds=seconds,
            )
        else:
            ending = MigrationFailed(
                migration_id=started.migration_id,
                attempt=started.attempt,
                content_hash=started.content_hash,
                errors=result.errors,
                duration_seconds=seconds,
            )
        self._claimed.record(ending)

    def _work(self, operation: str) -> bool:
        planned = self._planned[operation]
        self._claimed.check()
        self._tell(planned, "running")
        try:
            done = planned.ended("skipped") if planned.is_done else self._done(planned)
        except Exception as error:  # noqa: BLE001 -- of whatever kind: others go on
            text = told(error)
            self._claimed.record(OperationFailed(**self._head(planned), error=text))
            self._keep(planned, planned.ended("failed", error=text))
            return False
        if not planned.is_done:
            completed = OperationCompleted(
                **self._head(planned),
                rows=done.rows,
                in_sync=done.in_sync,
                out_of_date=done.out_of_date,
                orphaned=done.orphaned,
                already=done.already,
            )
            self._claimed.record(completed)
        self._keep(planned, done)
        return True

    def _head(self, planned: PlannedOperation) -> _EventHead:
        return {
            "migration_id": self._id,
            "attempt": self._claimed.attempt,
            "operation": planned.id,
            "feature": str(planned.feature),
        }

    def _done(self, planned: PlannedOperation) -> OperationResult:
        if self._is_locked:
            self._check_unchanged(planned)
        with self._store.materializing(self._plan.run):
            if planned.carrying is None:
                rows = planned.operation.execute(
                    self._store,
                    from_snapshot_version=self._plan.from_snapshot_version or "",
                    to_snapshot_version=self._plan.to_snapshot_version or "",
                    dry_run=False,
                )
                return planned.ended("completed", rows=rows)
            carried = carry(self._store, planned.carrying)
        self._compare(planned, carried)
        return planned.carried(carried)

    def _check_unchanged(self, planned: PlannedOperation) -> None:
        commits = commits_of_others(
            self._store, planned.feature, since=planned.table_version, run=self._plan.run
        )
        if commits:
            raise MigrationConflictError(
                f"Others have written '{planned.feature}' since it was planned, and the migration "
                "is locked to its plan. Without --locked it is planned anew.",
                migration=self._id,
            )

    def _compare(self, planned: PlannedOperation, carried: CarryResult) -> None:
        foreseen = planned.carry.to_append if planned.carry is not None else 0
        appended = carried.in_sync + carried.out_of_date + carried.orphaned
        note = None
        if appended != foreseen:
            note = (
                f"'{planned.feature}' has changed since it was planned: {appended} records were "
                f"carried, instead of {foreseen}."
            )
        elif planned.carry and not planned.carry.already:
            fewer = planned.carry.in_sync - carried.in_sync
            if fewer > 0:
                note = (
                    f"Of the records of '{planned.feature}' that were up to date by the old "
                    f"definitions, {fewer} can't be by the new ones: the lake has changed since it "
                    "was planned, or they are not expected now."
                )
        if note:
            with self._lock:
                self._notes.append(note)

    def _skip(self, operation: str, failed: Collection[str]) -> None:
        planned = self._planned[operation]
        blocking = tuple(dict.fromkeys(self._planned[each].feature for each in sorted(failed)))
        names = ", ".join(map(str, blocking))
        self._claimed.record(OperationSkipped(**self._head(planned), blocked_by=names))
        self._keep(planned, planned.ended("skipped", blocked_by=blocking))

    def _keep(self, planned: PlannedOperation, result: OperationResult) -> None:
        with self._lock:
            self._results[planned.id] = result
        phases: dict[str, Phase] = {"failed": "failed", "skipped": "skipped"}
        self._tell(planned, phases.get(result.status, "completed"))

    def _tell(self, planned: PlannedOperation, phase: Phase) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            step = MigrationProgress(
                self._id,
                planned.id,
                planned.feature,
                phase,
                len(self._results),
                len(self._planned),
            )
            self._on_progress(step)
