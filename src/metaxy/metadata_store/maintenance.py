"""Delta tables whose rows and files are removed: rewritten, cleared, vacuumed.

Tables are append-only, so one is opened for a rewrite and closed again: three commits. Cut off
after the first or the second, the table is whole, and merely not append-only.
"""

import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Final, Literal
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from metaxy.errors import (
    CommitStateUnknownError,
    StoreError,
    UnreadableTableError,
    WriteConflictError,
    redact,
)
from metaxy.metadata_store import commits
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.failures import told_as
from metaxy.metadata_store.handles import PinnedTable
from metaxy.metadata_store.retrying import attempts
from metaxy.metadata_store.streaming import record_batches
from metaxy.metadata_store.tables import REFUSED, STREAM_PROPERTIES, DeltaTables, failure_of

_APPEND_ONLY: Final = "delta.appendOnly"
_FEW: Final = 3
"""So often a commit may fail without anybody else having committed."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is to stay of a table.

    Attributes:
        frame: All rows that stay, with the columns of the table; or, with `is_new_beginning`, with
            those that it is to have.
        is_new_beginning: Whether the columns may be others than before.
        rows: How many records or rows go, as the note of the commit tells.
    """

    frame: pl.LazyFrame
    rows: int = 0
    is_new_beginning: bool = False


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What came of a rewrite; `rows` are those of the `Remainder`."""

    version: int
    rows: int


Remaining = Callable[[PinnedTable], Remainder | None]
"""Works out what is to stay of a table at a version; None when all is."""

Deed = Literal["Dropping", "Deleting"]
_DONE: Final[dict[Deed, str]] = {"Dropping": "dropped", "Deleting": "deleted"}


class MaintainedTables(DeltaTables):
    """The tables of one lake, with what removes something from them."""

    def clear(self, path: str, schema: pl.Schema, note: CommitNote, *, name: str) -> None:
        """Leave a table with no rows and these columns; older versions stay readable.

        Raises:
            WriteConflictError: Writers kept committing meanwhile; nothing was cleared.
            CommitStateUnknownError: The table can't be reached to see whether the commit landed.
            StoreError: It failed; nothing was cleared.
        """
        nothing = Remainder(pl.LazyFrame(schema=schema), is_new_beginning=True)
        self.rewrite(path, lambda _: nothing, note, name=name, deed="Dropping")

    def rewrite(
        self, path: str, remaining: Remaining, note: CommitNote, *, name: str, deed: Deed
    ) -> Rewritten | None:
        """Let only some rows stay in a table, in one commit; older versions stay readable.

        What is to stay is worked out anew for each attempt, from the very version that is committed
        on. So it comes to an end only when nobody commits for as long as the rewrite takes.

        Returns:
            The version of the table with that commit, and what went; None when nothing did.

        Raises:
            WriteConflictError: Others kept committing meanwhile; nothing was done.
            CommitStateUnknownError: The table can't be reached to see whether the commit landed.
            StoreError: It failed; nothing was done.
        """
        try:
            return self._rewrite(path, remaining, note, name=name, deed=deed)
        finally:
            self._make_append_only(path)

    def _rewrite(
        self, path: str, remaining: Remaining, note: CommitNote, *, name: str, deed: Deed
    ) -> Rewritten | None:
        failure: Exception | None = None
        write_id = uuid.uuid4().hex
        first = None
        tries = idle = 0
        for _ in attempts(seconds=self._retry_seconds):
            tries += 1
            table = self._existing(path, name)
            seen = table.version()
            first = seen if first is None else first
            # A handle of its own: a scan follows its handle, and commits move that on.
            pinned = self.opened(path, version=seen)
            text = f"{deed} '{name}' failed, and nothing was {_DONE[deed]}"
            with told_as(text, secrets=self._secrets, feature=name):
                remainder = None if pinned is None else remaining(pinned)
            if remainder is None:
                return None
            failure = self._replaced(table, remainder, note, write_id=write_id)
            if failure is None:
                self._handles.give_back(path, table)
                return Rewritten(table.version(), remainder.rows)
            newest, landed = self._looked_for(path, name, since=first, write_id=write_id)
            if landed:
                return Rewritten(newest, remainder.rows)
            idle += newest == seen
            if not self._may_pass(failure) or idle == _FEW:
                raise self._failed_rewrite(failure, name, deed)
        raise WriteConflictError(
            f"Gave up {deed.lower()} '{name}' after {tries} attempts: others kept writing to it. "
            "Stop them, and do it again.",
            attempts=tries,
            feature=name,
        ) from self._secrets.shown(failure)

    def _failed_rewrite(self, failure: Exception | None, name: str, deed: Deed) -> StoreError:
        """What to tell of a rewrite that failed, and hasn't landed as far as could be seen."""
        told = self._secrets.told(failure)
        is_answered = self._storage.is_local or not isinstance(failure, OSError)
        if is_answered or REFUSED.search(told):
            text = f"{deed} '{name}' failed, and nothing was {_DONE[deed]}: {told}"
            error = StoreError(text, feature=name)
        else:
            error = CommitStateUnknownError(
                f"{deed} '{name}' failed: {told}. Nothing was {_DONE[deed]} so far, but a request "
                "whose answer was lost may still be carried out. Do it again to be sure.",
                feature=name,
            )
        error.__cause__ = self._secrets.shown(failure)
        return error

    def _replaced(
        self, table: PinnedTable, remainder: Remainder, note: CommitNote, *, write_id: str
    ) -> Exception | None:
        """Commit what is to stay on top of what was looked at; give what went wrong."""
        seen = table.version()
        instant_us = max(self.newest_instant_us(table) or 0, time.time_ns() // 1000)
        noted = replace(note, rows=remainder.rows)
        write: Callable[..., None] = write_deltalake
        try:
            if table.metadata().configuration.get(_APPEND_ONLY) != "false":
                table.alter.set_table_properties({_APPEND_ONLY: "false"})
                if table.version() != seen + 1:
                    return CommitFailedError("others have committed meanwhile")
            write(
                table,
                record_batches(remainder.frame),
                mode="overwrite",
                schema_mode="overwrite" if remainder.is_new_beginning else None,
                commit_properties=CommitProperties(
                    custom_metadata=noted.metadata(instant_us=instant_us, write_id=write_id),
                    # delta-rs would move it behind a compaction, whose rows would then stay, too.
                    max_commit_retries=0,
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                **({"writer_properties": STREAM_PROPERTIES} | self._write_options),
            )
        except BaseException as error:  # noqa: BLE001 -- panics are no Exception
            return failure_of(error)
        return None

    def _looked_for(self, path: str, name: str, *, since: int, write_id: str) -> tuple[int, bool]:
        """The newest version after an attempt that failed, and whether its commit is there.

        Raises:
            CommitStateUnknownError: The lake doesn't answer.
        """
        failure: Exception | None = None
        for _ in islice(attempts(seconds=self._retry_seconds), _FEW):
            try:
                table = self._existing(path, name)
                newer = max(table.version() - since, 1)
                history = self.asked(path, partial(table.history, newer))
                return table.version(), commits.is_of_write(history, write_id)
            except UnreadableTableError as error:
                failure = error
        raise CommitStateUnknownError(
            f"Whether rows of '{name}' were removed is unknown: {failure}. Do it again when the "
            "lake answers.",
            feature=name,
        ) from failure

    def _make_append_only(self, path: str) -> None:
        """Close a table that was opened for a rewrite; one that can't be closed stays as it is."""
        for _ in attempts(seconds=10):
            try:
                table = self._log_says(path, lambda: self._handles.taken(path))
                if table is not None and table.metadata().configuration.get(_APPEND_ONLY) != "true":
                    table.alter.set_table_properties({_APPEND_ONLY: "true"})
            except CommitFailedError:
                continue
            except BaseException as error:  # noqa: BLE001 -- panics are no Exception
                failure_of(error)
            return

    # --- files -----------------------------------------------------------------------------------

    def file_names(self, table: PinnedTable) -> frozenset[str]:
        """The files of a version, by their paths in the table's folder."""
        files = self.file_statistics(table)
        return frozenset(map(unquote, files["path"])) if files.height else frozenset()

    def checkpoint(self, path: str) -> int:
        """Write down the newest version of a table as a whole, and give it."""
        table = self.opened(path)
        if table is None:
            raise StoreError(f"There is no Delta table at '{redact(path)}' (any more).")
        self.asked(path, table.create_checkpoint)
        return table.version()

    # --- vacuuming -------------------------------------------------------------------------------

    def unneeded_files(
        self, path: str, *, retention: timedelta, pinned: Collection[int]
    ) -> tuple[str, ...]:
        """The files that `vacuum` would tell, by their paths in the table's folder, sorted."""
        table = self.opened(path)
        if table is None:
            return ()
        return self.asked(path, lambda: _vacuumed(table, retention, pinned, is_dry=True))

    def vacuum(
        self, path: str, *, retention: timedelta, pinned: Collection[int]
    ) -> tuple[str, ...]:
        """Remove files, and tell which.

        Those that no version needs which was the newest within a time, or is pinned; some that are
        gone already may be told, too.

        Files that no version has ever had, as writers leave that were killed, go when they are
        older than that.

        Raises:
            StoreError: It was cut off; some of the files are gone.
        """
        table = self.opened(path)
        if table is None:
            return ()
        self._make_append_only(path)  # a rewrite that was cut off has left it open
        try:
            return _vacuumed(table, retention, pinned, is_dry=False)
        except BaseException as error:  # noqa: BLE001 -- panics are no Exception
            failure = failure_of(error)
        raise StoreError(
            f"Vacuuming the table at '{redact(path)}' was cut off, and may be done again: "
            f"{self._secrets.told(failure)}"
        ) from self._secrets.shown(failure)


def _vacuumed(
    table: PinnedTable, retention: timedelta, pinned: Collection[int], *, is_dry: bool
) -> tuple[str, ...]:
    hours = -(-retention // timedelta(hours=1))  # delta-rs takes whole ones
    about = CommitNote("vacuum").metadata(instant_us=None, write_id=uuid.uuid4().hex)
    files = table.vacuum(
        retention_hours=hours,
        dry_run=is_dry,
        enforce_retention_duration=False,
        full=True,
        keep_versions=sorted(pinned) or None,
        commit_properties=CommitProperties(custom_metadata=about),
        post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
    )
    return tuple(sorted(map(unquote, files)))
