"""`metaxy metadata purge`: records erased everywhere in a lake."""

from collections.abc import Sequence

import click
import polars as pl

from metaxy.cli import output
from metaxy.cli.asking import dry_run_option, may, yes_option
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, json_option, store_option
from metaxy.errors import counted, did_you_mean, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.purging import Purged, PurgeResult
from metaxy.models.keys import FeatureKey
from metaxy.project.pushes import graph_with


@click.command(
    cls=Command,
    examples=[
        ("metaxy metadata purge person --id name=alice --dry-run", "What would go?"),
        ("""metaxy metadata purge video --filter "owner = 'alice'" """, "Asks first."),
    ],
)
@click.argument("feature", shell_complete=feature_names)
@click.option(
    "--id",
    "ids",
    metavar="COLUMN=VALUE",
    multiple=True,
    help="The record of this id, stored or not; give each id column once.",
)
@click.option(
    "--filter",
    "filters",
    metavar="SQL",
    multiple=True,
    help="Or those that fulfil this; may be given several times, and then all must hold.",
)
@dry_run_option
@yes_option
@store_option
@json_option
def purge(
    *,
    feature: str,
    ids: Sequence[str],
    filters: Sequence[str],
    is_dry: bool,
    is_confirmed: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Erase records everywhere, with all that was made from them.

    Every version of them goes, from the feature down the graph, with the files that they are in.
    Older versions of tables, and tags, that need such a file can't be read afterwards.

    Exits with 3 if nobody confirms.
    """
    if bool(ids) == bool(filters):
        raise click.UsageError("Say which records: either --id or --filter.")
    records = pl.DataFrame(_record(ids)) if ids else None
    conditions = list(filters) or None
    mode = "read" if is_dry else "write"
    with opened_store(store_name, mode, needs_features=False) as opened:
        store, key = opened.store, FeatureKey(feature)
        with graph_with(store, key).use():
            if ids:
                _check_names(ids, store.graph.plan(key))
            result = store.purge(key, records, filters=conditions, dry_run=True)
            if result.tables and not is_dry:
                if not may(_plan(store, result), is_confirmed):
                    return ExitCode.REFUSED
                result = store.purge(key, records, filters=conditions)
    _tell(opened.name, result, is_dry=is_dry, as_json=as_json)
    return ExitCode.OK


def _record(ids: Sequence[str]) -> dict[str, list[str]]:
    record: dict[str, list[str]] = {}
    for each in ids:
        name, equals, value = each.partition("=")
        if not equals or not name or name in record:
            raise click.UsageError(f"--id {each!r} is not of the form COLUMN=VALUE, each once.")
        record[name] = [value]
    return record


def _check_names(ids: Sequence[str], plan: FeaturePlan) -> None:
    """Refuse other columns than those that name a record.

    Raises:
        UsageError: Tells which those are.
    """
    given = [each.partition("=")[0] for each in ids]
    if sorted(given) != sorted(plan.id_columns):
        wanted = " ".join(f"--id {name}=…" for name in plan.id_columns)
        unknown = [name for name in given if name not in plan.id_columns]
        slip = did_you_mean(unknown[0], plan.id_columns) if unknown else ""
        raise click.UsageError(
            f"A record of '{plan.key}' is named by {listed(plan.id_columns)}, and --id was given "
            f"for {listed(given)}.{slip} Say {wanted}."
        )


def _plan(store: MetadataStore, result: PurgeResult) -> str:
    rows = sum(each.rows for each in result.tables.values())
    files = sum(len(each.files) for each in result.tables.values())
    tags = sorted({tag for each in result.tables.values() for tag in each.tags})
    lost = f", which {_needing(tags)}," if tags else ""
    return (
        f"Erase {counted(rows, 'row')} and {counted(files, 'file')}{lost} of "
        f"{listed(list(map(str, result.tables)))} from {store.display()}"
    )


def _needing(tags: Sequence[str]) -> str:
    return f"the tag {listed(tags)} needs" if len(tags) == 1 else f"the tags {listed(tags)} need"


def _tell(name: str, result: PurgeResult, *, is_dry: bool, as_json: bool) -> None:
    if as_json:
        output.json_data(
            {
                "store": name,
                "dry_run": is_dry,
                "tables": [_as_json(key, each) for key, each in result.tables.items()],
                "untraced": list(map(str, result.untraced)),
            }
        )
        return
    if not result.tables:
        output.message(f"The store '{name}' has nothing of them.")
    elif is_dry:
        output.message("Would erase:")
    for key, each in result.tables.items():
        lost = f", which {_needing(each.tags)}" if each.tags else ""
        files = counted(len(each.files), "file")
        output.data(f"{key}: {counted(each.rows, 'row')}, {files}{lost}")
    left = sum(len(each.uncommitted) for each in result.tables.values())
    if left:
        output.message(
            f"{counted(left, 'file')} of writers that were killed or are at work may have them, "
            "too. `metaxy metadata vacuum` removes those that are old."
        )
    if result.untraced:
        unknown = listed(list(map(str, result.untraced)))
        output.message(f"Not looked at, because the code doesn't know them: {unknown}.")


def _as_json(key: FeatureKey, each: Purged) -> dict[str, object]:
    return {
        "feature": str(key),
        "rows": each.rows,
        "files": list(each.files),
        "bytes": each.size_bytes,
        "tags": list(each.tags),
        "uncommitted": list(each.uncommitted),
    }
