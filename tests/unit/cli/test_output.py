"""How tables are laid out, and what is shown where."""

import io
from datetime import UTC, datetime

import pytest

from metaxy.cli import output

HEADERS = ["feature", "records", "note"]
ROWS = [("video/faces", 1234567, None), ("a", None, "a rather long note that may be cut")]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_numbers_stand_right_and_texts_left() -> None:
    """Numbers have thousands separators, what is unknown is a dash, no line ends in blanks."""
    lines = output.table_lines(HEADERS, ROWS, numbers=("records",))

    assert lines == [
        "feature        records  note",
        "video/faces  1,234,567  -",
        "a                    -  a rather long note that may be cut",
    ]


def test_a_table_is_cut_to_the_width_of_the_terminal() -> None:
    """The widest column of text gives way; numbers never do."""
    lines = output.table_lines(HEADERS, ROWS, numbers=("records",), width=42)

    assert lines == [
        "feature        records  note",
        "video/faces  1,234,567  -",
        "a                    -  a rather long not…",
    ]


def test_a_table_is_not_cut_beyond_reading() -> None:
    """Where nothing can give way any more, lines are longer than the terminal is wide."""
    lines = output.table_lines(HEADERS, ROWS, numbers=("records",), width=10)

    assert lines[2] == "a                    -  a rather lo…"


def test_times_are_local_for_people_and_utc_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """JSON has microseconds and a Z; a person reads the clock on the wall."""
    instant = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

    output.json_data({"at": instant, "name": "é"})

    assert capsys.readouterr().out == (
        '{\n  "at": "2026-01-02T03:04:05.000678Z",\n  "name": "é"\n}\n'
    )
    assert output.shown(instant) == instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "\x1b[1mhead\x1b[0m"),
        ({"NO_COLOR": "1"}, "head"),
        ({"NO_COLOR": ""}, "\x1b[1mhead\x1b[0m"),
        ({"TERM": "dumb"}, "head"),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """`NO_COLOR` counts unless it is empty; off a terminal there are none anyway."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert output.styled("head", "bold", stream=Terminal()) == expected
    assert output.styled("head", "bold", stream=io.StringIO()) == "head"


def test_progress_is_shown_on_a_terminal_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes the place of the one before it, and at the end nothing is left."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    with output.progress(2) as begin:
        begin("video")
        begin("video/faces")

    assert terminal.getvalue() == "\r\x1b[K1/2 video\r\x1b[K2/2 video/faces\r\x1b[K"


def test_progress_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets no line of it."""
    with output.progress(1) as begin:
        begin("video")

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answer", "is_yes"),
    [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False)],
)
def test_only_yes_is_yes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    answer: str,
    is_yes: bool,
) -> None:
    """No answer, and the end of the input, are no; the question is asked on stderr."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    assert output.confirmed("Drop it?") is is_yes
    assert capsys.readouterr() == ("", "Drop it? [y/N] ")
