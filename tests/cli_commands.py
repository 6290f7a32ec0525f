"""The commands of the command line, as its own tables have them."""

from collections.abc import Iterator

from metaxy.cli.app import cli
from metaxy.cli.command import LazyCommand, LazyGroup


def commands() -> dict[str, LazyCommand]:
    """Every command by the words that call it, in the order of help."""
    assert isinstance(cli, LazyGroup)
    return dict(_below(cli, "metaxy"))


def _below(group: LazyGroup, path: str) -> Iterator[tuple[str, LazyCommand]]:
    for name, each in group.lazy.items():
        if isinstance(each, LazyGroup):
            yield from _below(each, f"{path} {name}")
        else:
            yield f"{path} {name}", each
