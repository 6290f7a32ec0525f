"""`metaxy metadata copy`: records of one lake, copied to another."""

from collections.abc import Callable, Mapping, Sequence

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import feature_names, json_option, store_names, store_option
from metaxy.errors import counted
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.copying import CopyProgress, CopyResult
from metaxy.project.pushes import push_history


@click.command(
    cls=Command,
    examples=[
        ("metaxy metadata copy prod", "All that is new there, into the default store."),
        ("metaxy metadata copy prod video/faces --store dev", "One feature, elsewhere."),
        ("""metaxy metadata copy prod --filter "video=id LIKE 'a%'" """, "Some videos only."),
    ],
)
@click.argument("source", metavar="FROM", shell_complete=store_names)
@click.argument("features", metavar="[FEATURE]...", nargs=-1, shell_complete=feature_names)
@click.option("--snapshot", metavar="VERSION", help="Only rows written under this snapshot.")
@click.option(
    "--filter",
    "filters",
    metavar="FEATURE=SQL",
    multiple=True,
    help="Only records that fulfil this; may be given several times, and then all must hold.",
)
@click.option("--full", "is_full", is_flag=True, help="Don't look for what is there already.")
@click.option("--history", is_flag=True, help="Copy tables with all their versions.")
@store_option
@json_option
def copy(
    *,
    source: str,
    features: Sequence[str],
    snapshot: str | None,
    filters: Sequence[str],
    is_full: bool,
    history: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Copy records from another store.

    They come from the store FROM, with all their rows as they are.

    By default everything that FROM itself has and the store here lacks, so the same command may be
    run again at any time, also after it was cut off. The pushes come along.
    """
    if history and (snapshot or filters or is_full):
        raise click.UsageError("--history copies whole tables: it takes no other choice of rows.")
    wanted = _by_feature(filters)
    with opened_store(store_name, "write", needs_features=False) as opened:
        if source == opened.name:
            raise click.UsageError(f"'{source}' is the store that is copied to.")
        with opened.project.get_store(source) as theirs, output.passing_line() as show:
            copied = opened.store.copy_metadata(
                theirs,
                features or None,
                from_snapshot=None if snapshot is None else _whole(theirs, snapshot),
                filters=wanted,
                incremental=not is_full,
                history=history,
                on_progress=_shown(show),
            )
    if as_json:
        rows = [_as_json(key, result) for key, result in copied.items()]
        output.json_data({"store": opened.name, "from": source, "copied": rows})
    elif copied:
        for key, result in copied.items():
            output.data(_told(key, result))
    else:
        output.message(f"'{source}' has no records.")
    return ExitCode.OK


def _by_feature(filters: Sequence[str]) -> Mapping[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for each in filters:
        key, equals, sql = each.partition("=")
        if not equals or not sql.strip():
            raise click.UsageError(f"--filter {each!r} is not of the form FEATURE=SQL.")
        wanted.setdefault(key.strip(), []).append(sql)
    return wanted


def _whole(store: MetadataStore, snapshot: str) -> str:
    """The snapshot version that begins so, if one push does; rows may have others."""
    pushes = push_history(store.read_pushes())
    found = {push.snapshot_version for push in pushes}
    begun = {each for each in found if each.startswith(snapshot)}
    return begun.pop() if len(begun) == 1 else snapshot


def _shown(show: Callable[[str], None]) -> Callable[[CopyProgress], None]:
    return lambda at: show(f"{at.position}/{at.features} {at.feature}  {counted(at.rows, 'row')}")


def _told(key: str, result: CopyResult) -> str:
    skipped = f", {result.rows_skipped:,} there already" if result.rows_skipped else ""
    files = f" ({counted(result.files_copied, 'file')})" if result.files_copied else ""
    return f"{key}: {counted(int(result), 'row')} copied{files}{skipped}"


def _as_json(key: str, result: CopyResult) -> dict[str, object]:
    return {
        "feature": key,
        "rows_copied": int(result),
        "rows_skipped": result.rows_skipped,
        "files_copied": result.files_copied,
        "bytes_copied": result.bytes_copied,
        "table_version": result.version,
    }
