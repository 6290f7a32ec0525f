"""The log of a Delta table on a web server, as a copy in a temporary folder that delta-rs can open.

delta-rs lists the log of a table, and web servers have no listings that it understands. The names
in a log are known beforehand, though: commits are numbered without gaps, and `_last_checkpoint`
tells where a reader may begin. So commits are asked for by number until there is none.
"""

import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from metaxy.metadata_store.web import WebFolder

_LOG: Final = "_delta_log"
_HINT: Final = "_last_checkpoint"
_FEW: Final = 8
_MANY: Final = 64


class MirroredLog:
    """A copy of a table's log, as far back as anybody has asked for.

    The copy is removed when nothing refers to it any more, tables that were opened from it among
    them, or else when the process ends.

    Args:
        web: The lake.
        path: Of the table in the lake.
    """

    def __init__(self, web: WebFolder, path: str) -> None:
        self.web = web
        self.path = path
        self.folder = Path(tempfile.mkdtemp(prefix="metaxy-log-"))
        self.newest = -1
        self._oldest = 0
        self._lock = threading.Lock()
        (self.folder / _LOG).mkdir()
        weakref.finalize(self, _removed, self.folder, os.getpid())

    @property
    def url(self) -> str:
        """The folder of the table, encoded."""
        return self.web.at(self.path)

    def begin(self) -> bool:
        """Copy the newest checkpoint and what came after; false if there is no table."""
        with self._lock:
            checkpoint = self._copied_checkpoint()
            if checkpoint is not None:
                self.newest = checkpoint
                # Delta may have cleaned it up; the checkpoint says all that it said.
                self._oldest = checkpoint + (not self._copied([checkpoint]))
            self._catch_up(_FEW)
            if self.newest < 0:
                return False
            newest = self._name(self.newest)
            if (self.folder / newest).exists():
                self.web.check_ranges(f"{self.path}/{newest}")
            return True

    def follow(self) -> bool:
        """Copy what is new; false if this table is gone, or there is another one in its place."""
        with self._lock:
            newest = self.folder / self._name(self.newest)
            known = newest.read_bytes() if newest.exists() else None
            if known is not None and self._content(self.newest) != known:
                return False
            self._catch_up(1)
            return True

    def reach_back(self, version: int = 0) -> None:
        """Copy older commits, as many as there are, so that a version can be opened."""
        with self._lock:
            while self._oldest > max(version, 0):
                wanted = list(range(max(self._oldest - _MANY, 0), self._oldest))
                found = self._copied(reversed(wanted))
                self._oldest -= found
                if found < len(wanted):
                    return

    def _catch_up(self, at_once: int) -> None:
        while True:
            found = self._copied(range(self.newest + 1, self.newest + 1 + at_once))
            self.newest += found
            if found < at_once:
                return
            at_once = min(max(at_once * 2, _FEW), _MANY)

    def _copied(self, versions: Iterable[int]) -> int:
        """Copy commits up to the first that isn't there; how many they are.

        One behind such a gap was made while others were asked for, and will be found next time.
        """
        wanted = list(versions)
        contents = (
            [self._content(wanted[0])]
            if len(wanted) == 1
            else self.web.for_each(self._content, wanted)
        )
        for count, (version, content) in enumerate(zip(wanted, contents, strict=True)):
            if content is None:
                return count
            self._keep(self._name(version), content)
        return len(wanted)

    def _content(self, version: int) -> bytes | None:
        return self.web.read(f"{self.path}/{self._name(version)}")

    def _copied_checkpoint(self) -> int | None:
        """Copy the newest checkpoint; its version, or None if there is none that can be used."""
        hint = self.web.read(f"{self.path}/{_LOG}/{_HINT}")
        told = None if hint is None else _checkpoint_files(hint)
        if told is None:
            return None
        version, names = told
        contents = self.web.for_each(self.web.read, [f"{self.path}/{name}" for name in names])
        for name, content in zip(names, contents, strict=True):
            if content is None:
                return None
            self._keep(name, content)
        return version

    def _keep(self, name: str, content: bytes) -> None:
        # Somebody may open the table at this very moment, and must see whole files.
        part = self.folder / "part"
        part.write_bytes(content)
        part.replace(self.folder / name)

    @staticmethod
    def _name(version: int) -> str:
        return f"{_LOG}/{version:020}.json"


def _checkpoint_files(hint: bytes) -> tuple[int, list[str]] | None:
    """The version and the files of a checkpoint; None of a hint that can't be used."""
    try:
        told: dict[str, Any] = json.loads(hint)
        version, parts = int(told["version"]), told.get("parts")
    except (ValueError, KeyError, TypeError):
        return None
    start = f"{_LOG}/{version:020}.checkpoint"
    if parts is None:
        return version, [f"{start}.parquet"]
    return version, [f"{start}.{part:010}.{parts:010}.parquet" for part in range(1, parts + 1)]


def _removed(folder: Path, owner: int) -> None:
    # A process that was forked off must leave the folder to its owner.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
