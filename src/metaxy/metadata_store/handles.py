"""Opened Delta tables: pinned ones to read, and ones to commit with, kept where opening is dear.

On a local disk a table is opened anew each time (milliseconds, and the newest state for sure). On
an object store opening takes tens of requests, so handles are kept: one request tells whether there
is anything new, and readers are told what is from one more a commit, while the handle itself stays
behind until somebody commits with it (three requests a commit). A scan that was made earlier must
stay as it was, so readers get a `CapturedTable`, which the handle leaves behind when it moves on.

Nobody waits for anybody: a handle that is in use is not there for others, who open their own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from metaxy.metadata_store.advancing import Answers, advanced
from metaxy.metadata_store.obstacles import refuse_hidden
from metaxy.metadata_store.storage import Storage

_LONGEST_WAY_COMMITS: Final = 100
"""A handle slows down with the commits that it has seen (14 to 41 ms an append at 400)."""
_MOST_IDLE: Final = 8
"""So many handles are kept for a table; more come of many threads that use it at once."""
_FEW_COMMITS: Final = 8
"""So many new commits are read one by one; more are left to delta-rs."""
_DELETION_VECTORS: Final = "deletionVectors"


class PinnedTable(DeltaTable):
    """A table at one version, whose files have their real names.

    delta-rs percent-encodes `file_uris`, and `polars.scan_delta` then looks for files with percent
    signs in their names when the root of the lake has spaces or non-ASCII characters.
    """

    def __init__(self, path: str, storage: Storage, *, version: int | None = None) -> None:
        self.looked_at = time.monotonic()
        super().__init__(path, version=version, storage_options=storage.delta_options or None)
        # From here on they are only what Polars reads the files with.
        self._storage_options: dict[str, Any] | None = storage.polars_options or None
        self.first_version = self.version()
        self._shown: Answers | None = None

    @property
    def shown(self) -> Answers:
        """What readers are told of the table; of a newer version than the handle's own, maybe."""
        if self._shown is None or self._shown["version"]() < self.version():
            self._shown = _answers(self)
        return self._shown

    @shown.setter
    def shown(self, answers: Answers) -> None:
        self._shown = answers

    @property
    def shown_version(self) -> int:
        """The version that readers are told of."""
        return max(self.version(), -1 if self._shown is None else self._shown["version"]())

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:  # noqa: ANN401 -- as inherited
        """The files of this version, as the file system names them."""
        return [unquote(uri) for uri in super().file_uris(*args, **kwargs)]

    def missing_files(self) -> Sequence[str]:
        """The files of this version that aren't there any more; lists the table's folder."""
        missing: Sequence[str] = self.repair(dry_run=True)["files_removed"]
        return missing


class CapturedTable(PinnedTable):
    """What a handle showed at some moment, for readers, whatever has become of the handle.

    It answers all that `polars.scan_delta` and metaxy ask a table for. Whoever asks for more, or
    changes the table, makes it open a handle of its own first, at the same version.
    """

    def __init__(self, answers: Answers, path: str, storage: Storage) -> None:
        # Not the base's: it would read the log.
        self._storage_options = storage.polars_options or None
        version: int = answers["version"]()
        self.first_version = version
        self.looked_at = 0.0
        self._shown = None
        self._table: Any = _CapturedRaw(
            answers, lambda: _raw(PinnedTable(path, storage, version=version))
        )


class _CapturedRaw:
    """The answers of delta-rs's own table object; others come from one that is opened for them."""

    def __init__(self, answers: Answers, reopened: Callable[[], Any]) -> None:
        vars(self).update(answers)
        self._names = tuple(answers)
        self._reopened = reopened

    def file_uris(self, *predicate: object) -> Any:  # noqa: ANN401 -- of a library without types
        if "all_file_uris" in vars(self) and not any(predicate):
            return self.all_file_uris
        return self.__getattr__("file_uris")(*predicate)

    def get_add_actions(self, flatten: bool) -> Any:  # noqa: ANN401, FBT001 -- as in delta-rs
        if "flat_add_actions" in vars(self):
            return self.flat_add_actions if flatten else self.add_actions
        return self.__getattr__("get_add_actions")(flatten)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if "_live" not in vars(self):
            # From now on all answers are one handle's: it may be moved.
            self._live = self._reopened()
            for each in self._names:
                del vars(self)[each]
        return getattr(self._live, name)


def _answers(handle: PinnedTable) -> Answers:
    """What a handle says now, under the names of the raw table's methods."""
    raw = _raw(handle)
    return {
        "version": _constant(raw.version()),
        "schema": raw.schema,
        "metadata": _constant(raw.metadata()),
        "protocol_versions": _constant(raw.protocol_versions()),
        "get_add_file_sizes": _constant(raw.get_add_file_sizes()),
        "table_uri": _constant(unquote(raw.table_uri())),
        "all_file_uris": raw.file_uris(),
        "flat_add_actions": raw.get_add_actions(True),  # noqa: FBT003
        "add_actions": raw.get_add_actions(False),  # noqa: FBT003
    }


def _raw(table: PinnedTable) -> Any:  # noqa: ANN401 -- of a library without types
    """The table object in Rust, which Polars asks, too."""
    return table._table  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- some of what it tells has no public method


def _answers_of_folder(folder: Path) -> Answers:
    """What a table in a folder of this machine says."""
    return _answers(PinnedTable(str(folder), Storage(str(folder))))


def _latest_version(handle: PinnedTable) -> int | None:
    """The newest version by a look at the log; None when it isn't that table any more."""
    try:
        latest: int = _raw(handle).get_latest_version()
    except (DeltaError, OSError):
        return None
    return latest


def _constant(value: Any) -> Callable[[], Any]:  # noqa: ANN401 -- of a library without types
    return lambda: value


class Handles:
    """The opened tables of one lake; of use to any number of threads.

    Args:
        storage: Where the lake lies.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._idle: dict[str, list[PinnedTable]] = {}

    def pinned(
        self, path: str, *, version: int | None = None, to_commit: bool = False
    ) -> PinnedTable | None:
        """A table at its newest version, or at another, to read; None when there is none.

        Args:
            to_commit: Somebody is about to commit: the handle, too, is to be at the newest version.

        Raises:
            OSError, DeltaError: There is one, but its log can't be read.
        """
        if self._storage.is_local or version is not None:
            return self._opened(path, version)
        handle = self.taken(path) if to_commit else self._shown_newest(path)
        if handle is None:
            return None
        table = CapturedTable(handle.shown, path, self._storage)
        self.give_back(path, handle)
        if _DELETION_VECTORS in (table.protocol().reader_features or ()):
            # Only delta-rs's own table can give them.
            return self._opened(path, table.version())
        return table

    def taken(self, path: str, *, since: float | None = None) -> PinnedTable | None:
        """A handle on the newest version that is nobody else's; None when there is no table.

        Args:
            since: A moment (`time.monotonic`) from which on a look at the newest version counts as
                new enough; None for a new look.

        Raises:
            OSError, DeltaError: The log can't be read.
        """
        while (handle := self._popped(path)) is not None:
            is_current = handle.shown_version == handle.version()
            if since is not None and handle.looked_at >= since and is_current:
                return handle
            if self._has_caught_up(handle):
                return handle
        return self._opened(path, None)

    def give_back(self, path: str, handle: PinnedTable) -> None:
        """Keep a handle for the next one to need it, unless it is worn out."""
        if self._storage.is_local:
            return
        with self._lock:
            idle = self._idle.setdefault(path, [])
            is_fresh = handle.version() - handle.first_version < _LONGEST_WAY_COMMITS
            if is_fresh and len(idle) < _MOST_IDLE:
                idle.append(handle)

    def forget(self) -> None:
        """Keep none of the handles."""
        with self._lock:
            self._idle.clear()

    def _popped(self, path: str) -> PinnedTable | None:
        with self._lock:
            idle = self._idle.get(path)
            return idle.pop() if idle else None

    def _shown_newest(self, path: str) -> PinnedTable | None:
        """A handle that is nobody else's and shows the newest version; None without a table."""
        while (handle := self._popped(path)) is not None:
            looked_at = time.monotonic()
            latest = _latest_version(handle)
            if latest is None or latest < handle.shown_version:
                continue  # it isn't that table any more
            if latest == handle.shown_version or self._is_told_to(handle, path, latest):
                handle.looked_at = looked_at
                return handle
            if self._has_caught_up(handle, latest=latest):
                return handle
        return self._opened(path, None)

    def _is_told_to(self, handle: PinnedTable, path: str, latest: int) -> bool:
        """Show a newer version by what the commits up to it say; False where that isn't enough."""
        new = range(handle.shown_version + 1, latest + 1)
        if len(new) > _FEW_COMMITS or latest - handle.version() > _LONGEST_WAY_COMMITS:
            return False
        try:
            commits = [self._commit(path, version) for version in new]
            shown = advanced(handle.shown, commits, ask=_answers_of_folder)
        except Exception:  # noqa: BLE001 -- delta-rs will tell what is the matter, if anything is
            return False
        if shown is None:
            return False
        handle.shown = shown
        return True

    def _commit(self, path: str, version: int) -> bytes:
        # With a start it is one request; without, s3fs asks for the size first.
        file = f"{path}/_delta_log/{version:020}.json"
        content: bytes = self._storage.filesystem.cat_file(file, start=0)
        return content

    def _has_caught_up(self, handle: PinnedTable, *, latest: int | None = None) -> bool:
        """Move a handle to the newest version; False when it isn't that table any more.

        `update_incremental` alone takes a table that was removed, or removed and made anew, for one
        in which nothing has happened. It needs no look beforehand where something has.

        Args:
            latest: The newest version by a look at it.
        """
        looked_at = time.monotonic()
        shown = handle.shown_version
        if shown == handle.version() and latest is None:
            latest = _latest_version(handle)
            if latest is None:
                return False
        try:
            if latest != handle.version():
                handle.update_incremental()
        except (DeltaError, OSError):
            return False
        handle.looked_at = looked_at
        return handle.version() >= max(shown, latest or 0)

    def _opened(self, path: str, version: int | None) -> PinnedTable | None:
        try:
            return PinnedTable(path, self._storage, version=version)
        except TableNotFoundError:
            if self._storage.is_local:
                refuse_hidden(path)
            return None
