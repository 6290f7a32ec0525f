"""Delta tables: opened, scanned, created and appended to; the one module that imports deltalake.

It knows nothing of features: a table is a place, rows are frames, and what a commit is about comes
as a `CommitNote`. Three facts of delta-rs shape it (all tried out):

- Two creators of one table may both succeed unless retries are off: `DeltaTable.create` runs with 0.
- A commit whose answer was lost may have landed. Each append therefore carries a Delta transaction
  id, and after any error the table is opened anew to see whether it is there.
- Values are cast silently to a table's types, so frames are aligned and checked beforehand.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from metaxy.errors import (
    CommitStateUnknownError,
    MetadataSchemaError,
    StoreError,
    UnreadableTableError,
    WriteConflictError,
    redact,
)
from metaxy.metadata_store import commits
from metaxy.metadata_store.alignment import aligned_columns, alignment
from metaxy.metadata_store.commits import CommitNote

TABLE_PROPERTIES: Final = {
    "delta.appendOnly": "true",
    "delta.enableChangeDataFeed": "true",
    # "interval 100 years" is accepted and silently means 30 days; days are understood.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.checkpointInterval": "20",
}
"""Set on every table: history is kept for good unless somebody vacuums it."""

WRITER_PROPERTIES: Final = WriterProperties(compression="ZSTD", compression_level=1)

CREATED_AT: Final = "metaxy_created_at"
_LOOK_BACK_COMMITS: Final = 20
_RETRIES: Final = 200
_BATCH_ROWS: Final = 131_072

Rows = pl.DataFrame | pl.LazyFrame
Stamp = Callable[[int | None], tuple[Rows, int]]
"""Gives the rows of a commit and their instant (µs since 1970, UTC), which must be later than the
newest instant in the table, which it is told (None: the table has none)."""


class PinnedTable(DeltaTable):
    """A table at one version, whose files have their real names.

    delta-rs percent-encodes `file_uris`, and `polars.scan_delta` then looks for files with percent
    signs in their names when the root of the lake has spaces or non-ASCII characters.
    """

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(*args, **kwargs)]


@dataclass(frozen=True, slots=True)
class Commit:
    """The outcome of an append.

    Attributes:
        version: The table's version after the append.
        already_committed: The idempotency key had been committed before; nothing was written.
    """

    version: int
    already_committed: bool


class WriterIdentity:
    """Names the transactions of one store object: one application id a thread, counting up.

    An id a thread keeps the log short: Delta keeps only the last transaction of each application.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def next_transaction(self) -> Transaction:
        """A transaction that nobody has used."""
        if not hasattr(self._local, "app_id"):
            self._local.app_id = f"metaxy/writer/{uuid.uuid4().hex}"
            self._local.count = 0
        self._local.count += 1
        return Transaction(self._local.app_id, self._local.count)


class DeltaTables:
    """The tables of one lake.

    Args:
        storage_options: Given to delta-rs and to polars alike.
        write_options: More arguments for `write_deltalake`, such as `target_file_size`.
        retry_seconds: How long an append that keeps losing to other writers is tried again.
    """

    def __init__(
        self,
        *,
        storage_options: Mapping[str, str] | None = None,
        write_options: Mapping[str, Any] | None = None,
        retry_seconds: float = 300.0,
    ) -> None:
        self._storage_options = dict(storage_options or {}) or None
        self._write_options = {"writer_properties": WRITER_PROPERTIES, **(write_options or {})}
        self._retry_seconds = retry_seconds
        self._identity = WriterIdentity()

    def opened(self, path: str, *, version: int | None = None) -> PinnedTable | None:
        """A table at its newest version, or at another; None when there is none.

        Raises:
            UnreadableTableError: There is one, but its log can't be read.
        """
        try:
            return PinnedTable(path, version=version, storage_options=self._storage_options)
        except TableNotFoundError:
            return None
        except Exception as error:
            raise UnreadableTableError(
                f"The Delta table at '{redact(path)}' can't be opened: {error}"
            ) from error

    def scan(self, table: PinnedTable) -> pl.LazyFrame:
        """One row a stored row of exactly this version; nothing is read yet.

        The handle must not be used for anything else: the scan would follow it to other versions.
        """
        return pl.scan_delta(table)

    def schema(self, table: DeltaTable) -> pl.Schema:
        """The columns of a table as polars reads them."""
        return pl.Schema(table.schema())

    def file_statistics(self, table: DeltaTable) -> pl.DataFrame:
        """One row a data file: `num_records`, and `min.`, `max.`, `null_count.` of the columns.

        Timestamps are cut to milliseconds there; texts up to 64 characters are exact.
        """
        return pl.DataFrame(table.get_add_actions(flatten=True))

    def newest_instant_us(self, table: DeltaTable) -> int | None:
        """The latest instant that a table's rows may have; None for a table without any."""
        known = commits.newest_instant_us(table.history(_LOOK_BACK_COMMITS))
        if known is not None:
            return known
        statistics = self.file_statistics(table)
        column = f"max.{CREATED_AT}"
        if column not in statistics.columns:
            return None
        newest = statistics[column].cast(pl.Int64).max()
        return None if newest is None else int(newest) + 999  # type: ignore[arg-type]

    def create(
        self,
        path: str,
        schema: pl.Schema,
        *,
        name: str,
        properties: Mapping[str, str] | None = None,
    ) -> PinnedTable:
        """Create a table, or give the one that somebody else has just created."""
        arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        deadline = time.monotonic() + self._retry_seconds
        for pause in _pauses():
            try:
                DeltaTable.create(
                    path,
                    arrow,
                    mode="error",
                    name=name,
                    configuration={**TABLE_PROPERTIES, **(properties or {})},
                    storage_options=self._storage_options,
                    commit_properties=CommitProperties(max_commit_retries=0),
                    raise_if_key_not_exists=False,
                )
            except (DeltaError, OSError) as error:
                failure = error
            else:
                failure = None
            table = self.opened(path)
            if table is not None:
                return table
            if time.monotonic() > deadline or not isinstance(failure, CommitFailedError):
                raise StoreError(
                    f"The table of '{name}' can't be created at '{redact(path)}': {failure}",
                    feature=name,
                ) from failure
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def append(self, path: str, stamp: Stamp, note: CommitNote, *, name: str) -> Commit:
        """Append rows to an existing table in one commit, once, whatever other writers do.

        Args:
            stamp: Called again for every attempt.
            note: Its idempotency key, if any, makes a second append of that key a no-op.

        Raises:
            WriteConflictError: Others kept committing first; nothing was written.
            CommitStateUnknownError: The table can't be reached to see whether the commit landed.
            StoreError: The write failed; nothing was written.
        """
        if note.idempotency_key is None:
            transaction = self._identity.next_transaction()
        else:
            transaction = Transaction(f"metaxy/key/{note.idempotency_key}", 1)
        deadline = time.monotonic() + self._retry_seconds
        for attempt, pause in enumerate(_pauses(), start=1):
            table = self._reopened(path, name=name, first=attempt == 1)
            committed = table.transaction_version(transaction.app_id)
            if committed is not None and committed >= transaction.version:
                return Commit(table.version(), already_committed=attempt == 1)
            failure = self._attempt(table, stamp, note, transaction, name=name)
            if failure is None:
                return Commit(table.version(), already_committed=False)
            if isinstance(failure, CommitFailedError) and time.monotonic() < deadline:
                time.sleep(pause)
                continue
            return self._settled(path, transaction, failure, attempts=attempt, name=name)
        raise AssertionError("pauses never end")

    def clear(self, path: str, schema: pl.Schema, note: CommitNote, *, name: str) -> None:
        """Leave a table with no rows and these columns; older versions stay readable.

        Raises:
            WriteConflictError: Writers kept committing meanwhile.
        """
        deadline = time.monotonic() + self._retry_seconds
        for attempt, pause in enumerate(_pauses(), start=1):
            table = self._reopened(path, name=name, first=attempt == 1)
            instant_us = max(self.newest_instant_us(table) or 0, time.time_ns() // 1000)
            properties = CommitProperties(
                custom_metadata=note.metadata(instant_us=instant_us),
                # An append in between must not be cleared away unseen.
                max_commit_retries=0,
            )
            try:
                table.alter.set_table_properties({"delta.appendOnly": "false"})
                write_deltalake(
                    table,
                    pl.DataFrame(schema=schema),
                    mode="overwrite",
                    schema_mode="overwrite",
                    commit_properties=properties,
                )
                table.alter.set_table_properties(
                    {"delta.appendOnly": "true"}, commit_properties=properties
                )
            except CommitFailedError as error:
                if time.monotonic() > deadline:
                    raise WriteConflictError(
                        f"Gave up dropping '{name}' after {attempt} attempts: others kept writing "
                        "to it. Stop them, and drop again.",
                        attempts=attempt,
                        feature=name,
                    ) from error
                time.sleep(pause)
            else:
                return

    def _attempt(
        self,
        table: PinnedTable,
        stamp: Stamp,
        note: CommitNote,
        transaction: Transaction,
        *,
        name: str,
    ) -> Exception | None:
        """Try to commit on top of what `table` shows; give what went wrong in the lake."""
        rows, instant_us = stamp(self.newest_instant_us(table))
        schema = rows.collect_schema()
        aligning = alignment(schema, self.schema(table))
        if aligning.conflicts:
            raise MetadataSchemaError(
                f"Rows of '{name}' can't be written: another writer has just given the table other "
                "types",
                [
                    f"'{each.column}' is {each.got}, not {each.wanted}"
                    for each in aligning.conflicts
                ],
                feature=name,
            )
        aligned = rows.select(aligned_columns(schema, aligning.schema))
        try:
            write_deltalake(
                table,
                aligned if isinstance(aligned, pl.DataFrame) else _record_batches(aligned),
                mode="append",
                schema_mode="merge" if aligning.evolves else None,
                commit_properties=CommitProperties(
                    custom_metadata=note.metadata(instant_us=instant_us),
                    max_commit_retries=_RETRIES,
                    app_transactions=[transaction],
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                **self._write_options,
            )
        except (DeltaError, OSError) as error:
            return error
        except BaseException as error:
            # A panic in Rust code is no Exception; the write failed like any other.
            if type(error).__name__ != "PanicException":
                raise
            return StoreError(f"delta-rs panicked: {error}", feature=name)
        return None

    def _reopened(self, path: str, *, name: str, first: bool) -> PinnedTable:
        try:
            table = self.opened(path)
        except UnreadableTableError as error:
            if first:
                raise
            raise _unknown_state(name, error) from error
        if table is None:
            raise StoreError(
                f"The table of '{name}' is gone from '{redact(path)}': it was removed while it was "
                "being written to. Write again to create it anew.",
                feature=name,
            )
        return table

    def _settled(
        self,
        path: str,
        transaction: Transaction,
        failure: Exception,
        *,
        attempts: int,
        name: str,
    ) -> Commit:
        """Look whether an append that failed has landed all the same; raise if not."""
        table = self._reopened(path, name=name, first=False)
        committed = table.transaction_version(transaction.app_id)
        if committed is not None and committed >= transaction.version:
            return Commit(table.version(), already_committed=False)
        if isinstance(failure, CommitFailedError):
            raise WriteConflictError(
                f"Gave up writing to '{name}' after {attempts} attempts: other writers kept "
                f"committing first. Nothing was written; write again when there are fewer. "
                f"Last conflict: {failure}",
                attempts=attempts,
                feature=name,
            ) from failure
        raise StoreError(
            f"Writing to '{name}' failed, and nothing was written: {failure}", feature=name
        ) from failure


def _unknown_state(name: str, error: Exception) -> CommitStateUnknownError:
    return CommitStateUnknownError(
        f"Whether the last write to '{name}' was committed is unknown: {error}. Look at the newest "
        "rows when the lake answers again, or write again with the same idempotency_key.",
        feature=name,
    )


def _pauses() -> Iterator[float]:
    """Ever longer random pauses in seconds, without end."""
    longest = 0.02
    while True:
        yield random.uniform(0, longest)  # noqa: S311 -- spreads writers, protects nothing
        longest = min(longest * 2, 1.0)


def _record_batches(rows: pl.LazyFrame) -> pa.RecordBatchReader:
    """Stream a frame without holding it in memory."""
    schema = rows.collect_schema()
    arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.RecordBatchReader.from_batches(arrow, _batches(rows))


def _batches(rows: pl.LazyFrame) -> Iterator[pa.RecordBatch]:
    for chunk in rows.collect_batches(chunk_size=_BATCH_ROWS, engine="streaming"):
        yield from chunk.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
