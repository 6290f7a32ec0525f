"""The files of a Delta table, wherever they lie, and how they get to another place byte for byte.

Data files go first and the log follows in the order of its names, so that the table is whole and
readable at every moment, only shorter. A commit is created, never overwritten.
"""

import json
import posixpath
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from metaxy.errors import StoreError, counted, listed, redact

_LOG: Final = "_delta_log"
_LAST_CHECKPOINT: Final = f"{_LOG}/_last_checkpoint"
_PART: Final = ".part"
_CHUNK_BYTES: Final = 8 * 1024 * 1024
_VERSION_DIGITS: Final = 20


@dataclass(frozen=True)
class TableFiles:
    """The folder of a table.

    Attributes:
        filesystem: Of fsspec.
        path: As the file system takes it.
        is_local: Whether it is a folder of this machine.
    """

    filesystem: Any
    path: str
    is_local: bool

    def log_sizes(self) -> dict[str, int]:
        """The size of every file of the log, by its path in the folder."""
        return self._sizes(_LOG)

    def sizes(self) -> dict[str, int]:
        """The size of every file, by its path in the folder."""
        return self._sizes("")

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        content: bytes = self.filesystem.cat_file(self.at(name))
        return content

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file, whole; false if there is one, which is left alone."""
        if not self.is_local:
            try:
                self.filesystem.pipe_file(self.at(name), content, mode="create")
            except OSError:
                if self.filesystem.exists(self.at(name)):
                    return False
                raise
            return True
        part = self._part(name)
        self.filesystem.pipe_file(part, content)
        try:
            self.filesystem.link(part, self.at(name))
        except FileExistsError:
            return False
        finally:
            self.filesystem.rm_file(part)
        return True

    def overwrite(self, name: str, content: bytes) -> None:
        """Write a small file in place of the one that is there, at once."""
        if not self.is_local:
            self.filesystem.pipe_file(self.at(name), content)
            return
        part = self._part(name)
        self.filesystem.pipe_file(part, content)
        self.filesystem.mv(part, self.at(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            self.filesystem.rm_file(self.at(name))

    def put(self, name: str, source: "TableFiles") -> None:
        """Copy a file of another table, in chunks; it appears when it is whole."""
        target = self._part(name) if self.is_local else self.at(name)
        ours = self.filesystem.open(target, "wb")
        try:
            with source.filesystem.open(source.at(name), "rb") as theirs:
                shutil.copyfileobj(theirs, ours, _CHUNK_BYTES)
            ours.close()
        except BaseException:
            self._give_up(ours, target)
            raise
        if self.is_local:
            self.filesystem.mv(target, self.at(name))

    def _give_up(self, file: Any, path: str) -> None:  # noqa: ANN401 -- fsspec has no types
        """Leave nothing of a file that isn't whole."""
        if self.is_local:
            file.close()
            with suppress(OSError):
                self.filesystem.rm_file(path)
            return
        # Closing it would upload what was written so far, as if that were all.
        with suppress(Exception):
            file.discard()
        file.closed = True

    def clear_parts(self) -> None:
        """Remove what a copy that was killed has left."""
        for name in self._sizes("", parts=True):
            with suppress(FileNotFoundError):
                self.filesystem.rm_file(self.at(name))

    def _sizes(self, folder: str, *, parts: bool = False) -> dict[str, int]:
        root = self.at(folder) if folder else self.path
        try:
            found: Mapping[str, Mapping[str, Any]] = self.filesystem.find(root, detail=True)
        except FileNotFoundError:
            return {}
        # The method is part of fsspec's interface in all but name: `find` gives such paths.
        base: str = self.filesystem._strip_protocol(self.path).rstrip("/")  # noqa: SLF001
        return {
            path[len(base) + 1 :]: int(about["size"])
            for path, about in sorted(found.items())
            if path.endswith(_PART) == parts
        }

    def at(self, name: str) -> str:
        """The place of a file."""
        return f"{self.path}/{name}"

    def _part(self, name: str) -> str:
        # At the top of the table, where Delta looks for nothing.
        part = f"{self.path}/.{posixpath.basename(name)}-{uuid.uuid4().hex}{_PART}"
        self.filesystem.makedirs(posixpath.dirname(self.at(name)), exist_ok=True)
        return part


@dataclass(frozen=True, slots=True)
class FilesCopied:
    """What copying the files of a table came to.

    Attributes:
        skipped: Files that were there already.
    """

    copied: int
    skipped: int
    copied_bytes: int


def copy_table_files(source: TableFiles, target: TableFiles) -> FilesCopied:
    """Copy a table with all its versions.

    What others commit to the source meanwhile is left to the next copy.

    Raises:
        StoreError: The target has content that the source doesn't have; nothing was changed.
    """
    # The log is listed before the data, which then has all the files that it speaks of.
    log = source.log_sizes()
    files = source.sizes()
    newest = max(filter(_is_commit, log), default=None)
    if newest is None:
        raise StoreError(f"There is no Delta table at '{redact(source.path)}' (any more).")
    log = {name: size for name, size in log.items() if _is_up_to(name, newest)}
    data = {name: size for name, size in files.items() if not name.startswith(f"{_LOG}/")}
    target.clear_parts()
    there = target.sizes()
    _refuse_other_content(source, target, wanted={**data, **log}, there=there)
    in_order = [*sorted(data), *sorted(log)]
    lacking = [name for name in in_order if name not in there]
    for name in lacking:
        _copy(name, source, target)
    _copy_hint(source, target, newest)
    copied_bytes = sum(files.get(name, 0) for name in lacking)
    return FilesCopied(len(lacking), len(in_order) - len(lacking), copied_bytes)


def _copy(name: str, source: TableFiles, target: TableFiles) -> None:
    if not _is_commit(name):
        target.put(name, source)
        return
    content = source.read(name)
    if not target.create(name, content) and target.read(name) != content:
        raise _other_content(target, [name])


def _copy_hint(source: TableFiles, target: TableFiles, newest: str) -> None:
    """Copy the file that tells the newest checkpoint, unless that came after the newest commit."""
    with suppress(FileNotFoundError):
        content = source.read(_LAST_CHECKPOINT)
        version = int(json.loads(content)["version"])
        if version <= int(posixpath.basename(newest)[:_VERSION_DIGITS]):
            path = f"{target.path}/{_LAST_CHECKPOINT}"
            target.filesystem.pipe_file(path, content)


def _refuse_other_content(
    source: TableFiles, target: TableFiles, *, wanted: Mapping[str, int], there: Mapping[str, int]
) -> None:
    """Refuse a target that isn't the beginning of such a copy.

    Data files have unique names, so their size tells enough. Commits of two tables may well have
    the same name and size, so they are compared.
    """
    wrong = [
        name
        for name, size in there.items()
        if not _is_optional(name)
        and (
            wanted.get(name) != size
            or (_is_commit(name) and target.read(name) != source.read(name))
        )
    ]
    if wrong:
        raise _other_content(target, wrong)


def _other_content(target: TableFiles, names: list[str]) -> StoreError:
    return StoreError(
        f"The table at '{redact(target.path)}' is no copy of the source: "
        f"{counted(len(names), 'file')} there differ: {listed(names, limit=3)}. A history can only "
        "be copied to where there is no table, or an unchanged earlier copy. Copy the rows "
        "(history=False), or copy into another lake."
    )


def _is_commit(name: str) -> bool:
    return name.startswith(f"{_LOG}/") and name[len(_LOG) + 1 :].removesuffix(".json").isdigit()


def _is_optional(name: str) -> bool:
    """Whether a table is the same without this file, which its reader may have made."""
    return name.startswith(f"{_LOG}/") and not _is_commit(name)


def _is_up_to(name: str, newest: str) -> bool:
    number = name[len(_LOG) + 1 :][:_VERSION_DIGITS]
    return number.isdigit() and number <= newest[len(_LOG) + 1 :][:_VERSION_DIGITS]
