"""The table of commands against the commands themselves, and how a run ends."""

import re
from collections.abc import Mapping

import click
import pytest

from cli_commands import commands
from metaxy.cli import app
from metaxy.cli.app import run
from metaxy.cli.command import Command, LazyCommand, LazyGroup, debug_wanted
from metaxy.errors import MetaxyError

COMMANDS = commands().items()
CALLED = commands().keys()


@pytest.mark.parametrize(("called", "lazy"), COMMANDS, ids=CALLED)
def test_a_command_is_what_its_table_says(called: str, lazy: LazyCommand) -> None:
    """It can be imported, and the table's help is the first sentence of its own."""
    command = lazy.load()

    assert command.get_short_help_str(limit=200).rstrip(".") == lazy.short_help.rstrip(".")
    assert called.rsplit(maxsplit=1)[-1] in (command.name, "push")


@pytest.mark.parametrize(("called", "lazy"), COMMANDS, ids=CALLED)
def test_a_command_has_an_example(called: str, lazy: LazyCommand) -> None:
    """Its help shows it as it is to be typed."""
    command = lazy.load()
    with click.Context(command, info_name=called) as context:
        shown = command.get_help(context)

    assert "Examples:\n  " in shown
    if isinstance(command, Command):
        assert all(line.split()[0] in ("metaxy", "eval") for line, _ in command.examples)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statu"], "Error: There is no command 'statu'. Did you mean 'status'?\n"),
        (["graph", "rendr"], "Error: There is no command 'rendr'. Did you mean 'render'?\n"),
        (["push", "--jsn"], "Error: No such option '--jsn'."),
        (["metadata", "drop"], "Error: Missing argument 'FEATURE...'.\n"),
        (
            ["completion", "tcsh"],
            "Error: Invalid value for '{bash|zsh|fish}': 'tcsh' is not one of",
        ),
        ([], "Usage: metaxy [OPTIONS] COMMAND [ARGS]...\n"),
    ],
)
def test_a_usage_error_exits_with_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Not with click's 2, which means that changes are pending; the usage is on stderr."""
    assert run(arguments) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(said)
    assert "Usage: metaxy" in printed.err


def failing(error: BaseException) -> Mapping[str, LazyCommand | LazyGroup]:
    """A table whose only command, `fail`, raises."""

    def fail() -> None:
        raise error

    class Known(LazyCommand):
        def load(self) -> click.Command:
            return Command("fail", callback=fail)

    return {"fail": Known("", "Fail.")}


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MetaxyError("It is wrong."), 1, "Error: It is wrong.\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "Error: FileNotFoundError: [Errno 2]"),
        (KeyError("x"), 1, f"Error: KeyError: 'x'\nIt was raised at {__file__}:"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_is_told_in_its_way(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """No traceback; what is not expected is told with its place; signals are quiet."""
    monkeypatch.setattr(app.cli, "lazy", failing(error))

    assert run(["fail"]) == code

    printed = capsys.readouterr().err
    assert printed.startswith(said)
    assert "Traceback" not in printed
    assert bool(printed) is bool(said)


def test_what_fails_inside_metaxy_is_called_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message has the file and line of metaxy where it happened."""
    monkeypatch.setattr(app.cli, "lazy", {"fail": LazyCommand("metaxy.no_such:fail", "Fail.")})

    assert run(["fail"]) == 1

    assert re.fullmatch(
        r"Error: ModuleNotFoundError: No module named 'metaxy.no_such'\n"
        r"This is a bug in metaxy, at metaxy/cli/command.py:\d+; please report it. "
        r"`--debug` shows how it came about.\n",
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("arguments", [["fail", "--debug"], ["--debug", "fail"]])
def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Before the command or behind it, `--debug` shows where an error came from."""
    monkeypatch.setattr(app.cli, "lazy", failing(MetaxyError("It is wrong.")))

    assert run(arguments) == 1

    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("Error: It is wrong.\n")


@pytest.mark.parametrize(
    ("value", "is_wanted"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)]
)
def test_the_variable_asks_for_tracebacks(*, value: str, is_wanted: bool) -> None:
    """`METAXY_DEBUG` counts unless it says no."""
    assert debug_wanted({"METAXY_DEBUG": value}) is is_wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_both_names(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """The script of each shell completes `metaxy` and `mx`."""
    assert run(["completion", shell]) == 0

    printed = capsys.readouterr().out
    assert "_METAXY_COMPLETE" in printed
    assert "_MX_COMPLETE" in printed


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` needs no project."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.split()[0] == "metaxy"
