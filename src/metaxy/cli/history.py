"""`metaxy history`: the commits of a table."""

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, json_option, store_option

_SHORT = 12


@click.command(
    cls=Command,
    examples=[
        ("metaxy history video/faces", "The newest first."),
        ("metaxy history video/faces --limit 1 --json", "The last commit, for a program."),
        ("metaxy history metaxy-system/tags", "Of a table of metaxy's own."),
    ],
)
@click.argument("feature", shell_complete=feature_names)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N commits.")
@store_option
@json_option
def history(*, feature: str, limit: int | None, store_name: str | None, as_json: bool) -> ExitCode:
    """List the commits of a feature's table in the store.

    Each made a version of the table, which `metaxy diff` and read_metadata(table_version=…) take.
    """
    with opened_store(store_name, needs_features=False) as opened:
        frame = opened.store.history(feature)
    commits = frame.head(frame.height if limit is None else limit).to_dicts()
    if as_json:
        output.json_data({"store": opened.name, "feature": feature, "commits": commits})
        return ExitCode.OK
    output.table(
        ["version", "committed", "operation", "rows", "feature version", "run", "by"],
        [
            (
                each["version"],
                each["committed_at"],
                each["operation"],
                each["rows"],
                (each["feature_version"] or "")[:_SHORT] or None,
                each["materialization_id"],
                each["engine"],
            )
            for each in commits
        ],
        numbers=("version", "rows"),
    )
    return ExitCode.OK
