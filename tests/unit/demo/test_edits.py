"""Which files are edited, and that the edits do what they are called."""

from itertools import combinations
from pathlib import Path

import pytest

from metaxy.demo.edits import Edits, carry_out, plan_edits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hundred files: each fifth is no Python, each seventh of the others is broken."""
    for number in range(100):
        suffix = ".txt" if number % 5 == 0 else ".py"
        (tmp_path / f"{number:03}{suffix}").write_text("(" if number % 7 == 0 else "x = 1")
    return tmp_path


def names(folder: Path) -> list[str]:
    """The files of the folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_same_files_get_the_same_edits(folder: Path) -> None:
    """In whatever order they come; another seed gives others."""
    files = names(folder)

    assert plan_edits(folder, files) == plan_edits(folder, files[::-1])
    assert plan_edits(folder, files) != plan_edits(folder, files, seed=1)


def test_no_file_is_edited_twice(folder: Path) -> None:
    """So that the figures of each kind of edit add up."""
    edits = plan_edits(folder, names(folder))

    kinds = [set(files) for files in edits.by_kind.values()]
    assert [len(kind) for kind in kinds] == [10, 8, 4, 10, 6, 5]
    assert not any(one & other for one, other in combinations(kinds, 2))


def test_planning_changes_nothing(folder: Path) -> None:
    """Only `carry_out` writes."""
    before = {name: (folder / name).read_bytes() for name in names(folder)}

    plan_edits(folder, names(folder))

    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_files_that_can_not_be_parsed_are_not_reworked(folder: Path) -> None:
    """A new function in a broken file would be no new function."""
    edits = plan_edits(folder, names(folder))

    for name in edits.reworked + edits.commented:
        assert (folder / name).read_text() == "x = 1"
    assert all(name.endswith(".txt") for name in edits.rewritten)


def test_edits_do_what_they_are_called(tmp_path: Path) -> None:
    """One file for each kind of edit."""
    for name in ("reworked.py", "commented.py", "rewritten.bin", "touched", "deleted"):
        (tmp_path / name).write_bytes(b"1")
    modified_ns = (tmp_path / "touched").stat().st_mtime_ns

    carry_out(
        Edits(
            reworked=("reworked.py",),
            commented=("commented.py",),
            rewritten=("rewritten.bin",),
            touched=("touched",),
            deleted=("deleted",),
            added=("one.py", "two.py"),
        ),
        tmp_path,
    )

    assert b"def added_by_the_demo" in (tmp_path / "reworked.py").read_bytes()
    assert (tmp_path / "commented.py").read_bytes().startswith(b"1\n#")
    assert (tmp_path / "rewritten.bin").read_bytes() == b"1\n"
    assert (tmp_path / "touched").read_bytes() == b"1"
    assert (tmp_path / "touched").stat().st_mtime_ns > modified_ns
    assert not (tmp_path / "deleted").exists()
    assert (tmp_path / "one.py").is_file()
    assert (tmp_path / "two.py").is_file()


def test_an_added_file_takes_no_name_that_is_there(tmp_path: Path) -> None:
    """Not even one that differs by case, which some file systems take for the same."""
    (tmp_path / "Added_by_the_demo_1.py").touch()

    edits = plan_edits(tmp_path, ["Added_by_the_demo_1.py"])

    assert edits.added == ("added_by_the_demo_2.py",)
