"""Which files of a folder the demo takes, and the copy that it makes of them.

The folder itself is only ever read.
"""

import os
import shutil
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaxy.errors import MetaxyError

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 500_000_000
MOST_BYTES_A_FILE: Final = 4_000_000
SKIPPED_FOLDERS: Final = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "node_modules", "venv"}
)
"""Folders that are not looked into; nor are those whose name begins with a dot."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a folder that the demo takes.

    Attributes:
        folder: Absolute.
        files: Relative to it, with slashes, sorted.
        size_bytes: Of all of them together.
        left_out: How many files are not taken, by reason.
        is_cut: Whether there are more files, which were not looked at.
    """

    folder: Path
    files: tuple[str, ...]
    size_bytes: int
    left_out: Mapping[str, int]
    is_cut: bool = False


def default_folder() -> Path:
    """The standard library of the running Python."""
    return Path(sysconfig.get_path("stdlib"))


def select_files(folder: Path, *, most_files: int = MOST_FILES) -> Selection:
    """Choose files: ordinary, readable, with a name in Unicode, none too large, not too many.

    Raises:
        MetaxyError: There is no such folder, or none of its files can be taken.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise MetaxyError(f"'{folder}' is no folder. Give one with files, or none at all.")
    files: list[str] = []
    left_out: Counter[str] = Counter()
    size_bytes = 0
    is_cut = False
    for path in _paths(folder):
        reason = _reason_against(path)
        if reason is not None:
            left_out[reason] += 1
            continue
        size = path.stat().st_size
        is_cut = len(files) == most_files or size_bytes + size > MOST_BYTES
        if is_cut:
            break
        files.append(path.relative_to(folder).as_posix())
        size_bytes += size
    if not files:
        raise MetaxyError(f"'{folder}' has no files that the demo could take.")
    return Selection(folder, tuple(sorted(files)), size_bytes, dict(left_out), is_cut)


def copy_files(selection: Selection, to: Path) -> None:
    """Copy the files with their times, and make all of them writable."""
    for name in selection.files:
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(selection.folder / name, target)
        stat = (selection.folder / name).stat()
        os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _paths(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith(".")
        )
        yield from (Path(parent, name) for name in sorted(names))


def _reason_against(path: Path) -> str | None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "with a name that is not Unicode"
    if path.is_symlink() or not path.is_file():
        return "that are links or no ordinary files"
    if not os.access(path, os.R_OK):
        return "that can't be read"
    if path.stat().st_size > MOST_BYTES_A_FILE:
        return f"over {MOST_BYTES_A_FILE // 1_000_000} MB"
    return None
