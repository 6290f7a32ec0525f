"""`metaxy diff`: which records of a feature differ between two moments."""

from collections.abc import Mapping

import click
import polars as pl

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.moment import MomentType, shown_moment
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, json_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.travel import Moment
from metaxy.models.keys import FeatureKey
from metaxy.project.pushes import graph_with
from metaxy.versioning.types import Increment

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@click.command(
    cls=Command,
    examples=[
        ("metaxy diff video/faces 3 7", "Between two versions of the table."),
        ("metaxy diff video/faces 2026-11-01 v2", "Between a time and a tag."),
        ("metaxy diff video/faces v2 --limit 1000 --json", "What came since, for a program."),
    ],
)
@click.argument("feature", shell_complete=feature_names)
@click.argument("a", type=MomentType())
@click.argument("b", type=MomentType(), required=False, metavar="[B]")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=20,
    show_default=True,
    help="Show at most N records of each kind.",
)
@store_option
@json_option
def diff(
    *,
    feature: str,
    a: Moment,
    b: Moment | None,
    limit: int,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Tell which records of a feature differ between two moments.

    Current records of the feature's current version, in this store. A and B are versions of the
    table (`metaxy history`), times (`2026-11-01T12:00`, local unless they say otherwise) or tags;
    B is now if it isn't given.

    Exits with 2 if there is a difference, with 0 if there is none.
    """
    with opened_store(store_name, needs_features=False) as opened:
        store, key = opened.store, FeatureKey(feature)
        with graph_with(store, key).use():
            until = store.history(key)["version"][0] if b is None else b
            increment = store.diff(key, a, until)
            names = store.graph.plan(key).id_columns
    frames = {
        "added": increment.added.to_polars(),
        "changed": increment.changed.to_polars(),
        "removed": increment.removed.to_polars(),
    }
    shown = {kind: frame.select(names).sort(names).head(limit) for kind, frame in frames.items()}
    if as_json:
        counts = {kind: frame.height for kind, frame in frames.items()}
        records = {kind: frame.to_dicts() for kind, frame in shown.items()}
        output.json_data(
            {
                "store": opened.name,
                "feature": feature,
                "a": a,
                "b": until,
                "is_empty": increment.is_empty,
                **counts,
                "records": records,
            }
        )
    else:
        _print(increment, shown, title=f"{shown_moment(a)} -> {shown_moment(until)}")
    return ExitCode.OK if increment.is_empty else ExitCode.PENDING


def _print(increment: Increment, shown: Mapping[str, pl.DataFrame], *, title: str) -> None:
    if increment.is_empty:
        output.data(f"No difference between {title.replace(' -> ', ' and ')}.")
        return
    counts = {kind: len(getattr(increment, kind)) for kind in _SIGNS}
    output.data(
        f"{title}: {counted(counts['added'], 'record')} added, {counts['changed']} changed, "
        f"{counts['removed']} removed"
    )
    for kind, frame in shown.items():
        for row in frame.iter_rows():
            output.data(f"{_SIGNS[kind]} {', '.join(map(str, row))}")
        if counts[kind] > frame.height:
            output.data(f"{_SIGNS[kind]} … and {counts[kind] - frame.height} more")
