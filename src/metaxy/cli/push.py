"""`metaxy push`: the features of the code, recorded in the lake."""

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import json_option, project_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.system import PushResult
from metaxy.project.features import chosen_project


@click.command(
    cls=Command,
    examples=[
        ("metaxy push", "Into the default store, in a deployment."),
        ("metaxy push --store prod --json", "Elsewhere, for a script."),
    ],
)
@store_option
@project_option
@json_option
def push(*, store_name: str | None, project_name: str | None, as_json: bool) -> ExitCode:
    """Record the features as they are in the code.

    The newest push says what is deployed; migrations and `metaxy graph diff` compare with it.
    Nothing is recorded where the lake already says what the code says.

    `metaxy graph push` is the same command.
    """
    with opened_store(store_name, "write") as opened:
        project = chosen_project(opened.graph, given=project_name, configured=opened.store.project)
        result = opened.store.record_feature_graph_snapshot(project)
    if as_json:
        output.json_data(_as_json(opened.name, result))
    else:
        output.data(_told(result))
    return ExitCode.OK


def _told(result: PushResult) -> str:
    features = f"({counted(result.features, 'feature')} of '{result.project}')"
    if result.case == "new":
        return f"Recorded snapshot: {result.snapshot_version} {features}"
    if result.case == "unchanged":
        return f"Nothing new: {result.snapshot_version} is recorded already {features}"
    updated = "\n".join(f"  {key}" for key in result.updated)
    return (
        f"Recorded again: {result.snapshot_version} {features}\n"
        f"No version changed, but descriptions, columns or the like did, of:\n{updated}"
    )


def _as_json(store_name: str, result: PushResult) -> dict[str, object]:
    return {
        "store": store_name,
        "project": result.project,
        "snapshot_version": result.snapshot_version,
        "case": result.case,
        "features": result.features,
        "updated": [str(key) for key in result.updated],
    }
