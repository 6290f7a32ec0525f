"""`metaxy graph`: the feature graph, drawn, compared, and its past."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.moment import at_option
from metaxy.cli.opening import loaded_project, opened_store
from metaxy.cli.options import (
    features_argument,
    json_option,
    project_option,
    store_option,
)
from metaxy.errors import counted
from metaxy.graph.changes import GraphDiff
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.rendering import render_dot, render_json, render_mermaid, render_terminal
from metaxy.project.comparing import CodeComparison, compare_pushed
from metaxy.project.features import known_features
from metaxy.project.pushes import push_history

_SHORT = 12
Format = Literal["terminal", "mermaid", "dot", "json"]


@click.command(
    cls=Command,
    examples=[
        ("metaxy graph render", "Here."),
        ("metaxy graph render --format mermaid >graph.mmd", "For Markdown viewers."),
        ("metaxy graph render --format dot | dot -Tsvg >graph.svg", "For Graphviz."),
        ("metaxy graph render video/faces", "One feature with all that it is made from."),
    ],
)
@features_argument()
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "mermaid", "dot", "json"]),
    default="terminal",
    show_default=True,
    help="How to draw it.",
)
@json_option
def render(*, features: Sequence[str], form: Format, as_json: bool) -> ExitCode:
    """Draw the feature graph.

    All features of the code, or the given ones with all that they depend on.
    """
    graph = known_features(loaded_project())
    if features:
        graph = graph.subgraph(features)
    output.data(_drawn(graph, "json" if as_json else form))
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[
        ("metaxy graph history", "The newest first."),
        ("metaxy graph history --limit 1 --json", "What is deployed."),
    ],
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N pushes.")
@at_option
@store_option
@project_option
@json_option
def history(
    *,
    limit: int | None,
    moment: datetime | str | None,
    store_name: str | None,
    project_name: str | None,
    as_json: bool,
) -> ExitCode:
    """List what was pushed, and when.

    A push is new, if its snapshot is another than that of the push before it, or updated, if only
    descriptions, columns or the like changed.
    """
    with opened_store(store_name, needs_features=False, moment=moment) as opened:
        pushes = push_history(opened.store.read_pushes(), project=project_name)[:limit]
    if as_json:
        rows = [
            {
                "recorded_at": each.recorded_at,
                "project": each.project,
                "snapshot_version": each.snapshot_version,
                "features": each.features,
                "case": each.case,
            }
            for each in pushes
        ]
        output.json_data({"store": opened.name, "pushes": rows})
    elif pushes:
        output.table(
            ["pushed", "project", "snapshot", "features", "case"],
            [
                (
                    each.recorded_at,
                    each.project,
                    each.snapshot_version[:_SHORT],
                    each.features,
                    each.case,
                )
                for each in pushes
            ],
            numbers=("features",),
        )
    if not pushes:
        of_project = f" of the project '{project_name}'" if project_name else ""
        output.message(f"Nothing was pushed{of_project} to the store '{opened.name}' yet.")
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[
        ("metaxy graph diff", "What a push would change."),
        ("metaxy graph diff 3f9a01 77be42", "Between two snapshots; their beginnings will do."),
        ("metaxy graph diff || metaxy push", "Push what differs."),
    ],
)
@click.argument("old", required=False, metavar="[OLD]")
@click.argument("new", required=False, metavar="[NEW]")
@store_option
@project_option
@json_option
def diff(
    *,
    old: str | None,
    new: str | None,
    store_name: str | None,
    project_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Compare the code with what was pushed.

    OLD is a snapshot version or the beginning of one, by default that of the newest push. NEW is
    another, by default the code.

    Exits with 2 if there is a difference, with 0 if there is none.
    """
    with opened_store(store_name, needs_features=new is None) as opened:
        comparison = compare_pushed(opened.store, old=old, new=new, project=project_name)
    if as_json:
        output.json_data({"store": opened.name, **_diff_as_json(comparison)})
    else:
        if comparison.old is None:
            output.message(
                f"Nothing was pushed to the store '{opened.name}' yet, so every feature is new."
            )
        output.data(_told(comparison))
    return ExitCode.OK if comparison.diff.is_empty else ExitCode.PENDING


def _drawn(graph: FeatureGraph, form: Format) -> str:
    if form == "terminal":
        return render_terminal(graph, colour=output.has_colours())
    return {"mermaid": render_mermaid, "dot": render_dot, "json": render_json}[form](graph)


def _told(comparison: CodeComparison) -> str:
    """Tell everything, a line a fact."""
    new = "the code" if comparison.new is None else comparison.new.snapshot_version[:_SHORT]
    old = "nothing" if comparison.old is None else comparison.old.snapshot_version[:_SHORT]
    diff = comparison.diff
    if diff.is_empty:
        return f"No difference between {old} and {new}."
    return "\n".join([f"{old} -> {new}: {_counts(diff)}", *_facts(diff)])


def _counts(diff: GraphDiff) -> str:
    return (
        f"{counted(len(diff.added), 'feature')} added, {len(diff.removed)} removed, "
        f"{len(diff.changed)} changed, {len(diff.affected)} affected by upstream"
    )


def _facts(diff: GraphDiff) -> list[str]:
    return [
        *(f"+ {key}" for key in diff.added),
        *(f"- {key}" for key in diff.removed),
        *map(str, diff.changed),
        *map(str, diff.affected),
    ]


def _diff_as_json(comparison: CodeComparison) -> dict[str, object]:
    diff = comparison.diff
    old, new = comparison.old, comparison.new
    return {
        "old": None if old is None else old.snapshot_version,
        "old_recorded_at": None if old is None else old.recorded_at,
        "new": comparison.new_snapshot_version,
        "new_recorded_at": None if new is None else new.recorded_at,
        "is_empty": diff.is_empty,
        "added": [str(key) for key in diff.added],
        "removed": [str(key) for key in diff.removed],
        "changed": [
            {
                "feature": str(each.key),
                "changes_version": each.changes_version,
                "changes": [
                    {
                        "kind": change.kind,
                        "subject": change.subject,
                        "old": change.old,
                        "new": change.new,
                        "changes_version": change.changes_version,
                    }
                    for change in each.changes
                ],
            }
            for each in diff.changed
        ],
        "affected": [
            {
                "feature": str(each.key),
                "fields": [
                    {
                        "field": str(field.field),
                        "through": [[str(key), str(parent)] for key, parent in field.through],
                    }
                    for field in each.fields
                ],
            }
            for each in diff.affected
        ],
    }
