"""`metaxy migrations`: files written, listed, shown, explained, checked, stamped."""

from collections.abc import Sequence
from pathlib import Path

import click

from metaxy.cli import output
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
from metaxy.errors import MigrationFileError, counted
from metaxy.migrations.api import applied_hashes, explain_migration, stamp_migration
from metaxy.migrations.checking import CheckReport, check_migrations
from metaxy.migrations.claims import read_state
from metaxy.migrations.draft import Draft
from metaxy.migrations.explaining import MigrationExplanation
from metaxy.migrations.files import MigrationFile
from metaxy.migrations.generate import (
    assumption_hint,
    draft_migration,
    why_nothing,
    write_draft,
)
from metaxy.migrations.models import Migration


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations generate", "From what was pushed last to the code."),
        ("metaxy migrations generate --name narrow", "The description in the file's name."),
        ("metaxy migrations generate --from 3f2a9c", "From an older push."),
        ("metaxy migrations generate --assume-same-result", "Only code versions changed."),
    ],
)
@click.option("--name", metavar="TEXT", help="What the file's name says after the time.")
@click.option(
    "--op",
    metavar="TYPE",
    help="The type of the operations on features that changed themselves; by default they are "
    "reconciled.",
)
@click.option(
    "--assume-same-result",
    is_flag=True,
    help="Have operations for features, too, whose results may be others by what the definitions "
    "say, such as those of another code version. Why they are the same is left to be written.",
)
@click.option(
    "--output-dir",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the file goes; by default as configured: migrations.",
)
@click.option("--from", "old", metavar="SNAPSHOT", help="By default that of the newest push.")
@click.option("--to", "new", metavar="SNAPSHOT", help="By default that of the code.")
@project_option
@store_option
@json_option
def generate(
    *,
    name: str | None,
    op: str | None,
    assume_same_result: bool,
    folder: Path | None,
    old: str | None,
    new: str | None,
    project_name: str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Write the migration file that a change of definitions asks for.

    It has an operation for each feature whose records can be carried over, to be reviewed by hand:
    a reason that can't be proved is left to be written. Nothing is written to the lake.
    """
    with opened_migrations(store_name, folder) as migrations:
        store = migrations.opened.store
        draft = draft_migration(
            store,
            output_dir=migrations.folder,
            name=name,
            op=op,
            from_snapshot=old,
            to_snapshot=new,
            project=project_name,
            applied=applied_hashes(store),
            assume_same_result=assume_same_result,
        )
        path = write_draft(draft, migrations.folder) if draft.operations else None
        nothing = None if path is not None else why_nothing(store, draft)
    if as_json:
        output.json_data({"store": migrations.opened.name, **_draft_as_json(draft, path)})
    elif path is not None:
        output.data(f"Wrote {path}")
        _tell_next(draft)
    if nothing is not None:
        output.message(nothing)
    return ExitCode.OK


@click.command(
    "list",
    cls=Command,
    examples=[("metaxy migrations list", "Those of the project, each after its parent.")],
)
@folder_option
@store_option
@json_option
def list_migrations(*, folder: Path | None, store_name: str | None, as_json: bool) -> ExitCode:
    """List the migration files in the order in which they are applied."""
    with opened_migrations(store_name, folder) as migrations:
        files = migrations.files()
    if as_json:
        told = [_file_as_json(each) for each in files]
        output.json_data({"folder": str(migrations.folder), "migrations": told})
    elif files:
        output.table(
            ["migration", "type", "created", "description"],
            [
                (
                    each.id,
                    type(each.migration).__name__,
                    each.migration.created_at,
                    each.migration.description or None,
                )
                for each in files
            ],
        )
    else:
        nothing_there(migrations.folder)
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[("metaxy migrations describe 20260102_000000_narrow", "As it is in canonical YAML.")],
)
@id_argument()
@folder_option
@store_option
@json_option
def describe(
    *, migration_id: str, folder: Path | None, store_name: str | None, as_json: bool
) -> ExitCode:
    """Show what a migration says, and what has become of it in this store."""
    with opened_migrations(store_name, folder) as migrations:
        found = migrations.file(migration_id)
        state = read_state(migrations.opened.store, found.id)
    status = state.status.replace("_", " ")
    if as_json:
        told = {"status": state.status, "content": _content(found.migration)}
        output.json_data({"store": migrations.opened.name, **_file_as_json(found), **told})
    else:
        output.data(f"# {found.path}: {status} in '{migrations.opened.name}'")
        output.data(_text(found))
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[("metaxy migrations explain 20260102_000000_narrow", "Why each feature is in it.")],
)
@id_argument()
@folder_option
@project_option
@store_option
@json_option
def explain(
    *,
    migration_id: str,
    folder: Path | None,
    project_name: str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Tell what each operation does, and why its feature is affected."""
    with opened_migrations(store_name, folder) as migrations:
        found = migrations.file(migration_id)
        told = explain_migration(migrations.opened.store, found.migration, project=project_name)
    if as_json:
        output.json_data({"store": migrations.opened.name, **_explanation_as_json(told)})
    else:
        output.data(str(told))
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations check", "Before a merge."),
        ("metaxy migrations check --store prod --json", "For a program."),
    ],
)
@folder_option
@project_option
@store_option
@json_option
def check(
    *, folder: Path | None, project_name: str | None, store_name: str | None, as_json: bool
) -> ExitCode:
    """Tell what is wrong with the migrations; made for CI.

    Whether the files can be read and form one chain, reasons are written, operations can be done,
    applied files are as they were, and a migration leads from what was pushed last to the code,
    where records can be carried over.

    Exits with 1 if something is wrong, and with 2 if all that is found is that the code has changed
    and it isn't decided whether to migrate, or to push and compute again.
    """
    with opened_migrations(store_name, folder) as migrations:
        store = migrations.opened.store
        report = check_migrations(
            store, migrations.folder, project=project_name, applied=applied_hashes(store)
        )
    if as_json:
        output.json_data({"store": migrations.opened.name, **_report_as_json(report)})
    else:
        output.data(str(report))
    if report.is_undecided:
        return ExitCode.PENDING
    return ExitCode.OK if report.is_sound else ExitCode.ERROR


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations stamp 20260102_000000_narrow", "Its records were computed anew."),
    ],
)
@id_argument()
@folder_option
@project_option
@store_option
@json_option
def stamp(
    *,
    migration_id: str,
    folder: Path | None,
    project_name: str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Record that a migration needs not be run here, without running it.

    For a lake whose records were computed by the new definitions. It counts as applied from then
    on; `metaxy migrations rollback ID` takes that back, too.

    Exits with 3 while somebody applies it.
    """
    with told_as_refusal(), opened_migrations(store_name, folder, "write") as migrations:
        found = migrations.file(migration_id)
        before = read_state(migrations.opened.store, found.id)
        state = stamp_migration(migrations.opened.store, found.migration, project=project_name)
    if as_json:
        output.json_data({"store": migrations.opened.name, "id": found.id, "status": state.status})
    elif before.is_applied:
        output.message(f"'{found.id}' is {state.status} here already.")
    else:
        output.data(f"Stamped '{found.id}'.")
    return ExitCode.OK


def _tell_next(draft: Draft) -> None:
    for key, reasons in draft.left_out.items():
        output.message(f"Left out, so that it is computed again: {key}. {' '.join(reasons)}")
    if (hint := assumption_hint(draft)) is not None:
        output.message(hint)
    output.message(
        f"{counted(len(draft.operations), 'operation')}. Review the file, and write the reasons "
        "that are TODO. Then:\n  metaxy migrations apply --dry-run"
    )


def _draft_as_json(draft: Draft, path: Path | None) -> dict[str, object]:
    return {
        "file": None if path is None else str(path),
        "id": None if path is None else draft.migration_id,
        "from_snapshot_version": draft.detection.from_snapshot_version,
        "to_snapshot_version": draft.detection.to_snapshot_version,
        "features": [str(each.feature) for each in draft.operations],
        "left_out": {str(key): list(reasons) for key, reasons in draft.left_out.items()},
    }


def _file_as_json(file: MigrationFile) -> dict[str, object]:
    migration = file.migration
    return {
        "id": file.id,
        "file": str(file.path),
        "type": type(migration).__name__,
        "parent": migration.parent,
        "created_at": migration.created_at,
        "description": migration.description,
        "project": migration.project,
        "content_hash": migration.content_hash,
    }


def _content(migration: Migration) -> object:
    """What a file of it says; null for Python code, which no data can say."""
    try:
        return migration.to_data()
    except MigrationFileError:
        return None


def _text(file: MigrationFile) -> str:
    """A migration as canonical YAML; one that is Python code as its code."""
    try:
        return file.migration.to_yaml()
    except MigrationFileError:
        return file.path.read_text(encoding="utf-8")


def _explanation_as_json(told: MigrationExplanation) -> dict[str, object]:
    return {
        "id": told.migration_id,
        "does": told.does,
        "run": told.run,
        "from_snapshot_version": told.from_snapshot_version,
        "to_snapshot_version": told.to_snapshot_version,
        "operations": [
            {
                "operation": each.operation,
                "type": each.type,
                "feature": str(each.feature),
                "does": each.does,
                "because": list(each.because),
                "reason": each.reason,
                "refusals": list(each.refusals),
            }
            for each in told.operations
        ],
        "left_out": _keys(told.left_out),
    }


def _report_as_json(report: CheckReport) -> dict[str, object]:
    return {
        "project": report.project,
        "is_sound": report.is_sound,
        "migrations": list(report.migrations),
        "findings": [
            {"kind": each.kind, "migration": each.migration, "message": each.message}
            for each in report.findings
        ],
        "notes": list(report.notes),
    }


def _keys(keys: Sequence[object]) -> list[str]:
    return [str(key) for key in keys]
