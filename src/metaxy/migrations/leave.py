"""Whether a migration may be applied now: what is recorded of it, its parent, its plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from metaxy.errors import MigrationRefusedError, told_time
from metaxy.migrations.document import INITIAL
from metaxy.migrations.models import Migration
from metaxy.migrations.planning import MigrationPlan
from metaxy.migrations.result import MigrationResult, MigrationStatus
from metaxy.migrations.states import MigrationState

_STATUS = "`metaxy migrations status` tells more."


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How a migration is to be applied.

    Attributes:
        dry_run: Only work out what would be done.
        force: Take over from whoever has it, let a completed one stand although it was edited
            since, and don't ask whether its parent is applied.
        rerun: Do it again although it is completed, with operations that were done before.
        locked: Refuse if others have written its features since an attempt was planned.
        assumed: The ids of migrations that count as applied, in a dry run of several.
    """

    dry_run: bool = False
    force: bool = False
    rerun: bool = False
    locked: bool = False
    assumed: frozenset[str] = frozenset()


def stopped(
    migration: Migration, states: Mapping[str, MigrationState], options: ApplyOptions
) -> MigrationResult | None:
    """What comes of it without being run; None when it may run."""
    state = states.get(migration.migration_id)
    if state is not None and state.status == "running" and not options.force:
        return _ended(migration, "refused", held(state))
    if state is not None and state.is_applied and not options.rerun:
        if state.content_hash != migration.content_hash and not options.force:
            return _ended(migration, "refused", _edited(state))
        return _ended(migration, "skipped")
    parent = states.get(migration.parent)
    is_first = migration.parent == INITIAL or migration.parent in options.assumed
    if is_first or options.force or (parent is not None and parent.is_applied):
        return None
    return _ended(migration, "refused", _parent_first(migration, parent))


def outrun(
    migration: Migration, states: Mapping[str, MigrationState], options: ApplyOptions
) -> MigrationResult:
    """What comes of it when somebody else has just claimed it."""
    taken = ApplyOptions(dry_run=options.dry_run)
    told = stopped(migration, states, taken)
    if told is not None and not options.rerun:
        return told
    return _ended(migration, "refused", held(states[migration.migration_id]))


def refused_plan(plan: MigrationPlan, options: ApplyOptions) -> MigrationResult | None:
    """What comes of a plan that must not be carried out; None when it may."""
    errors = {"": " ".join(plan.refusals)} if plan.refusals else dict[str, str]()
    for each in plan.operations:
        for reason in each.refusals:
            told = errors.get(str(each.feature))
            errors[str(each.feature)] = reason if told is None else f"{told} {reason}"
    if not errors and options.locked and plan.notes:
        errors = {"": " ".join([*plan.notes, "Without --locked it is planned anew."])}
    if not errors:
        return None
    return MigrationResult(
        migration_id=plan.migration_id,
        status="refused",
        affected_features=plan.features,
        errors=errors,
        operations=tuple(each.foreseen() for each in plan.operations),
        notes=plan.notes,
    )


def refused(migration: Migration, error: MigrationRefusedError) -> MigrationResult:
    """What comes of a migration that can't even be planned."""
    return _ended(migration, "refused", str(error))


def held(state: MigrationState) -> str:
    """Say who has a migration."""
    last = state.last
    if last is None or state.status != "running":
        return f"Somebody else has just begun or ended '{state.migration_id}'. {_STATUS}"
    doing = "rolling back" if last.purpose == "rollback" else "applying"
    since = told_time(last.started_at.replace(microsecond=0))
    return (
        f"{last.holder} is {doing} '{state.migration_id}' since {since} (attempt {last.number}). "
        "Wait for it; if it has hung, --force takes over."
    )


def _edited(state: MigrationState) -> str:
    return (
        f"'{state.migration_id}' was edited after it was applied here ({state.status}). Take the "
        "edit back and write another migration; or let it stand with --force, or do it again with "
        "--rerun."
    )


def _parent_first(migration: Migration, parent: MigrationState | None) -> str:
    status = "pending" if parent is None else parent.status.replace("_", " ")
    return (
        f"'{migration.migration_id}' comes after '{migration.parent}', which is {status} here. "
        f"Apply that first, or `metaxy migrations stamp {migration.parent}` if there is nothing "
        "to be done for it."
    )


def _ended(
    migration: Migration, status: MigrationStatus, error: str | None = None
) -> MigrationResult:
    errors = {} if error is None else {"": error}
    return MigrationResult(migration_id=migration.migration_id, status=status, errors=errors)
