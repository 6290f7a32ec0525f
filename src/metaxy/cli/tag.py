"""`metaxy tag`: names for what a lake has at a moment."""

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import json_option, store_option
from metaxy.errors import counted
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.tagging import Tag, read_tags


@click.command(
    cls=Command,
    examples=[
        ("metaxy tag", "The tags, the newest first."),
        ('metaxy tag release/1.0 -m "As sold."', "Name what the lake has now."),
        ("metaxy tag release/1.0 --remove", "Let it be vacuumed."),
        ("metaxy status --at release/1.0", "See the lake as it was."),
    ],
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--message", "-m", metavar="TEXT", help="What the tag is for.")
@click.option("--list", "is_listing", is_flag=True, help="List the tags, as without a NAME.")
@click.option("--remove", "is_removing", is_flag=True, help="Remove the tag.")
@store_option
@json_option
def tag(
    *,
    name: str | None,
    message: str | None,
    is_listing: bool,
    is_removing: bool,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Give what the store has now a name, or list the names.

    A tag pins the newest version of every table, and what it needs is never vacuumed. `--at`,
    `metaxy diff` and read_metadata(table_version=…) take tags.
    """
    if is_listing and (name is not None or is_removing):
        raise click.UsageError("--list takes no NAME and goes with no --remove.")
    if name is None and (is_removing or message is not None):
        raise click.UsageError("Which tag? Give its NAME.")
    if is_removing and message is not None:
        raise click.UsageError("--remove takes no --message.")
    if name is None:
        return _list(store_name, as_json=as_json)
    with opened_store(store_name, "write", needs_features=False) as opened:
        told = _remove(opened.store, name) if is_removing else _set(opened.store, name, message)
    text, data = told
    if as_json:
        output.json_data({"store": opened.name, **data})
    else:
        output.data(text)
    return ExitCode.OK


def _set(store: MetadataStore, name: str, message: str | None) -> tuple[str, dict[str, object]]:
    made = store.tag(name, message)
    return f"Tagged {counted(len(made.versions), 'table')} as '{name}'.", {"tag": _as_json(made)}


def _remove(store: MetadataStore, name: str) -> tuple[str, dict[str, object]]:
    store.untag(name)
    return f"Removed the tag '{name}'.", {"removed": name}


def _list(store_name: str | None, *, as_json: bool) -> ExitCode:
    with opened_store(store_name, needs_features=False) as opened:
        tags = read_tags(opened.store)
    if as_json:
        output.json_data({"store": opened.name, "tags": list(map(_as_json, tags))})
    elif tags:
        output.table(
            ["tag", "tagged", "tables", "message"],
            [(each.name, each.tagged_at, len(each.versions), each.message) for each in tags],
            numbers=("tables",),
        )
    else:
        output.message(f"The store '{opened.name}' has no tags. `metaxy tag NAME` sets one.")
    return ExitCode.OK


def _as_json(made: Tag) -> dict[str, object]:
    return {
        "name": made.name,
        "tagged_at": made.tagged_at,
        "message": made.message,
        "tables": {str(key): version for key, version in made.versions.items()},
    }
