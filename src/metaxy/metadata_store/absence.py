"""Telling that there is no lake where a store looks for one.

Without a lake every feature reads as one without records, which a slip in a path would make a wrong
answer without a word. What is looked at here is looked at only when nothing was found.
"""

import os
import warnings
from collections.abc import Iterator
from inspect import currentframe
from itertools import islice
from pathlib import Path
from typing import Final

from metaxy.errors import NoLakeWarning, nearest, redact
from metaxy.models.keys import SYSTEM_PREFIX

_PACKAGE: Final = str(Path(__file__).parents[1])
_MOST_NEIGHBOURS: Final = 1000
"""So many entries of a folder are looked at for a lake that may have been meant."""


def no_lake(root: str, *, is_local: bool) -> str:
    """Say in sentences that there is no lake at a place, why, and which may have been meant.

    Args:
        root: A path or a URI where nothing was ever written to; may have credentials in it.
        is_local: Whether it is a folder of this machine, which can be looked at.
    """
    reason = _reason(Path(root)) if is_local else "nothing was ever written there"
    meant = _meant(Path(root)) if is_local else None
    question = "" if meant is None else f" Did you mean {str(meant)!r}?"
    return f"There is no lake at '{redact(root)}': {reason}.{question}"


def warn_of_no_lake(told: str) -> None:
    """Warn, at the line of the user's that got here, that all features read as empty.

    Args:
        told: What `no_lake` says.
    """
    warnings.warn(
        f"{told} It reads as a lake without records. Check root_path; if the lake is to be a new "
        "one, the first write makes it.",
        NoLakeWarning,
        stacklevel=_level_of_user(),
    )


def _reason(root: Path) -> str:
    if not os.path.lexists(root):
        return "there is no such folder"
    if not root.is_dir():
        return "that is no folder"
    try:
        is_empty = next(root.iterdir(), None) is None
    except OSError as error:
        return f"the folder can't be listed ({error.strerror})"
    return "the folder is empty" if is_empty else "nothing in the folder was written by metaxy"


def _meant(root: Path) -> Path | None:
    """A lake near by: the folder around, one inside, or one beside of nearly the same name."""
    try:
        inside = list(_lakes_in(root))
        if len(inside) == 1:
            return inside[0]
        if _is_lake(root.parent):
            return root.parent
        beside = {each.name: each for each in _lakes_in(root.parent)}
    except OSError:
        return None
    name = nearest(root.name, beside)
    return None if name is None else beside[name]


def _lakes_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from filter(_is_lake, islice(folder.iterdir(), _MOST_NEIGHBOURS))


def _is_lake(folder: Path) -> bool:
    return (folder / SYSTEM_PREFIX).is_dir()


def _level_of_user() -> int:
    """How many calls lie between `warnings.warn` in the caller and code that isn't metaxy's."""
    # `warnings` itself can skip files from Python 3.12 on.
    level, frame = 0, currentframe()
    while frame is not None and _is_passed_over(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    return level


def _is_passed_over(file: str) -> bool:
    return file.startswith(_PACKAGE) or Path(file).name == "contextlib.py"
