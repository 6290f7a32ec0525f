"""The one module that prints: data to stdout; messages, questions and progress to stderr.

Colours and progress are for terminals; `NO_COLOR` turns colours off there, too. Off a terminal no
line is cut.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Literal, TextIO

Style = Literal["bold", "red", "yellow"]
Cell = str | int | datetime | None
"""A number, a text, a time; None is shown as `-`."""

_CODES: Mapping[Style, str] = {"bold": "1", "red": "31", "yellow": "33"}
_GAP = "  "
_NARROWEST = 12
_CLEAR_LINE = "\r\x1b[K"


def set_up_streams() -> None:
    """Let no character that a stream can't encode end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Write out what is buffered, so that a closed pipe is noticed here and not at exit."""
    sys.stdout.flush()


def abandon() -> None:
    """Make what is still buffered vanish quietly, after the reader has gone."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def data(text: str) -> None:
    """Print what was asked for."""
    print(text.removesuffix("\n"))


def json_data(value: Mapping[str, object]) -> None:
    """Print what was asked for as one JSON object: times are ISO 8601 in UTC, numbers are plain."""
    data(json.dumps(value, indent=2, ensure_ascii=False, default=_json_value))


def message(text: str) -> None:
    """Say something about what was done or is to be done next."""
    print(text, file=sys.stderr)


def error(text: str) -> None:
    """Say what is wrong."""
    message(f"{styled('Error:', 'red', stream=sys.stderr)} {text}")


def warning(text: str) -> None:
    """Say what is probably not as it was meant."""
    message(f"{styled('Warning:', 'yellow', stream=sys.stderr)} {text}")


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, numbers: Collection[str] = ()
) -> None:
    """Print rows in columns: texts to the left; `numbers`, named by their headers, to the right.

    On a terminal that is too narrow the widest columns of text are cut, at an ellipsis; but not the
    first one, which names the row, nor times.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    head, *body = table_lines(headers, rows, numbers=numbers, width=width)
    data("\n".join([styled(head, "bold", stream=sys.stdout), *body]))


def table_lines(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numbers: Collection[str] = (),
    width: int | None = None,
) -> list[str]:
    """Lay out a table, a line a row, the headers first; None is any width."""
    texts = [list(headers), *([shown(cell) for cell in row] for row in rows)]
    columns = range(len(headers))
    is_number = [header in numbers for header in headers]
    is_whole = [any(isinstance(row[at], datetime) for row in rows) for at in columns]
    widths = [max(len(row[at]) for row in texts) for at in columns]
    if width is not None:
        flexible = [at for at in columns if at and not is_number[at] and not is_whole[at]]
        widths = _narrowed(widths, flexible, room=width - len(_GAP) * (len(widths) - 1))
    return [
        _GAP.join(
            cell.rjust(widths[at]) if is_number[at] else _cut(cell, widths[at]).ljust(widths[at])
            for at, cell in enumerate(row)
        ).rstrip()
        for row in texts
    ]


def shown(cell: Cell) -> str:
    """Write a value as a person reads it: `1,234`; the time by the clock on the wall."""
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{cell:,}" if isinstance(cell, int) else cell


def styled(text: str, style: Style, *, stream: TextIO) -> str:
    """Put a text in a style, if the stream shows any."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if has_colours(stream) else text


def has_colours(stream: TextIO | None = None) -> bool:
    """Tell whether a stream, by default stdout, shows colours, and whether they are wanted."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return (stream or sys.stdout).isatty() and not refused


def can_ask() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Ask, and give whether the answer was yes; no answer is no."""
    # Polars takes SIGINT over with its first query, so that reads begin again after Ctrl-C.
    if sys.platform != "win32":
        signal.siginterrupt(signal.SIGINT, True)  # noqa: FBT003  the signature of the library
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def progress(total: int) -> Generator[Callable[[str], None]]:
    """Show how far a long job is: call what this gives with the name of each step, as it begins.

    Nothing is shown off a terminal, and nothing stays when the job is done.
    """
    begun = 0
    with passing_line() as show:

        def begin(step: str) -> None:
            nonlocal begun
            begun += 1
            show(f"{begun}/{total} {step}")

        yield begin


@contextmanager
def passing_line() -> Generator[Callable[[str], None]]:
    """Show what a long job is at: each text takes the place of the one before.

    Nothing is shown off a terminal, and nothing stays when the job is done.
    """
    is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(text: str) -> None:
        if is_shown:
            line = _cut(text, shutil.get_terminal_size().columns - 1)
            print(f"{_CLEAR_LINE}{line}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if is_shown:
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)


def _narrowed(widths: Sequence[int], flexible: Sequence[int], *, room: int) -> list[int]:
    """Take from the widest flexible column until all fit, or none can be narrower."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        widest = max(flexible, key=narrowed.__getitem__, default=None)
        if widest is None or narrowed[widest] <= _NARROWEST:
            break
        narrowed[widest] -= 1
    return narrowed


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value)
