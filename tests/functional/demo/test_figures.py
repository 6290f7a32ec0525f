"""The figures of the demo are those of the files: nothing more is computed, and nothing less."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo_figures import (
    Change,
    Figures,
    files_in,
    first_round,
    is_broken,
    python,
    second_round,
    third_round,
)
from metaxy.demo import default_folder

Perform = Callable[..., Any]


def told(report: Mapping[str, Any], at: int) -> dict[str, Figures]:
    """The figures of one round in the report, by feature."""
    wanted = first_round({})["library/file"].keys()
    return {
        each["feature"]: {name: each[name] for name in wanted}
        for each in report["rounds"][at]["features"]
    }


def check(report: Mapping[str, Any], source: Path, kept: Path) -> None:
    """Compare a report with what the files say."""
    before = files_in(source, files_in(kept / "files").keys() | set(report["edits"]["deleted"]))
    after = files_in(kept / "files")
    change = Change(before, after)

    assert len(before) == report["files"]
    assert sorted(change.added) == sorted(report["edits"]["added"])
    assert sorted(change.deleted) == report["edits"]["deleted"]
    assert sorted(change.touched) == report["edits"]["touched"]
    assert sorted(change.commented) == report["edits"]["commented"]
    assert sorted(change.meaning_other) == report["edits"]["reworked"]
    others = change.rewritten - change.commented - change.meaning_other
    assert sorted(others) == report["edits"]["rewritten"]
    assert told(report, 0) == first_round(before)
    assert told(report, 1) == second_round(change)
    assert told(report, 2) == third_round(after)


def test_each_round_computes_what_was_edited(as_json: Any) -> None:
    """Every figure of every feature in every round is the one that the files themselves give."""
    report = as_json.report

    check(report, as_json.source, as_json.kept)
    assert all(report["edits"].values()), "every kind of edit is there"


def test_broken_files_are_recorded(as_json: Any) -> None:
    """What can't be parsed is a record with its problem, in each run that tries to."""
    problems = [turn["features"][2]["problems"] for turn in as_json.report["rounds"]]
    before, after = files_in(as_json.source), files_in(as_json.kept / "files")

    first, second, third = problems
    assert first == sum(is_broken(before[path]) for path in python(before)) > 0
    assert second == 1
    assert third == sum(is_broken(after[path]) for path in python(after)) > 0


def test_a_folder_without_python_has_only_files_and_ages(tmp_path: Path, perform: Perform) -> None:
    """Any folder will do: features without records are no trouble."""
    (tmp_path / "notes").mkdir()
    for number in range(9):
        (tmp_path / "notes" / f"{number}.txt").write_text(str(number))

    performance = perform(tmp_path / "notes", tmp_path / "kept", "--json")

    check(performance.report, performance.source, performance.kept)


def test_a_single_file_is_enough(tmp_path: Path, perform: Perform) -> None:
    """The smallest folder that there is."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "one.py").write_text("def one(): ...\n")

    performance = perform(tmp_path / "one", tmp_path / "kept", "--json")

    check(performance.report, performance.source, performance.kept)


@pytest.mark.slow
def test_the_standard_library_gives_the_right_figures(tmp_path: Path, perform: Perform) -> None:
    """The folder that is the default has odd files of every kind."""
    performance = perform(default_folder(), tmp_path / "kept", "--json")

    check(performance.report, performance.source, performance.kept)
    assert performance.report["files"] > 500
