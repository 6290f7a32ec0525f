"""`metaxy metadata`: ending records, and removing all of a feature.

Both show what they will take and ask; off a terminal they need `--yes`.
"""

from collections.abc import Sequence

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, features_argument, json_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.base import MetadataStore
from metaxy.models.keys import FeatureKey
from metaxy.project.deleting import matching_records, stored_rows
from metaxy.project.pushes import graph_with

_YES = click.option("--yes", "-y", "is_confirmed", is_flag=True, help="Don't ask.")


@click.command(
    cls=Command,
    examples=[
        ("""metaxy metadata delete video/file --filter "path LIKE 'tmp/%'" """, "Asks first."),
        ("""metaxy metadata delete video/file --filter "id = 'a'" --yes""", "In a script."),
    ],
)
@click.argument("feature", shell_complete=feature_names)
@click.option(
    "--filter",
    "filters",
    metavar="SQL",
    multiple=True,
    required=True,
    help="Which records; may be given several times, and then all must hold.",
)
@_YES
@store_option
@json_option
def delete(
    *,
    feature: str,
    filters: Sequence[str],
    is_confirmed: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """End the records that fulfil a filter.

    Records of the feature's current version, in this store. Each gets a tombstone; history keeps
    them. What was made from them is then in `removed` of the features further down.

    Exits with 3 if nobody confirms.
    """
    with opened_store(store_name, "write", needs_features=False) as opened:
        store, key = opened.store, FeatureKey(feature)
        with graph_with(store, key).use():
            records = matching_records(store, key, filters)
            count = counted(records.height, "record")
            if records.is_empty():
                output.message(f"No record of '{key}' fulfils the filter in {store.display()}.")
            elif not _may(f"Delete {count} of '{key}' from {store.display()}", is_confirmed):
                return ExitCode.REFUSED
            # The ids are those that were shown; the filters hold back what changed since.
            deleted = store.delete_metadata(key, filters=list(filters), records=records).rows
    if as_json:
        output.json_data({"store": opened.name, "feature": str(key), "deleted": deleted})
    elif deleted:
        output.data(f"Deleted {counted(deleted, 'record')} of '{key}'.")
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[
        ("metaxy metadata drop video/faces", "Asks first."),
        ("metaxy metadata drop video/faces video/crop --yes", "In a script."),
    ],
)
@features_argument(is_required=True)
@_YES
@store_option
@json_option
def drop(
    *, features: Sequence[str], is_confirmed: bool, store_name: str | None, as_json: bool
) -> ExitCode:
    """Remove all records of features, of every version.

    Only from this store; afterwards its fallback stores answer for them again. Older versions of
    the tables stay readable until they are vacuumed. A feature may be gone from the code, if it
    was pushed.

    Exits with 3 if nobody confirms.
    """
    with opened_store(store_name, "write", needs_features=False) as opened:
        store = opened.store
        graphs = {key: graph_with(store, key) for key in map(FeatureKey, features)}
        rows = {key: stored_rows(store, key) for key in graphs}
        wanted = [key for key, count in rows.items() if count]
        for key in rows.keys() - set(wanted):
            output.message(f"'{key}' has no records in {store.display()}.")
        if wanted and not _may(_drop_plan(store, {key: rows[key] for key in wanted}), is_confirmed):
            return ExitCode.REFUSED
        for key in wanted:
            with graphs[key].use():
                store.drop_feature_metadata(key)
    if as_json:
        dropped = [{"feature": str(key), "rows": rows[key]} for key in wanted]
        output.json_data({"store": opened.name, "dropped": dropped})
    else:
        for key in wanted:
            output.data(f"Dropped '{key}'.")
    return ExitCode.OK


def _drop_plan(store: MetadataStore, rows: dict[FeatureKey, int]) -> str:
    each = ", ".join(f"'{key}' ({counted(count, 'row')})" for key, count in rows.items())
    return f"Drop all that was ever written of {each} from {store.display()}"


def _may(plan: str, is_confirmed: bool) -> bool:
    if is_confirmed:
        return True
    if not output.can_ask():
        output.message(f"Refused: {plan}? There is nobody to ask; give --yes to do it.")
        return False
    if output.confirmed(f"{plan}?"):
        return True
    output.message("Nothing was done.")
    return False
