"""Which files are taken from a folder."""

import os
from pathlib import Path

import pytest

from metaxy.demo import select_files, selection
from metaxy.demo.selection import copy_files


def test_ordinary_files_are_taken_in_order(tmp_path: Path) -> None:
    """Sorted, with slashes, whatever their kind; caches and hidden folders are not looked into."""
    for name in ("b.txt", "a/c.py", ".hidden", ".git/config", "a/__pycache__/c.pyc", "venv/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12")

    chosen = select_files(tmp_path)

    assert chosen.files == (".hidden", "a/c.py", "b.txt")
    assert chosen.size_bytes == 6
    assert chosen.left_out == {}
    assert not chosen.is_cut


def test_what_is_left_out_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, and files over the limit."""
    monkeypatch.setattr(selection, "MOST_BYTES_A_FILE", 4_000_000)
    (tmp_path / "a").write_text("1")
    (tmp_path / "link").symlink_to("a")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(4_000_001)

    chosen = select_files(tmp_path)

    assert chosen.files == ("a",)
    assert chosen.left_out == {"over 4 MB": 1, "that are links or no ordinary files": 1}


def test_a_large_folder_is_cut(tmp_path: Path) -> None:
    """The first files are taken, and it is said that there are more."""
    for name in "abc":
        (tmp_path / name).touch()

    assert select_files(tmp_path, most_files=2).files == ("a", "b")
    assert select_files(tmp_path, most_files=2).is_cut
    assert not select_files(tmp_path, most_files=3).is_cut


def test_a_copy_has_contents_and_times(tmp_path: Path) -> None:
    """A copy can be written to even where the original can't."""
    original = tmp_path / "from" / "a" / "b.py"
    original.parent.mkdir(parents=True)
    original.write_text("x")
    os.utime(original, ns=(1, 1_234_567_891))
    original.chmod(0o444)

    copy_files(select_files(tmp_path / "from"), tmp_path / "to")

    copy = tmp_path / "to" / "a" / "b.py"
    assert copy.read_text() == "x"
    assert copy.stat().st_mtime_ns == 1_234_567_891
    assert copy.stat().st_mode & 0o200
