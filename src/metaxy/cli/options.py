"""Options and arguments that several commands have."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from metaxy.cli.opening import loaded_project
from metaxy.config import MetaxyConfig

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def store_option(command: Decorated) -> Decorated:
    """Add `--store NAME`, passed as `store_name`."""
    return click.option(
        "--store",
        "store_name",
        metavar="NAME",
        shell_complete=store_names,
        help="The store to use; by default the one that the configuration names.",
    )(command)


def project_option(command: Decorated) -> Decorated:
    """Add `--project NAME`, passed as `project_name`."""
    return click.option(
        "--project",
        "project_name",
        metavar="NAME",
        help="Whose features; needed only where there are those of several projects.",
    )(command)


def json_option(command: Decorated) -> Decorated:
    """Add `--json`, passed as `as_json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON; docs/reference/cli.md tells its fields.",
    )(command)


def features_argument(*, is_required: bool = False) -> Callable[[Decorated], Decorated]:
    """Add `FEATURE…`, passed as `features`."""
    return click.argument(
        "features",
        metavar="FEATURE..." if is_required else "[FEATURE]...",
        nargs=-1,
        required=is_required,
        shell_complete=feature_names,
    )


def feature_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete keys of features; importing them may take a while."""
    try:
        names = [str(key) for key in loaded_project().graph]
    except Exception:  # noqa: BLE001  a shell that completes has no place for messages
        return []
    return _beginning(names, incomplete)


def store_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of stores."""
    try:
        names = list(MetaxyConfig.load().stores)
    except Exception:  # noqa: BLE001  as above
        return []
    return _beginning(names, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
