"""`metaxy migrations apply` and `rollback`: what writes records."""

from pathlib import Path

import click

from metaxy.cli import output
from metaxy.cli.asking import may, yes_option
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.migration_options import (
    folder_option,
    id_argument,
    nothing_there,
    opened_migrations,
    told_as_refusal,
)
from metaxy.cli.options import json_option, project_option, store_option
from metaxy.migrations.api import (
    apply_migration,
    apply_migrations_from_directory,
    rollback_migration,
)
from metaxy.migrations.progress import MigrationProgress
from metaxy.migrations.result import MigrationResult, OperationResult
from metaxy.migrations.undoing import RollbackResult, rollback_plan

_BAR_WIDTH = 20


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations apply --dry-run", "See what would be done."),
        ("metaxy migrations apply", "All that are to be applied, in order."),
        ("metaxy migrations apply 20260102_000000_narrow", "One, or go on with it."),
        ("metaxy migrations apply --parallel 4", "Features beside each other."),
    ],
)
@id_argument(is_required=False)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and write nothing.")
@click.option(
    "--force",
    is_flag=True,
    help="Take over from whoever has it, let one stand that was edited after it was applied, and "
    "don't ask for the parent.",
)
@click.option("--rerun", is_flag=True, help="Do again what is completed.")
@click.option(
    "--locked",
    is_flag=True,
    help="Refuse if others have written the features since an attempt was planned.",
)
@click.option(
    "--parallel",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many features may be worked on at once.",
)
@folder_option
@project_option
@store_option
@json_option
def apply(
    *,
    migration_id: str | None,
    dry_run: bool,
    force: bool,
    rerun: bool,
    locked: bool,
    parallel: int,
    folder: Path | None,
    project_name: str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Carry records over to the definitions as they are now.

    All migrations that are to be applied, each after its parent, or the one with this ID. What was
    left undone is gone on with; what is completed is left alone. The lake is tagged before anything
    is written, so that `metaxy migrations rollback` can take it back.

    Exits with 1 if something failed, and with 3 if something is refused: somebody else is at it,
    a reason is still to be written, or it can't be shown that nothing stale would count as up to
    date.
    """
    mode = "read" if dry_run else "write"
    with (
        told_as_refusal(),
        opened_migrations(store_name, folder, mode) as migrations,
        output.passing_line() as show,
    ):
        store = migrations.opened.store

        def tell(step: MigrationProgress) -> None:
            show(_step(step))

        if migration_id is None:
            results = apply_migrations_from_directory(
                store,
                migrations.folder,
                dry_run=dry_run,
                force=force,
                rerun=rerun,
                locked=locked,
                parallel=parallel,
                on_progress=tell,
                project=project_name,
            )
        else:
            found = migrations.file(migration_id)
            results = [
                apply_migration(
                    store,
                    found.migration,
                    dry_run=dry_run,
                    force=force,
                    rerun=rerun,
                    locked=locked,
                    parallel=parallel,
                    on_progress=tell,
                    project=project_name,
                )
            ]
    if as_json:
        told = {"store": migrations.opened.name, "dry_run": dry_run}
        output.json_data({**told, "migrations": [_as_json(each) for each in results]})
    elif results:
        _print(results, dry_run=dry_run)
    else:
        nothing_there(migrations.folder)
    return _exit_code(results)


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations rollback 20260102_000000_narrow", "Asks first."),
        ("metaxy migrations rollback 20260102_000000_narrow --yes", "In a script."),
    ],
)
@id_argument()
@yes_option
@click.option(
    "--force",
    is_flag=True,
    help="Also while somebody is at it, and although later migrations rest on it.",
)
@project_option
@store_option
@json_option
def rollback(
    *,
    migration_id: str,
    is_confirmed: bool,
    force: bool,
    project_name: str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Take back what a migration has written.

    Rows are only appended: a record that is still as the migration wrote it gets its row of before
    again or, where it had none, a tombstone. What others have written since stays. The file is not
    needed. `metaxy migrations apply ID` applies it again.

    Exits with 3 if nobody confirms, while somebody is at it, and when later migrations rest on it.
    """
    with told_as_refusal(), opened_migrations(store_name, None, "write") as migrations:
        store = migrations.opened.store
        plan = rollback_plan(store, migration_id, force=force)
        if not plan.is_done and not may(f"{plan} in {store.display()}", is_confirmed):
            return ExitCode.REFUSED
        with output.passing_line() as show:

            def tell(step: MigrationProgress) -> None:
                show(_step(step))

            result = rollback_migration(
                store, plan.migration_id, force=force, on_progress=tell, project=project_name
            )
    if as_json:
        output.json_data({"store": migrations.opened.name, **_rollback_as_json(result)})
    else:
        output.data(result.summary())
    return ExitCode.OK


def _step(step: MigrationProgress) -> str:
    if step.feature is None:
        return f"{step.migration_id}: {step.phase}"
    filled = _BAR_WIDTH * step.done // max(step.total, 1)
    bar = "#" * filled + "." * (_BAR_WIDTH - filled)
    return f"[{bar}] {step.done}/{step.total} {step.feature}: {step.phase}"


def _print(results: list[MigrationResult], *, dry_run: bool) -> None:
    for each in results:
        output.data(each.summary())
        for operation in each.operations:
            if operation.out_of_date_examples:
                output.data(f"  {_stale(operation)}")
    if dry_run:
        output.message("Nothing was written: it was a dry run.")
    if any(each.status in ("partial", "failed") for each in results):
        output.message(
            "Not all is done. `metaxy migrations status --verbose` tells what is in the way, and "
            "`metaxy migrations apply` goes on."
        )


def _stale(operation: OperationResult) -> str:
    named = operation.out_of_date_examples
    more = operation.out_of_date - len(named)
    text = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    return f"{operation.feature_key}: out of date, and stay so: {text}"


def _exit_code(results: list[MigrationResult]) -> ExitCode:
    statuses = {each.status for each in results}
    if statuses & {"partial", "failed"}:
        return ExitCode.ERROR
    return ExitCode.REFUSED if "refused" in statuses else ExitCode.OK


def _as_json(result: MigrationResult) -> dict[str, object]:
    return {
        "id": result.migration_id,
        "status": result.status,
        "rows": result.rows_affected,
        "duration_seconds": result.duration_seconds,
        "features": [str(key) for key in result.affected_features],
        "errors": result.errors,
        "notes": list(result.notes),
        "operations": [
            {
                "operation": each.operation,
                "feature": str(each.feature_key),
                "status": each.status,
                "rows": each.rows,
                "in_sync": each.in_sync,
                "out_of_date": each.out_of_date,
                "orphaned": each.orphaned,
                "already": each.already,
                "out_of_date_examples": list(each.out_of_date_examples),
                "error": each.error,
                "blocked_by": [str(key) for key in each.blocked_by],
                "refusals": list(each.refusals),
            }
            for each in result.operations
        ],
    }


def _rollback_as_json(result: RollbackResult) -> dict[str, object]:
    return {
        "id": result.migration_id,
        "status": result.status,
        "duration_seconds": result.duration_seconds,
        "features": [
            {
                "feature": str(key),
                "restored": counts.restored,
                "ended": counts.ended,
                "kept": counts.kept,
            }
            for key, counts in result.features.items()
        ],
    }
