"""Whether a migration may run now, and how it does: claimed, tagged, carried out, on record."""

import time
from collections.abc import Mapping
from datetime import timedelta

from metaxy.errors import MigrationError, MigrationRefusedError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.attempts import next_attempt, on_record, started
from metaxy.migrations.claims import LEASE, claim, read_states
from metaxy.migrations.leave import ApplyOptions, outrun, refused, refused_plan, stopped
from metaxy.migrations.models import CustomMigration, Migration
from metaxy.migrations.planning import MigrationPlan, PlannedOperation, migration_plan
from metaxy.migrations.progress import MigrationProgress, OnProgress
from metaxy.migrations.result import MigrationResult, OperationResult
from metaxy.migrations.running import MigrationRun, custom_result
from metaxy.migrations.snapshots import migrated_project
from metaxy.migrations.states import MigrationState


class MigrationExecutor:
    """Applies migrations to a store.

    Args:
        project: Whose features are migrated; None: those of the migration's project, of the
            store's, or of the only one in the code.
        on_progress: Called at each step.
        parallel: How many operations may run at once, where none needs the other.
        lease: For how long a run that says nothing counts as alive, where its process can't be
            looked for; it is renewed all the time.
    """

    def __init__(
        self,
        store: MetadataStore,
        *,
        project: str | None = None,
        on_progress: OnProgress | None = None,
        parallel: int = 1,
        lease: timedelta = LEASE,
    ) -> None:
        if parallel < 1:
            raise ValueError(f"parallel is {parallel}; give how many operations may run at once.")
        self.store = store
        self.project = project
        self.on_progress = on_progress
        self.parallel = parallel
        self.lease = lease

    def plan(self, migration: Migration, *, rerun: bool = False) -> MigrationPlan:
        """Work out what applying a migration would do now; nothing is written.

        Raises:
            MigrationError: Its operations contradict each other or the definitions.
            SystemDataNotFoundError: One of its snapshots was never pushed.
        """
        with self.store.open("read"):
            return self._plan(migration, read_states(self.store), rerun=rerun)

    def apply(
        self,
        migration: Migration,
        *,
        dry_run: bool = False,
        force: bool = False,
        rerun: bool = False,
        locked: bool = False,
        assumed: frozenset[str] = frozenset(),
    ) -> MigrationResult:
        """Apply a migration, or go on where an earlier attempt stopped; see `apply_migration`.

        Args:
            assumed: The ids of migrations that count as applied, in a dry run of several.
        """
        options = ApplyOptions(
            dry_run=dry_run, force=force, rerun=rerun, locked=locked, assumed=assumed
        )
        began = time.monotonic()
        with self.store.open("read" if dry_run else "write"):
            states = read_states(self.store)
            early = stopped(migration, states, options)
            if early is not None:
                return early
            try:
                plan = self._plan(migration, states, rerun=rerun)
            except MigrationRefusedError as error:
                return refused(migration, error)
            result = refused_plan(plan, options)
            if result is None and dry_run:
                result = self._dry_run(migration, plan)
            if result is None:
                result = self._claimed_run(migration, plan, states=states, options=options)
            seconds = time.monotonic() - began
            return result.model_copy(update={"duration_seconds": seconds})

    def _project_of(self, migration: Migration) -> str | None:
        wanted = self.project or migration.project
        try:
            return migrated_project(self.store, wanted)
        except MigrationError:
            if isinstance(migration, CustomMigration):
                return wanted
            raise

    def _plan(
        self, migration: Migration, states: Mapping[str, MigrationState], *, rerun: bool
    ) -> MigrationPlan:
        migration_id = migration.migration_id
        if self.on_progress is not None:
            self.on_progress(MigrationProgress(migration_id, None, None, "planning", 0, 0))
        state = states.get(migration_id, MigrationState(migration_id=migration_id))
        project = self._project_of(migration)
        return migration_plan(self.store, migration, state, project=project, rerun=rerun)

    def _dry_run(self, migration: Migration, plan: MigrationPlan) -> MigrationResult:
        if isinstance(migration, CustomMigration):
            project = self._project_of(migration)
            told = custom_result(self.store, migration, project=project, dry_run=True)
            if told.status == "failed":
                return told
            return told.model_copy(update={"status": "planned"})
        operations = [self._foreseen(each, plan) for each in plan.operations]
        errors = {str(each.feature_key): each.error for each in operations if each.error}
        return MigrationResult(
            migration_id=migration.migration_id,
            status="failed" if errors else "planned",
            affected_features=plan.features,
            rows_affected=sum(each.rows for each in operations),
            errors=errors,
            operations=tuple(operations),
            notes=plan.notes,
        )

    def _foreseen(self, planned: PlannedOperation, plan: MigrationPlan) -> OperationResult:
        if planned.carry is not None or planned.is_done:
            return planned.foreseen()
        try:
            rows = planned.operation.execute(
                self.store,
                from_snapshot_version=plan.from_snapshot_version or "",
                to_snapshot_version=plan.to_snapshot_version or "",
                dry_run=True,
            )
        except Exception as error:  # noqa: BLE001 -- whatever a user's operation raises
            return planned.foreseen(error=f"{type(error).__name__}: {error}")
        return planned.foreseen(rows=rows)

    def _claimed_run(
        self,
        migration: Migration,
        plan: MigrationPlan,
        *,
        states: Mapping[str, MigrationState],
        options: ApplyOptions,
    ) -> MigrationResult:
        project = self._project_of(migration)
        attempt = next_attempt(states.get(migration.migration_id))
        begun = started(self.store, migration, plan, attempt=attempt, lease=self.lease)
        claimed = claim(self.store, begun, project=project, lease=self.lease)
        if claimed is None:
            return outrun(migration, read_states(self.store), options)
        run = MigrationRun(
            claimed,
            plan,
            on_progress=self.on_progress,
            parallel=self.parallel,
            is_locked=options.locked,
        )
        with claimed.kept(), self.store.allow_cross_project_writes(), on_record(claimed):
            claimed.set_tag()
            if isinstance(migration, CustomMigration):
                return run.custom(migration, project=project)
            return run.operations()
