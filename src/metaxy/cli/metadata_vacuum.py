"""`metaxy metadata vacuum`: files that nothing needs any more."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import click

from metaxy.cli import output
from metaxy.cli.asking import dry_run_option, may, yes_option
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import features_argument, json_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.vacuuming import Vacuumed
from metaxy.models.keys import FeatureKey


@click.command(
    cls=Command,
    examples=[
        ("metaxy metadata vacuum --dry-run", "What would go?"),
        ("metaxy metadata vacuum --keep-days 30 --yes", "In a script."),
        ("metaxy metadata vacuum video/faces", "One table only; asks first."),
    ],
)
@features_argument()
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="Versions that were the newest within this time stay readable.",
)
@dry_run_option
@yes_option
@store_option
@json_option
def vacuum(
    *,
    features: Sequence[str],
    keep_days: float,
    is_dry: bool,
    is_confirmed: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Remove files that nothing needs any more.

    Of all tables of the store, or of some. What the newest version of a table needs stays, and what
    one needs that was the newest within the time to keep, or that a tag pins. Older versions can't
    be read afterwards.

    Exits with 3 if nobody confirms.
    """
    retention, wanted = timedelta(days=keep_days), features or None
    mode = "read" if is_dry else "write"
    with opened_store(store_name, mode, needs_features=False) as opened:
        store = opened.store
        found = store.vacuum(wanted, retention=retention, dry_run=True)
        if found and not is_dry:
            if not may(f"Remove {_total(found)} from {store.display()}", is_confirmed):
                return ExitCode.REFUSED
            found = store.vacuum(wanted, retention=retention)
    if as_json:
        tables = [_as_json(key, each) for key, each in found.items()]
        output.json_data({"store": opened.name, "dry_run": is_dry, "tables": tables})
    elif not found:
        output.message(f"The store '{opened.name}' has no files that nothing needs.")
    else:
        if is_dry:
            output.message(f"Would remove {_total(found)}.")
        for key, each in found.items():
            output.data(f"{key}: {counted(len(each.files), 'file')}, {each.size_bytes:,} bytes")
    return ExitCode.OK


def _total(found: Mapping[FeatureKey, Vacuumed]) -> str:
    files = sum(len(each.files) for each in found.values())
    size = sum(each.size_bytes for each in found.values())
    return f"{counted(files, 'file')} ({size:,} bytes) of {counted(len(found), 'table')}"


def _as_json(key: FeatureKey, each: Vacuumed) -> dict[str, object]:
    return {"feature": str(key), "files": list(each.files), "bytes": each.size_bytes}
