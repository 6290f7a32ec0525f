"""The functions beside the commands: apply, look, explain, stamp, take back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metaxy.errors import MigrationConflictError, MigrationError, did_you_mean, listed
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.attempts import next_attempt
from metaxy.migrations.chain import chain_of
from metaxy.migrations.claims import read_state, read_states, this_holder
from metaxy.migrations.events import MigrationStamped, record
from metaxy.migrations.executor import MigrationExecutor
from metaxy.migrations.explaining import MigrationExplanation, explanation
from metaxy.migrations.files import MigrationFile, read_folder
from metaxy.migrations.leave import held
from metaxy.migrations.models import Migration
from metaxy.migrations.progress import OnProgress
from metaxy.migrations.readiness import unready_in_file
from metaxy.migrations.result import MigrationResult
from metaxy.migrations.snapshots import migrated_project
from metaxy.migrations.states import MigrationState, Status
from metaxy.migrations.undoing import RollbackResult, rolled_back


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """Where a migration stands.

    Attributes:
        migration: None for one that only the lake knows of.
        path: Its file, where it was read from one.
        state: What is recorded of it.
        is_edited: It is applied, and its contents are others than those that were.
        unready: What keeps its file from being applied: a sentence for each reason that is still
            to be written; empty once it is applied, and for Python code.
    """

    migration_id: str
    migration: Migration | None
    path: Path | None
    state: MigrationState
    is_edited: bool
    unready: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """What has become of it."""
        return self.state.status

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be applied, or to be applied to the end."""
        return self.migration is not None and self.status in (
            *("pending", "partial", "failed", "running"),
        )


def apply_migration(
    store: MetadataStore,
    migration: Migration,
    *,
    dry_run: bool = False,
    force: bool = False,
    rerun: bool = False,
    locked: bool = False,
    parallel: int = 1,
    on_progress: OnProgress | None = None,
    project: str | None = None,
) -> MigrationResult:
    """Apply a migration, or go on where an earlier attempt stopped.

    Before anything is written the lake is tagged, so that `rollback_migration` can take it back.
    An operation that fails keeps back those that need it; the others are done. Killed at any
    moment and called again, it comes to the same records. What somebody else is applying, what was
    edited after it was applied, and what can't be shown to change no result is refused.

    Args:
        store: Open for writing, or closed.
        dry_run: Write nothing, and tell what would be done.
        force: Take over from whoever has it, let a completed one stand although it was edited
            since, and don't ask whether its parent is applied.
        rerun: Do it again although it is completed, with operations that were done before.
        locked: Refuse if others have written its features since an attempt was planned. Otherwise
            it is planned anew, and `notes` of the result say so.
        parallel: How many operations may run at once, where none needs the other.
        on_progress: Called at each step, from whichever thread takes it.
        project: Whose features; None: those of the migration's project, of the store's, or of the
            only one in the code.

    Raises:
        MigrationConflictError: Somebody else has taken over while it ran.
        MigrationError: Its operations contradict each other or the definitions.
        SystemDataNotFoundError: One of its snapshots was never pushed.
    """
    executor = MigrationExecutor(store, project=project, on_progress=on_progress, parallel=parallel)
    return executor.apply(migration, dry_run=dry_run, force=force, rerun=rerun, locked=locked)


def apply_migrations_from_directory(
    store: MetadataStore,
    directory: str | Path,
    *,
    dry_run: bool = False,
    force: bool = False,
    rerun: bool = False,
    locked: bool = False,
    parallel: int = 1,
    on_progress: OnProgress | None = None,
    project: str | None = None,
) -> list[MigrationResult]:
    """Apply what is to be applied of a folder, each migration after its parent.

    It ends with the first that isn't completed. One that was rolled back is passed over: it is
    applied again only by itself, with `apply_migration`. The arguments are those of it.

    Raises:
        MigrationFileError: The files can't be read, or form no chain; has every fault.
    """
    executor = MigrationExecutor(store, project=project, on_progress=on_progress, parallel=parallel)
    results: list[MigrationResult] = []
    with store.open("read" if dry_run else "write"):
        states = read_states(store)
        for each in ordered_files(directory, states):
            state = states.get(each.id)
            if state is not None and state.status == "rolled_back" and not rerun:
                results.append(_passed_over(each.id))
                continue
            assumed = frozenset(result.migration_id for result in results if dry_run)
            result = executor.apply(
                each.migration,
                dry_run=dry_run,
                force=force,
                rerun=rerun,
                locked=locked,
                assumed=assumed,
            )
            results.append(result)
            if result.status not in ("completed", "skipped", "planned"):
                break
    return results


def rollback_migration(
    store: MetadataStore,
    migration: Migration | str,
    *,
    force: bool = False,
    on_progress: OnProgress | None = None,
    project: str | None = None,
) -> RollbackResult:
    """Take back what a migration has written, by appending: history is kept.

    Each record that is still as the migration wrote it gets its row of before again, or where it
    had none of that feature version, a tombstone. What others have written since stays. To go back
    as a whole, deploy the code of before, too.

    Args:
        store: Open for writing, or closed.
        migration: Or its id, or the beginning of that.
        force: Also while somebody is at it, and although later migrations rest on it.
        on_progress: Called at each feature.
        project: What the events are recorded under.

    Raises:
        MigrationConflictError: Somebody else is at it, or later migrations rest on it.
        MigrationError: Nothing is recorded of it.
    """
    migration_id = migration if isinstance(migration, str) else migration.migration_id
    with store.open("write"):
        return rolled_back(
            store,
            migration_id,
            force=force,
            project=_project(store, project),
            on_progress=on_progress,
        )


def stamp_migration(
    store: MetadataStore, migration: Migration, *, project: str | None = None
) -> MigrationState:
    """Record that a migration needs not be run here, without running it.

    For lakes whose records were computed by the new definitions to begin with.

    Returns:
        Its state afterwards; that of before where it is applied already.

    Raises:
        MigrationConflictError: Somebody is at it.
    """
    with store.open("write"):
        state = read_state(store, migration.migration_id)
        if state.is_applied:
            return state
        if state.status == "running":
            raise MigrationConflictError(held(state), migration=migration.migration_id)
        stamped = MigrationStamped(
            migration_id=migration.migration_id,
            attempt=next_attempt(state),
            content_hash=migration.content_hash,
            holder=this_holder(),
            parent=migration.parent,
        )
        owner = _project(store, migration.project if project is None else project)
        done = record(store, stamped, project=owner, is_claim=True)
        state = read_state(store, migration.migration_id)
        if not done and not state.is_applied:
            raise MigrationConflictError(held(state), migration=migration.migration_id)
        return state


def migration_status(
    store: MetadataStore, migrations: str | Path | Iterable[Migration]
) -> tuple[MigrationReport, ...]:
    """Tell where migrations stand, each after its parent; then those that only the lake knows.

    Args:
        migrations: Or the folder of their files.

    Raises:
        MigrationFileError: The files can't be read, or form no chain; has every fault.
    """
    with store.open("read"):
        states = read_states(store)
    known: list[tuple[Migration, Path | None]]
    if isinstance(migrations, str | Path):
        known = [(each.migration, each.path) for each in ordered_files(migrations, states)]
    else:
        known = [(each, None) for each in migrations]
    reports = [
        _report(migration, path, states.pop(migration.migration_id, None))
        for migration, path in known
    ]
    others = [
        MigrationReport(migration_id=name, migration=None, path=None, state=state, is_edited=False)
        for name, state in sorted(states.items())
    ]
    return (*reports, *others)


def explain_migration(
    store: MetadataStore, migration: Migration, *, project: str | None = None
) -> MigrationExplanation:
    """Tell what each operation does, and why its feature is affected; no records are read.

    Raises:
        MigrationError: Its operations contradict each other or the definitions.
        SystemDataNotFoundError: One of its snapshots was never pushed.
    """
    with store.open("read"):
        return explanation(store, migration, project=project)


def applied_hashes(store: MetadataStore) -> dict[str, str]:
    """The content hashes of the migrations that are applied, as of then, by id."""
    return {
        name: state.content_hash or ""
        for name, state in read_states(store).items()
        if state.is_applied
    }


def ordered_files(
    directory: str | Path, states: Mapping[str, MigrationState]
) -> tuple[MigrationFile, ...]:
    """The migrations of a folder, each after its parent.

    That one was edited after it was applied is no fault here: who applies it is told.

    Args:
        states: What is recorded; files of applied migrations may be gone.

    Raises:
        MigrationFileError: The files can't be read, or form no chain; has every fault.
    """
    files = read_folder(directory).checked()
    now = {each.id: each.migration.content_hash for each in files}
    applied = {
        name: now.get(name, state.content_hash or "")
        for name, state in states.items()
        if state.is_applied
    }
    return chain_of(files, applied=applied).checked()


def found_file(files: Iterable[MigrationFile], migration_id: str) -> MigrationFile:
    """The file of a migration, by its id or the beginning of it.

    Raises:
        MigrationError: There is none, or there are several.
    """
    by_id = {each.id: each for each in files}
    if migration_id in by_id:
        return by_id[migration_id]
    begun = [name for name in by_id if name.startswith(migration_id)]
    if len(begun) == 1:
        return by_id[begun[0]]
    if begun:
        which = f"Several begin so: {listed(begun)}."
    elif by_id:
        which = f"There are {listed(by_id)}."
    else:
        which = "There are none; `metaxy migrations generate` writes one."
    raise MigrationError(
        f"There is no migration '{migration_id}'. {which}{did_you_mean(migration_id, by_id)}",
        migration=migration_id,
    )


def _report(
    migration: Migration, path: Path | None, state: MigrationState | None
) -> MigrationReport:
    known = state or MigrationState(migration_id=migration.migration_id)
    return MigrationReport(
        migration_id=migration.migration_id,
        migration=migration,
        path=path,
        state=known,
        is_edited=known.is_applied and known.content_hash != migration.content_hash,
        unready=() if known.is_applied else unready_in_file(migration),
    )


def _passed_over(migration_id: str) -> MigrationResult:
    note = (
        f"It was rolled back. `metaxy migrations apply {migration_id}` applies it again, and "
        f"`metaxy migrations stamp {migration_id}` lets those after it be applied."
    )
    return MigrationResult(migration_id=migration_id, status="skipped", notes=(note,))


def _project(store: MetadataStore, project: str | None) -> str | None:
    """What events are recorded under; None where that can't be told."""
    try:
        return migrated_project(store, project)
    except MigrationError:
        return project
