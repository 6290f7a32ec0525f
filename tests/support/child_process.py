"""Programs that tests start: none outlives the test run, and a failure shows what it wrote.

A child is told to stop, then killed. One that reads its standard input to the end, as the Python
children here do, also stops when the test run is killed; others do so where `setpriv` is there.
"""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Final

TESTS_FOLDER: Final = Path(__file__).parents[1]
LOOPBACK: Final = "127.0.0.1"

_LAST_LINES: Final = 30
_STOP_S: Final = 5.0


class ChildProcessFailed(Exception):  # noqa: N818 - It tells what happened, as pytest's own do.
    """A program ended, or wasn't ready in time; the message ends with the end of its log."""


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this folder, to be started with `cwd=TESTS_FOLDER`."""
    return [sys.executable, "-m", module, *arguments]


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """The command, with the system asked to kill it when the thread that started it ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else list(command)


@contextmanager
def child_process(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A program that runs in the folder of the tests, writes to `log`, and is stopped at the end.

    Its standard input stays open and empty.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - Commands are written in tests.
            command,
            cwd=TESTS_FOLDER,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program: first asked, then killed. One that has ended already is left as it is."""
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(
    ready: Callable[[], bool],
    *,
    what: str,
    logs: Sequence[Path],
    process: subprocess.Popen[bytes],
    timeout_s: float,
) -> None:
    """Ask again and again until `ready` says yes.

    Raises:
        ChildProcessFailed: The process ended, or the time was over.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise ChildProcessFailed(
                f"{what} ended with code {process.returncode}.\n{log_ends(logs)}"
            )
        if time.monotonic() > deadline:
            raise ChildProcessFailed(f"{what} took over {timeout_s:g} s.\n{log_ends(logs)}")
        time.sleep(0.05)


def log_ends(logs: Sequence[Path]) -> str:
    """The last lines of each log, for an error."""
    return "\n".join(_log_end(log) for log in logs)


def _log_end(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"End of {log.name}:", *(lines[-_LAST_LINES:] or ["(it is empty)"])])


def peak_memory_mb() -> int:
    """The most memory that this process has had at once, on Linux.

    `getrusage` doesn't tell it: what it gives begins with what the parent had when it started this
    process, also after an `exec`.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    peak_kb = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak_kb) // 1024


def answers(port: int) -> bool:
    """Whether something takes connections at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int) -> range:
    """Ports in a row that nothing used a moment ago, outside those that clients are given."""
    chance = SystemRandom()
    for _ in range(200):
        first = chance.randrange(15_000, 32_000 - count)
        block = range(first, first + count)
        if all(_is_free(port) for port in block):
            return block
    raise ChildProcessFailed(f"Found no {count} free ports in a row.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
