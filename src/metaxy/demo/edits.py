"""What changes between the first round and the second: chosen first, carried out after.

The same files and the same seed give the same edits.
"""

import ast
import os
import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

SEED: Final = 20_240_229
_SMALLEST_SHARE: Final = 10
"""Of a small folder, at most one file in ten goes to each kind of edit (but at least one)."""
_AN_HOUR_NS: Final = 3_600_000_000_000

NEW_FUNCTION: Final = b"\n\ndef added_by_the_demo(value):\n    return value\n"
NEW_COMMENT: Final = b"\n# A comment, added by the demo.\n"
_NEW_FILES: Final = (
    b'"""Added by the demo."""\n\n\ndef first():\n    """Give one."""\n    return 1\n',
    b"def broken(:\n",
    b"ANSWER = 42\n",
    b"class Added:\n    def method(self):\n        return self\n",
    b"async def last(one, *more):\n    return one, more\n",
)
"""With a function, with an error in it, without functions, with a method, with an async one."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Which files are edited how; no file is in two lists.

    Attributes:
        reworked: Python files that get another function.
        commented: Python files that get a comment.
        rewritten: Other files that get another byte.
        touched: Files that get another time, and nothing else.
        deleted: Files that go.
        added: Python files that come; the second of them can't be parsed. Not sorted.
    """

    reworked: tuple[str, ...]
    commented: tuple[str, ...]
    rewritten: tuple[str, ...]
    touched: tuple[str, ...]
    deleted: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def by_kind(self) -> dict[str, list[str]]:
        """The lists by their names, as JSON has them."""
        return {kind: list(files) for kind, files in asdict(self).items()}


def plan_edits(folder: Path, files: Sequence[str], *, seed: int = SEED) -> Edits:
    """Choose what to edit among the files below a folder; nothing is changed yet."""
    shuffled = random.Random(seed).sample(sorted(files), k=len(files))  # noqa: S311  no secret
    share = max(1, len(files) // _SMALLEST_SHARE)
    chosen: set[str] = set()

    def choose(at_most: int, among: Iterable[str]) -> tuple[str, ...]:
        free = (file for file in among if file not in chosen)
        picked = sorted(islice(free, min(at_most, share)))
        chosen.update(picked)
        return tuple(picked)

    python = [file for file in shuffled if file.endswith(".py")]
    others = [file for file in shuffled if not file.endswith(".py")]
    return Edits(
        reworked=choose(12, _still_parsing(folder, python, NEW_FUNCTION)),
        commented=choose(8, _still_parsing(folder, python, NEW_COMMENT)),
        rewritten=choose(4, others),
        touched=choose(40, shuffled),
        deleted=choose(6, shuffled),
        added=_new_names(shuffled, at_most=min(len(_NEW_FILES), share)),
    )


def carry_out(edits: Edits, folder: Path) -> None:
    """Change the files below a folder."""
    for name in edits.reworked:
        _append(folder / name, NEW_FUNCTION)
    for name in edits.commented:
        _append(folder / name, NEW_COMMENT)
    for name in edits.rewritten:
        _append(folder / name, b"\n")
    for name in edits.touched:
        stat = (folder / name).stat()
        os.utime(folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns + _AN_HOUR_NS))
    for name in edits.deleted:
        (folder / name).unlink()
    for name, content in zip(edits.added, _NEW_FILES, strict=False):
        (folder / name).write_bytes(content)


def _still_parsing(folder: Path, files: Iterable[str], addition: bytes) -> Iterator[str]:
    """The files that can be parsed, before and after an addition to their end."""
    for file in files:
        content = (folder / file).read_bytes()
        if _parses(content) and _parses(content + addition):
            yield file


def _parses(content: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(content)
    except Exception:  # noqa: BLE001  a parser has many ways to give up
        return False
    return True


def _new_names(files: Sequence[str], *, at_most: int) -> tuple[str, ...]:
    """Names that no file has, each in a folder that has files."""
    taken = {name.casefold() for name in files}
    folders = dict.fromkeys(PurePosixPath(file).parent for file in files)
    names = (
        str(folder / f"added_by_the_demo_{number}.py")
        for number in range(1, len(files) + at_most + 1)
        for folder in [list(folders)[number % len(folders)]]
    )
    return tuple(islice((name for name in names if name.casefold() not in taken), at_most))


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
