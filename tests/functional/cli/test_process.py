"""The command line as a process: its start, its signals, its pipes, and a first project."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

METAXY = (sys.executable, "-m", "metaxy.cli")
HEAVY = ("polars", "pyarrow", "pydantic", "deltalake", "narwhals", "sqlglot")


def run_process(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, off a terminal."""
    return subprocess.run(  # noqa: S603  the program under test
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("arguments", [["--help"], ["graph", "--help"], ["--version"], ["statu"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help, the version and a misspelt command need no data frame library and no pydantic."""
    program = (
        "import sys; from metaxy.cli.app import run; run(sys.argv[1:]); "
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )

    ended = run_process(sys.executable, "-c", program, *arguments)

    assert ended.stdout.splitlines()[-1] == "heavy: []"


def test_completion_of_commands_imports_nothing_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that completes the name of a command gets its answer from the table of commands."""
    monkeypatch.setenv("_METAXY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "metaxy me")
    monkeypatch.setenv("COMP_CWORD", "1")

    ended = run_process(sys.executable, "-X", "importtime", *METAXY[1:])

    assert ended.stdout == "plain,metadata\n"
    assert not [name for name in HEAVY if re.search(rf"\| +{name}$", ended.stderr, re.MULTILINE)]


def test_a_first_project_works_at_once(tmp_path: Path) -> None:
    """What `init` says to do next works as printed, and the second run has nothing to do."""
    ended = run_process(*METAXY, "init")
    assert ended.returncode == 0
    assert ended.stdout == "Wrote metaxy.toml\nWrote features.py\nWrote compute.py\n"
    assert "  metaxy push " in ended.stderr

    assert run_process(*METAXY, "status").returncode == 2
    assert run_process(*METAXY, "push").stdout.startswith("Recorded snapshot: ")
    first, second = (run_process(sys.executable, "compute.py") for _ in range(2))

    assert (first.stderr, second.stderr) == ("", "")
    assert first.stdout.splitlines() == [
        "source/file: Increment(added=2, changed=0, removed=0)",
        "source/line_count: Increment(added=2, changed=0, removed=0)",
    ]
    assert second.stdout.splitlines() == [
        "source/file: Increment(added=0, changed=0, removed=0)",
        "source/line_count: Increment(added=0, changed=0, removed=0)",
    ]
    assert run_process(*METAXY, "status").returncode == 0
    assert (tmp_path / ".metaxy/lake").is_dir()


def test_a_closed_pipe_is_quiet() -> None:
    """When the reader goes, the program ends without a word, as one killed by SIGPIPE would."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        ended = subprocess.run(  # noqa: S603  the program under test
            [*METAXY, "--help"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )

    assert ended.returncode == 141
    assert ended.stderr == ""


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C while feature modules are imported ends the program with 130 and no traceback."""
    (tmp_path / "metaxy.toml").write_text('entrypoints = ["slow_features"]\n')
    module = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "slow_features.py").write_text(module)
    with subprocess.Popen(  # noqa: S603  as above
        [*METAXY, "push"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert errors == ""


def test_an_interrupt_ends_a_question() -> None:
    """Polars takes the signal over with its first query, and lets reads begin again after it."""
    program = (
        "import polars; from metaxy.cli import output; polars.LazyFrame({'a': [1]}).collect(); "
        "output.confirmed('Drop?')"
    )

    with subprocess.Popen(  # noqa: S603  the program is ours
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.read(len("Drop? [y/N] ")) == b"Drop? [y/N] "
        time.sleep(0.2)  # until it waits for the answer
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        finally:
            process.kill()

    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize(("no_color", "has_colour"), [("", True), ("1", False)])
def test_no_color_is_respected(
    monkeypatch: pytest.MonkeyPatch, *, no_color: str, has_colour: bool
) -> None:
    """On a terminal headers are bold, unless `NO_COLOR` is set to something."""
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()

    with subprocess.Popen([*METAXY, "list", "stores"], stdout=theirs) as process:  # noqa: S603
        os.close(theirs)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
    os.close(ours)

    assert process.returncode == 0
    assert (b"\x1b[1m" in printed) is has_colour


def _read(terminal: int) -> bytes:
    """Read what is there; nothing when the other side has closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
