"""Delta tables on a plain web server: opened from a copy of their log, read where they lie.

`pl.scan_delta` takes such a table as any other: it is told the URLs of the data files, and reads
the parts of them that it needs.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final, NoReturn
from urllib.parse import quote, unquote

from metaxy.errors import StoreReadOnlyError, redact
from metaxy.metadata_store.handles import PinnedTable
from metaxy.metadata_store.mirrored_log import MirroredLog
from metaxy.metadata_store.storage import Storage


class WebTable(PinnedTable):
    """A table at one version.

    Args:
        log: A copy of the log that reaches to the version.
        options: What Polars reads the files with.
    """

    def __init__(
        self, log: MirroredLog, options: dict[str, Any] | None, *, version: int | None = None
    ) -> None:
        super().__init__(str(log.folder), Storage(str(log.folder)), version=version)
        self._log = log
        self._storage_options = options

    @property
    def table_uri(self) -> str:
        """Where the table lies on the server."""
        return f"{self._log.url}/"

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:  # noqa: ANN401 -- as inherited
        """The URLs of the files of this version."""
        here = f"{self._log.folder}/"
        paths = (path.removeprefix(here) for path in super().file_uris(*args, **kwargs))
        return [f"{self._log.url}/{quote(path)}" for path in paths]

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits, newest first, as far back as the server has them."""
        if limit is None or limit > 1:
            self._log.reach_back(0 if limit is None else self._log.newest + 1 - limit)
        return super().history(limit)

    def missing_files(self) -> Sequence[str]:
        """The files of this version that the server hasn't got any more."""
        below = f"{self._log.url}/"
        uris = self.file_uris()
        paths = [f"{self._log.path}/{unquote(uri.removeprefix(below))}" for uri in uris]
        there = self._log.web.for_each(self._log.web.has, paths)
        return [uri for uri, is_there in zip(uris, there, strict=True) if not is_there]


class WebHandles:
    """The opened tables of a lake on a web server; of use to any number of threads.

    Args:
        storage: Where the lake lies.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock: Final = threading.Lock()
        self._logs: dict[str, MirroredLog] = {}

    def pinned(
        self, path: str, *, version: int | None = None, to_commit: bool = False
    ) -> PinnedTable | None:
        """A table at its newest version, or at another; None when there is none.

        Raises:
            StoreError: The server doesn't answer as it must.
            DeltaError: The log can't be read.
        """
        del to_commit
        log = self._log(path, version)
        if log is None:
            return None
        if version is not None:
            log.reach_back(version)
        return WebTable(log, self._storage.polars_options or None, version=version)

    def taken(self, path: str, *, since: float | None = None) -> NoReturn:
        """Refuse: there is nothing to commit with."""
        del since
        raise StoreReadOnlyError(
            f"'{redact(path)}' is on a web server, which nothing can be written to."
        )

    def give_back(self, path: str, handle: PinnedTable) -> None:
        """Keep nothing: it is the logs that are kept."""

    def forget(self) -> None:
        """Keep none of the copies of logs."""
        with self._lock:
            self._logs.clear()

    def _log(self, path: str, version: int | None) -> MirroredLog | None:
        """The copy of a log, with all commits that there are now, or at least up to a version."""
        with self._lock:
            known = self._logs.get(path)
        is_enough = known is not None and version is not None and version <= known.newest
        if known is not None and (is_enough or known.follow()):
            return known
        log = MirroredLog(self._storage.web, path.removeprefix(f"{self._storage.root}/"))
        if not log.begin():
            return None
        with self._lock:
            self._logs[path] = log
        return log
