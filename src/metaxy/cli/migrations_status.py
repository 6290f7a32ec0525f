"""`metaxy migrations status`: what is applied, what is not, and what is in the way."""

from collections.abc import Sequence
from pathlib import Path

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.migration_options import folder_option, nothing_there, opened_migrations
from metaxy.cli.options import json_option, store_option
from metaxy.errors import counted
from metaxy.migrations.api import MigrationReport, migration_status
from metaxy.migrations.states import Attempt


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations status", "All of the project, and others that the lake knows."),
        ("metaxy migrations status --verbose", "With attempts, and what is in the way."),
        ("metaxy migrations status --json", "For a program; 2 is the exit code for pending."),
    ],
)
@click.option("--verbose", "-v", is_flag=True, help="Tell attempts and operations, too.")
@folder_option
@store_option
@json_option
def status(
    *, verbose: bool, folder: Path | None, store_name: str | None, as_json: bool
) -> ExitCode:
    """Tell which migrations are applied, and what keeps the others.

    Exits with 2 if one is to be applied, or to be applied to the end. One that was rolled back
    isn't: it is applied again by its ID only.
    """
    with opened_migrations(store_name, folder) as migrations:
        reports = migration_status(migrations.opened.store, migrations.folder)
    if as_json:
        told = [_as_json(each) for each in reports]
        output.json_data({"store": migrations.opened.name, "migrations": told})
    elif reports:
        _print(reports, verbose=verbose)
    else:
        nothing_there(migrations.folder)
    pending = any(each.is_pending for each in reports)
    return ExitCode.PENDING if pending else ExitCode.OK


def _print(reports: Sequence[MigrationReport], *, verbose: bool) -> None:
    output.table(
        ["migration", "status", "since", "note"],
        [
            (
                each.migration_id,
                each.status.replace("_", " "),
                each.state.ended_at,
                _note(each),
            )
            for each in reports
        ],
    )
    if verbose:
        for each in reports:
            if each.state.attempts:
                output.data("\n".join(["", f"{each.migration_id}:", *_details(each)]))
    pending = [each for each in reports if each.is_pending]
    if pending:
        output.message(f"\n{counted(len(pending), 'migration')} to apply: {_next_step(pending)}")


def _next_step(pending: Sequence[MigrationReport]) -> str:
    """What is to be done before they are applied, or the command that does it."""
    unready = [each for each in pending if each.unready]
    if not unready:
        return "metaxy migrations apply"
    lines = [f"  {each.path}: {reason}" for each in unready for reason in each.unready]
    return "\n".join(["first write the reasons.", *lines])


def _note(report: MigrationReport) -> str | None:
    notes: list[str] = []
    if report.migration is None:
        notes.append("has no file here")
    if report.is_edited:
        notes.append("edited after it was applied")
    if report.is_pending and report.unready:
        notes.append(f"needs {counted(len(report.unready), 'reason')}")
    if report.state.holder is not None:
        notes.append(f"by {report.state.holder}")
    notes += [f"{name}: {why}" for name, why in report.state.blocking.items()][:1]
    return "; ".join(notes) or None


def _details(report: MigrationReport) -> list[str]:
    lines = [f"  {_attempt(each)}" for each in report.state.attempts]
    done = [each for each in report.state.operations.values() if each.outcome == "completed"]
    rows = sum(each.rows for each in done)
    lines.append(f"  {counted(len(done), 'operation')} done, {counted(rows, 'row')}")
    lines += [f"  in the way: {name}: {why}" for name, why in report.state.blocking.items()]
    return lines


def _attempt(attempt: Attempt) -> str:
    deed = "stamped" if attempt.purpose is None else attempt.purpose
    ending = "not ended" if attempt.ending is None else attempt.ending.replace("_", " ")
    tag = f", tag {attempt.tag}" if attempt.tag is not None else ""
    begun = output.shown(attempt.started_at)
    return f"attempt {attempt.number} ({deed}): {begun} by {attempt.holder}, {ending}{tag}"


def _as_json(report: MigrationReport) -> dict[str, object]:
    state, migration = report.state, report.migration
    return {
        "id": report.migration_id,
        "status": report.status,
        "is_pending": report.is_pending,
        "is_edited": report.is_edited,
        "unready": list(report.unready),
        "file": None if report.path is None else str(report.path),
        "parent": None if migration is None else migration.parent,
        "description": None if migration is None else migration.description,
        "since": state.ended_at,
        "holder": None if state.holder is None else str(state.holder),
        "blocking": dict(state.blocking),
        "attempts": [
            {
                "number": each.number,
                "purpose": each.purpose,
                "holder": str(each.holder),
                "started_at": each.started_at,
                "ended_at": each.ended_at,
                "ending": each.ending,
                "tag": each.tag,
                "rows": each.rows,
                "errors": dict(each.errors),
            }
            for each in state.attempts
        ],
        "operations": [
            {
                "operation": each.operation,
                "feature": each.feature,
                "outcome": each.outcome,
                "attempt": each.attempt,
                "rows": each.rows,
                "error": each.error,
                "blocked_by": each.blocked_by,
            }
            for each in state.operations.values()
        ],
    }
