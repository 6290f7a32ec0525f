"""Older versions of Delta tables: their commits, their rows, and what is there in place of one.

A version can be read as long as the log leads to it and all its files are there. Files go when
somebody vacuums, log entries when another program cleans up the log; both leave the newer versions
whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from metaxy.errors import TableVersionNotFoundError, UnreadableTableError, told_time
from metaxy.metadata_store.commits import Entry
from metaxy.metadata_store.handles import PinnedTable
from metaxy.metadata_store.history import TableCommit, table_commit
from metaxy.metadata_store.retrying import attempts
from metaxy.metadata_store.tables import DeltaTables

_TAGS_TOLD = 3
_LED_NOWHERE = "No table metadata or protocol found"
"""What delta-rs says where the log is cleaned up; anything else may be a store out of reach."""


def table_commits(tables: DeltaTables, path: str) -> tuple[TableCommit, ...] | None:
    """The commits of a table, newest first, as far back as its log goes; None without a table."""
    for _ in attempts(seconds=60):
        table = tables.opened(path)
        if table is None:
            return None
        entries = _numbered(tables.asked(path, table.history), table.version())
        # delta-rs counts down from the version of the handle, but starts at the newest commit: one
        # that comes in between shifts all numbers. A log that is whole can be counted from below.
        if len(entries) > table.version() or tables.newest_version(path) == table.version():
            return tuple(map(table_commit, entries))
    raise UnreadableTableError(f"The history of the table at '{path}' can't be read: it changes.")


def _numbered(entries: Sequence[Entry], version: int) -> list[Entry]:
    newest = max(version, len(entries) - 1)
    numbered = [dict(entry) | {"version": newest - at} for at, entry in enumerate(entries)]
    return [entry for entry in numbered if entry["version"] <= version]


@dataclass(frozen=True, slots=True)
class NewestTable:
    """A table at its newest version, and where it lies."""

    tables: DeltaTables
    path: str
    table: PinnedTable

    @property
    def version(self) -> int:
        """The newest version."""
        return self.table.version()


def opened_version(newest: NewestTable, version: int) -> PinnedTable | None:
    """A table at one of its versions; None when it can't be read any more, or isn't there yet.

    Raises:
        UnreadableTableError: The store doesn't answer, or the log is damaged.
    """
    if not 0 <= version <= newest.version:
        return None
    if version == newest.version:
        return newest.table
    try:
        table = newest.tables.opened(newest.path, version=version)
    except UnreadableTableError as error:
        if _LED_NOWHERE in str(error):
            return None
        raise
    if table is None or table.version() != version:
        return None
    # What the newest version needs is there. Only what it doesn't may have been vacuumed away.
    superseded = set(table.file_uris()).difference(newest.table.file_uris())
    if not superseded:
        return table
    missing = newest.tables.asked(newest.path, table.missing_files)
    return None if missing else table


def first_readable(newest: NewestTable, known: Sequence[TableCommit], *, after: int) -> int:
    """The version from which on a table can be read; older ones may be, too.

    Found by halving: vacuums leave an unbroken row of newer versions, purges one on either side.

    Args:
        after: A version that can't be read.
    """
    high = newest.version
    low = min((each.version for each in known), default=high)
    if low <= after < high:
        low = after + 1
    while low < high:
        middle = (low + high) // 2
        if opened_version(newest, middle) is None:
            low = middle + 1
        else:
            high = middle
    return high


def version_error(
    subject: str,
    version: int,
    known: Sequence[TableCommit],
    *,
    first: int,
    tags: Mapping[str, int],
    store: str,
    feature: str,
) -> TableVersionNotFoundError:
    """Tell that a version can't be read, and what can.

    Args:
        known: The commits of the table, newest first.
        first: The first version that can be read.
        tags: The version that each tag pins.
    """
    times = {each.version: each.committed_at for each in known}
    last = max(times, default=first)
    fate = "has no version" if not 0 <= version <= last else "can't be read any more at version"
    near = sorted(tags.items(), key=lambda each: (abs(each[1] - version), each))[:_TAGS_TOLD]
    tagged = ", ".join(f"{name!r} (version {pinned})" for name, pinned in near)
    return TableVersionNotFoundError(
        f"{subject} {fate} {version}. Readable are version {first} ({_told(times.get(first))}) to "
        f"version {last} ({_told(times.get(last))})."
        + (f" Tags nearby: {tagged}." if near else "")
        + f" See `metaxy history {feature}`.",
        table_version=version,
        first=first,
        last=last,
        store=store,
        feature=feature,
    )


def _told(instant: datetime | None) -> str:
    return "at an unknown time" if instant is None else told_time(instant)
