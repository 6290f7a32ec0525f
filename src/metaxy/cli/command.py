"""Kinds of commands: one with examples in its help, and a group that imports what is used.

Only click and the standard library are imported here, so that help is quick.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from metaxy.errors import did_you_mean

PROGRAMS = ("metaxy", "mx")
"""The names that the program is installed under."""


@dataclass(slots=True)
class Session:
    """One run of the program; click hands it down as the context's object.

    Attributes:
        debug: Whether errors come with a traceback.
    """

    debug: bool = False


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is imported when it is used.

    Attributes:
        target: Where it is, as `package.module:attribute`.
        short_help: The first sentence of its own help, for lists of commands.
    """

    target: str
    short_help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command: object = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no command, but {command!r}")
        return command


class Command(click.Command):
    """A command whose help ends with examples.

    Args:
        examples: Pairs of a command line and what it is for.
        options: Those of `click.Command`.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  handed on to click
        examples: Sequence[tuple[str, str]] = (),
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)
        self.params.append(_debug_option())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each line as it is to be typed."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(self.examples, col_max=42)


class LazyGroup(click.Group):
    """A group that knows its commands by a table, and imports only the one that is called.

    Args:
        lazy: The commands by name, in the order in which help lists them. A group is given itself.
        options: Those of `click.Group`.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  handed on to click
        lazy: Mapping[str, "LazyCommand | LazyGroup"],
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **options)
        self.lazy = dict(lazy)
        self.params.append(_debug_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the table."""
        del ctx
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        del ctx
        found = self.lazy.get(cmd_name)
        return found.load() if isinstance(found, LazyCommand) else found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, or say which may have been meant."""
        name = args[0]
        if name not in self.lazy and not ctx.resilient_parsing and not name.startswith("-"):
            ctx.fail(f"There is no command '{name}'.{did_you_mean(name, self.lazy)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, _short_help(each)) for name, each in self.lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing them."""
        commands = [
            CompletionItem(name, help=_short_help(each))
            for name, each in self.lazy.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


def _short_help(command: LazyCommand | LazyGroup) -> str:
    if isinstance(command, LazyCommand):
        return command.short_help
    return command.get_short_help_str(limit=100)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show where an error came from (or set METAXY_DEBUG=1).",
    )


def _set_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if session is not None and value:
        session.debug = True


def debug_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether `METAXY_DEBUG` asks for tracebacks."""
    return environment.get("METAXY_DEBUG", "").strip().lower() not in (
        "",
        "0",
        "false",
        "no",
        "off",
    )
