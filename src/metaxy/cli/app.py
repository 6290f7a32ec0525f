"""The entry point: which commands there are, and how a run ends.

Only click and the standard library are imported here; a command's module is imported when the
command is called, so that help and completion are quick.
"""

import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import shell_complete

from metaxy.cli import output
from metaxy.cli.command import PROGRAMS, LazyCommand, LazyGroup, Session, debug_wanted
from metaxy.cli.exit_code import ExitCode
from metaxy.errors import MetaxyError, MetaxyWarning

_PACKAGE: Final = Path(__file__).parents[1]
_PUSH: Final = LazyCommand("metaxy.cli.push:push", "Record the features as they are in the code.")

_COMMANDS: Final = {
    "init": LazyCommand("metaxy.cli.init:init", "Begin a project that works at once."),
    "demo": LazyCommand("metaxy.cli.demo:demo", "Run the main job on a lake over real files."),
    "status": LazyCommand("metaxy.cli.status:status", "Tell what is to be computed."),
    "push": _PUSH,
    "list": LazyGroup(
        name="list",
        help="List what there is.",
        lazy={
            "features": LazyCommand(
                "metaxy.cli.list:list_features", "List the features of the code and of the lake."
            ),
            "stores": LazyCommand("metaxy.cli.list:list_stores", "List the configured stores."),
        },
    ),
    "history": LazyCommand(
        "metaxy.cli.history:history", "List the commits of a feature's table in the store."
    ),
    "diff": LazyCommand(
        "metaxy.cli.diff:diff", "Tell which records of a feature differ between two moments."
    ),
    "tag": LazyCommand(
        "metaxy.cli.tag:tag", "Give what the store has now a name, or list the names."
    ),
    "graph": LazyGroup(
        name="graph",
        help="Draw the feature graph, compare it, see its past.",
        lazy={
            "render": LazyCommand("metaxy.cli.graph:render", "Draw the feature graph."),
            "push": _PUSH,
            "history": LazyCommand("metaxy.cli.graph:history", "List what was pushed, and when."),
            "diff": LazyCommand("metaxy.cli.graph:diff", "Compare the code with what was pushed."),
        },
    ),
    "metadata": LazyGroup(
        name="metadata",
        help="Copy records, delete them, drop all of a feature, or clear up.",
        lazy={
            "copy": LazyCommand(
                "metaxy.cli.metadata_copy:copy", "Copy records from another store."
            ),
            "delete": LazyCommand(
                "metaxy.cli.metadata:delete", "End the records that fulfil a filter."
            ),
            "drop": LazyCommand(
                "metaxy.cli.metadata:drop", "Remove all records of features, of every version."
            ),
            "purge": LazyCommand(
                "metaxy.cli.metadata_purge:purge",
                "Erase records everywhere, with all that was made from them.",
            ),
            "vacuum": LazyCommand(
                "metaxy.cli.metadata_vacuum:vacuum", "Remove files that nothing needs any more."
            ),
        },
    ),
    "migrations": LazyGroup(
        name="migrations",
        help="Bring a lake to what the code says.",
        lazy={
            "generate": LazyCommand(
                "metaxy.cli.migrations:generate",
                "Write the migration file that a change of definitions asks for.",
            ),
            "apply": LazyCommand(
                "metaxy.cli.migrations_apply:apply",
                "Carry records over to the definitions as they are now.",
            ),
            "status": LazyCommand(
                "metaxy.cli.migrations_status:status",
                "Tell which migrations are applied, and what keeps the others.",
            ),
            "list": LazyCommand(
                "metaxy.cli.migrations:list_migrations",
                "List the migration files in the order in which they are applied.",
            ),
            "describe": LazyCommand(
                "metaxy.cli.migrations:describe",
                "Show what a migration says, and what has become of it in this store.",
            ),
            "explain": LazyCommand(
                "metaxy.cli.migrations:explain",
                "Tell what each operation does, and why its feature is affected.",
            ),
            "check": LazyCommand(
                "metaxy.cli.migrations:check",
                "Tell what is wrong with the migrations; made for CI.",
            ),
            "stamp": LazyCommand(
                "metaxy.cli.migrations:stamp",
                "Record that a migration needs not be run here, without running it.",
            ),
            "rollback": LazyCommand(
                "metaxy.cli.migrations_apply:rollback", "Take back what a migration has written."
            ),
            "upgrade": LazyCommand(
                "metaxy.cli.upgrading:upgrade", "Create and alter the tables of storage classes."
            ),
        },
    ),
    "tables": LazyGroup(
        name="tables",
        help="Contracts of tables beside what the store has.",
        lazy={
            "list": LazyCommand(
                "metaxy.cli.tables:list_tables",
                "List the tables of storage classes, and of features that declare columns.",
            ),
            "describe": LazyCommand(
                "metaxy.cli.tables:describe",
                "Show the contract of a table, column by column, beside what the lake has.",
            ),
            "check": LazyCommand(
                "metaxy.cli.tables:check", "Tell which tables aren't as their contracts say."
            ),
        },
    ),
    "config": LazyGroup(
        name="config",
        help="See the settings.",
        lazy={
            "show": LazyCommand(
                "metaxy.cli.config:show", "Show every setting and where it comes from."
            ),
        },
    ),
    "completion": LazyCommand(
        "metaxy.cli.completion:completion", "Print the script that makes a shell complete."
    ),
}


@click.group(
    "metaxy",
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done or in sync, 1 error, 2 changes pending, 3 refused.",
)
@click.version_option(
    package_name="metaxy-lake", prog_name="metaxy", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Tell which records must be computed, computed again, or dropped.

    \b
    A first round:
      metaxy init      write metaxy.toml and a first feature
      metaxy push      record the features in the lake
      metaxy status    see what is to be computed
    """


def main() -> None:
    """Run the program on the arguments of the process, and end the process."""
    called = Path(sys.argv[0]).stem
    sys.exit(run(sys.argv[1:], program=called if called in PROGRAMS else PROGRAMS[0]))


def run(arguments: Sequence[str], *, program: str = PROGRAMS[0]) -> int:
    """Run the program, and give its exit code; nothing that goes wrong gets out of here."""
    output.set_up_streams()
    session = Session(debug=debug_wanted())
    try:
        code = _completed(program)
        if code is None:
            code = _invoked(list(arguments), program, session)
        output.finish()
    except BrokenPipeError:
        output.abandon()
        return ExitCode.PIPE_CLOSED
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last place to tell it
        _tell(error, session)
        return ExitCode.ERROR
    return code


def _completed(program: str) -> int | None:
    """Answer a shell that asks for completions; None if none does."""
    variable = f"_{program.upper()}_COMPLETE"
    instruction = os.environ.get(variable)
    return shell_complete(cli, {}, program, variable, instruction) if instruction else None


def _invoked(arguments: list[str], program: str, session: Session) -> int:
    try:
        with _told_warnings(), cli.make_context(program, arguments, obj=session) as context:
            code: object = cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else ExitCode.OK


@contextmanager
def _told_warnings() -> Generator[None]:
    """Say the warnings of metaxy as messages, each once; others go where they went before."""
    told: set[str] = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:  # noqa: ANN401 -- as the library calls it
            if not issubclass(category, MetaxyWarning):
                usual(message, category, *place)
            elif str(message) not in told:
                told.add(str(message))
                output.warning(str(message))

        warnings.showwarning = show
        warnings.simplefilter("always", MetaxyWarning)
        yield


def _tell(error: Exception, session: Session) -> None:
    if session.debug:
        output.message("".join(traceback.format_exception(error)))
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.message(error.format_message())
    elif isinstance(error, click.UsageError):
        _tell_usage(error)
    elif isinstance(error, click.ClickException):
        output.error(error.format_message())
    elif isinstance(error, MetaxyError):
        output.error(str(error))
    elif isinstance(error, OSError):
        output.error(f"{type(error).__name__}: {error}")
    else:
        output.error(_told_as_bug(error, session))


def _tell_usage(error: click.UsageError) -> None:
    output.error(error.format_message())
    if error.ctx is not None:
        output.message(f"\n{error.ctx.get_usage()}")
        output.message(f"`{error.ctx.command_path} --help` tells more.")


def _told_as_bug(error: Exception, session: Session) -> str:
    told = f"{type(error).__name__}: {error}".rstrip(": ")
    more = "" if session.debug else " `--debug` shows how it came about."
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    theirs = [frame for frame in frames if frame not in own and not _is_library(frame.filename)]
    if theirs:
        return f"{told}\nIt was raised at {theirs[-1].filename}:{theirs[-1].lineno}.{more}"
    file = Path(own[-1].filename).relative_to(_PACKAGE.parent).as_posix()
    place = f"{file}:{own[-1].lineno}"
    return f"{told}\nThis is a bug in metaxy, at {place}; please report it.{more}"


def _is_library(file: str) -> bool:
    """Tell whether a file is installed, or no file at all; what is left is the user's own."""
    if file.startswith("<"):
        return True
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(folder) for folder in folders)
