"""`metaxy metadata`: ending records, and removing all of a feature.

Both show what they will take and ask; off a terminal they need `--yes`.
"""

from collections.abc import Sequence

import click

from metaxy.cli import output
from metaxy.cli.asking import dry_run_option, may, yes_option
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, features_argument, json_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.base import AccessMode, MetadataStore
from metaxy.models.keys import FeatureKey
from metaxy.project.deleting import erasable_records, matching_records, stored_rows
from metaxy.project.pushes import graph_with


@click.command(
    cls=Command,
    examples=[
        ("""metaxy metadata delete video/file --filter "path LIKE 'tmp/%'" """, "Asks first."),
        ("""metaxy metadata delete video/file --filter "id = 'a'" --yes""", "In a script."),
        ("""metaxy metadata delete video/file --filter "id = 'a'" --hard""", "With their history."),
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
@click.option("--hard", "is_hard", is_flag=True, help="Remove all their rows, and no tombstones.")
@click.option("--all-versions", is_flag=True, help="With --hard: records of all feature versions.")
@dry_run_option
@yes_option
@store_option
@json_option
def delete(
    *,
    feature: str,
    filters: Sequence[str],
    is_hard: bool,
    all_versions: bool,
    is_dry: bool,
    is_confirmed: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """End the records that fulfil a filter.

    Records of the feature's current version, in this store. Each gets a tombstone; history keeps
    them. What was made from them is then in `removed` of the features further down.

    With --hard the table is rewritten without any row of them; older versions of the table have
    them until it is vacuumed.

    Exits with 3 if nobody confirms.
    """
    if all_versions and not is_hard:
        raise click.UsageError("--all-versions goes with --hard.")
    with opened_store(store_name, _mode(is_dry=is_dry), needs_features=False) as opened:
        store, key = opened.store, FeatureKey(feature)
        with graph_with(store, key).use():
            if is_hard:
                records = erasable_records(store, key, filters, all_versions=all_versions)
            else:
                records = matching_records(store, key, filters)
            count = counted(records.height, "record")
            how = " for good" if is_hard else ""
            deleted = 0
            if records.is_empty():
                output.message(f"No record of '{key}' fulfils the filter in {store.display()}.")
            elif is_dry:
                output.message(f"Would delete {count} of '{key}'{how} from {store.display()}.")
                deleted = records.height
            elif not may(f"Delete {count} of '{key}'{how} from {store.display()}", is_confirmed):
                return ExitCode.REFUSED
            else:
                # The ids are those that were shown; the filters hold back what changed since.
                deleted = store.delete_metadata(
                    key,
                    filters=list(filters),
                    records=records,
                    soft=not is_hard,
                    current_only=not all_versions,
                ).rows
    if as_json:
        told = {"store": opened.name, "feature": str(key), "deleted": deleted, "dry_run": is_dry}
        output.json_data(told)
    elif deleted and not is_dry:
        output.data(f"Deleted {counted(deleted, 'record')} of '{key}'{how}.")
    return ExitCode.OK


def _mode(*, is_dry: bool) -> AccessMode:
    return "read" if is_dry else "write"


@click.command(
    cls=Command,
    examples=[
        ("metaxy metadata drop video/faces", "Asks first."),
        ("metaxy metadata drop video/faces video/crop --yes", "In a script."),
    ],
)
@features_argument(is_required=True)
@dry_run_option
@yes_option
@store_option
@json_option
def drop(
    *,
    features: Sequence[str],
    is_dry: bool,
    is_confirmed: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Remove all records of features, of every version.

    Only from this store; afterwards its fallback stores answer for them again. Older versions of
    the tables stay readable until they are vacuumed. A feature may be gone from the code, if it
    was pushed.

    Exits with 3 if nobody confirms.
    """
    with opened_store(store_name, _mode(is_dry=is_dry), needs_features=False) as opened:
        store = opened.store
        graphs = {key: graph_with(store, key) for key in map(FeatureKey, features)}
        rows = {key: stored_rows(store, key) for key in graphs}
        wanted = [key for key, count in rows.items() if count]
        for key in rows.keys() - set(wanted):
            output.message(f"'{key}' has no records in {store.display()}.")
        plan = _drop_plan(store, {key: rows[key] for key in wanted})
        if wanted and not is_dry and not may(plan, is_confirmed):
            return ExitCode.REFUSED
        for key in () if is_dry else wanted:
            with graphs[key].use():
                store.drop_feature_metadata(key)
    if as_json:
        dropped = [{"feature": str(key), "rows": rows[key]} for key in wanted]
        output.json_data({"store": opened.name, "dropped": dropped, "dry_run": is_dry})
    elif is_dry:
        output.message(f"Would {plan[0].lower()}{plan[1:]}." if wanted else "Nothing to drop.")
    else:
        for key in wanted:
            output.data(f"Dropped '{key}'.")
    return ExitCode.OK


def _drop_plan(store: MetadataStore, rows: dict[FeatureKey, int]) -> str:
    each = ", ".join(f"'{key}' ({counted(count, 'row')})" for key, count in rows.items())
    return f"Drop all that was ever written of {each} from {store.display()}"
