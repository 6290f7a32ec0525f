"""Delta tables: scanned, created and appended to.

Only this module, `handles` and `maintenance` import deltalake.

It knows nothing of features: a table is a place, rows are frames, and what a commit is about comes
as a `CommitNote`. Three facts of delta-rs shape it (all tried out):

- Two creators of one table may both succeed unless retries are off, so `create` runs with none.
- A commit whose answer was lost may have landed. Each append therefore carries a Delta transaction
  id, and after any error the table is opened anew to see whether it is there.
- Values are cast silently to a table's types, so frames are aligned and checked beforehand.
"""

import inspect
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from metaxy.errors import (
    CommitStateUnknownError,
    MetadataSchemaError,
    StoreError,
    UnreadableTableError,
    WriteConflictError,
    redact,
)
from metaxy.metadata_store import commits
from metaxy.metadata_store.alignment import Alignment, aligned_columns, alignment
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.copied_rows import Copied, MissingRows
from metaxy.metadata_store.failures import told_as
from metaxy.metadata_store.forking import begin_work
from metaxy.metadata_store.handles import Handles, PinnedTable
from metaxy.metadata_store.identity import TransactionName, WriterIdentity, keyed_transaction
from metaxy.metadata_store.obstacles import writing_obstacle
from metaxy.metadata_store.retrying import attempts
from metaxy.metadata_store.secrecy import Secrets
from metaxy.metadata_store.storage import Storage
from metaxy.metadata_store.streaming import BatchStream, record_batches
from metaxy.metadata_store.table_texts import LABELS, TableTexts, read_labels, text_change
from metaxy.metadata_store.web_tables import WebHandles

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
STREAM_PROPERTIES: Final = WriterProperties(
    compression="ZSTD", compression_level=1, max_row_group_size=131_072
)
"""For frames that may not fit into memory: a row group is held in memory as it is written."""

WRITE_OPTIONS: Final = frozenset(inspect.signature(write_deltalake).parameters)
"""The names of what `write_deltalake` takes."""

CREATED_AT: Final = "metaxy_created_at"
_COPIES: Final = "metaxy/copies"
"""The Delta application that all copies into a table commit as."""
_LOOK_BACK_COMMITS: Final = 20
_RETRIES: Final = 200
_FEW: Final = 3
"""So often a commit may fail without anybody else having committed."""
REFUSED: Final = re.compile(r"status code\W+4\d\d")
"""An object store has answered, and said no: what it refuses it won't carry out later."""

Seen = TypeVar("Seen")
Rows = pl.DataFrame | pl.LazyFrame


@dataclass(frozen=True, slots=True)
class Stamped:
    """The rows of a commit.

    Attributes:
        instant_us: Theirs, in microseconds since 1970, UTC.
        height: How many they are; None where the note of the commit tells.
    """

    rows: Rows
    instant_us: int
    height: int | None = None


Stamp = Callable[[PinnedTable, int | None], Stamped]
"""Gives the rows of a commit on top of a table, with an instant that is later than the newest one
in it, which it is told (None: the table has none)."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The outcome of an append.

    Attributes:
        version: The table's version after the append.
        already_committed: The idempotency key had been committed before; nothing was written.
        height: How many rows were written, where `Stamped` told.
    """

    version: int
    already_committed: bool = False
    height: int | None = None


@dataclass(frozen=True, slots=True)
class _Append:
    """One append, however many attempts it takes."""

    path: str
    name: str
    stamp: Stamp
    note: CommitNote
    transaction: TransactionName
    write_id: str
    is_isolated: bool = False


@dataclass(frozen=True, slots=True)
class _CopyAppend:
    """One attempt to append what a table lacks."""

    path: str
    name: str
    note: CommitNote
    transaction: TransactionName
    write_id: str


class DeltaTables:
    """The tables of one lake.

    Args:
        storage: Where the lake lies.
        write_options: More arguments for `write_deltalake`, such as `target_file_size`.
        retry_seconds: How long an append that keeps losing to other writers is tried again.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        write_options: Mapping[str, Any] | None = None,
        retry_seconds: float = 300.0,
    ) -> None:
        self._storage = storage
        self._handles = WebHandles(storage) if storage.is_web else Handles(storage)
        self._write_options = dict(write_options or {})
        self._retry_seconds = retry_seconds
        self._identity = WriterIdentity()
        self._secrets = Secrets(storage.options)

    # --- reading ---------------------------------------------------------------------------------

    def opened(
        self, path: str, *, version: int | None = None, to_commit: bool = False
    ) -> PinnedTable | None:
        """A table at its newest version, or at another; None when there is none.

        Args:
            to_commit: As `Handles.pinned` takes it.

        Raises:
            UnreadableTableError: There is one, but its log can't be read.
        """
        return self._log_says(
            path, lambda: self._handles.pinned(path, version=version, to_commit=to_commit)
        )

    def newest_version(self, path: str) -> int | None:
        """The newest version of a table by a new look at it; None when there is none."""
        table = self.opened(path)
        return None if table is None else table.version()

    def asked(self, path: str, question: Callable[[], Seen]) -> Seen:
        """What an opened table says; what goes wrong in delta-rs is an `UnreadableTableError`."""
        return self._log_says(path, question)

    def _log_says(self, path: str, reading: Callable[[], Seen]) -> Seen:
        begin_work()
        try:
            return reading()
        except BaseException as error:  # noqa: BLE001 -- panics are no Exception
            failure = failure_of(error)
        told = self._secrets.told(failure)
        raise UnreadableTableError(
            f"The Delta table at '{redact(path)}' can't be opened: {told}"
        ) from self._secrets.shown(failure)

    def forget_handles(self) -> None:
        """Open all tables anew from now on; somebody may have put others in their places."""
        self._handles.forget()

    def has(self, path: str, *, since: float | None = None) -> bool:
        """Whether there is a table; `since` as `Handles.taken` takes it."""
        table = self._log_says(path, lambda: self._handles.taken(path, since=since))
        if table is not None:
            self._handles.give_back(path, table)
        return table is not None

    def scan(self, table: PinnedTable) -> pl.LazyFrame:
        """One row a stored row of exactly this version; nothing is read yet.

        The handle must not be moved to another version afterwards: the scan would follow.
        """
        return pl.scan_delta(table)

    def schema(self, table: DeltaTable) -> pl.Schema:
        """The columns of a table as polars reads them."""
        return pl.Schema(table.schema())

    def file_statistics(self, table: DeltaTable) -> pl.DataFrame:
        """One row a data file: `num_records`, and `min.`, `max.`, `null_count.` of the columns.

        Timestamps are cut to milliseconds there; texts up to 64 characters are exact. Comes from
        the log that was read when the table was opened (1,000 files: 1 ms).
        """
        return pl.DataFrame(table.get_add_actions(flatten=True))

    def newest_instant_us(self, table: PinnedTable) -> int | None:
        """An instant that no row of a table is later than; None for a table without any.

        The newest commit doesn't tell: of two that raced, the later one may have the earlier
        instant, and other programs' commits don't say theirs. So the files are asked, too; on an
        object store they alone, because there each commit that is looked back at is a request.
        """
        told = None
        if self._storage.is_local:
            told = commits.newest_instant_us(table.history(_LOOK_BACK_COMMITS))
        stored = self._newest_stored_us(table)
        return max((each for each in (told, stored) if each is not None), default=None)

    def _newest_stored_us(self, table: PinnedTable) -> int | None:
        files = self.file_statistics(table)
        column = f"max.{CREATED_AT}"
        if files.is_empty() or CREATED_AT not in self.schema(table):
            return None
        if column in files.columns and not files[column].has_nulls():
            newest = files.select(pl.col(column).cast(pl.Datetime("us", "UTC")).max().to_physical())
            return int(newest.item()) + 999
        stored = self.scan(table).select(pl.col(CREATED_AT).max().to_physical()).collect().item()
        return None if stored is None else int(stored)

    # --- creating --------------------------------------------------------------------------------

    def create(
        self,
        path: str,
        schema: pl.Schema,
        *,
        name: str,
        properties: Mapping[str, str] | None = None,
        texts: TableTexts | None = None,
    ) -> PinnedTable:
        """Create a table, or give the one that somebody else has just created.

        Raises:
            StoreError: It can't be created.
        """
        begin_work()
        failure: Exception | None = None
        texts = texts or TableTexts()
        for tries, _ in enumerate(attempts(seconds=self._retry_seconds), start=1):
            try:
                DeltaTable.create(
                    path,
                    texts.arrow_schema(schema),
                    mode="error",
                    name=name,
                    description=texts.description or None,
                    configuration={**TABLE_PROPERTIES, **texts.properties, **(properties or {})},
                    storage_options=self._storage.delta_options or None,
                    commit_properties=CommitProperties(max_commit_retries=0),
                    raise_if_key_not_exists=False,
                )
            except BaseException as error:  # noqa: BLE001 -- panics are no Exception
                failure = failure_of(error)
            table = self.opened(path)
            if table is not None:
                return table
            if not self._may_pass(failure) or tries == _FEW:
                break
        raise StoreError(
            f"The table of '{name}' can't be created at '{redact(path)}': "
            f"{self._obstacle(path) or self._secrets.told(failure)}",
            feature=name,
        ) from self._secrets.shown(failure)

    # --- altering --------------------------------------------------------------------------------

    def texts(self, table: PinnedTable) -> TableTexts:
        """What a table and its columns say about themselves."""
        about = table.metadata()
        columns: dict[str, Mapping[str, str]] = {
            each.name: {name: str(text) for name, text in each.metadata.items()}
            for each in table.schema().fields
        }
        return TableTexts(about.description or "", read_labels(about.configuration), columns)

    def alter(self, path: str, columns: pl.Schema, texts: TableTexts, *, name: str) -> None:
        """Give a table the columns that it lacks, and let it say these texts.

        Each kind of change is a commit of its own; one that was cut off goes on when repeated.
        Nothing is committed where nothing is to be changed.

        Raises:
            StoreError: It failed; some of the changes may have been made.
        """
        failure: Exception | None = None
        for _ in attempts(seconds=self._retry_seconds):
            table = self._existing(path, name)
            try:
                self._alter(table, columns, texts)
            except BaseException as error:  # noqa: BLE001 -- panics are no Exception
                failure = failure_of(error)
            else:
                return
            if not isinstance(failure, CommitFailedError):
                break
        raise StoreError(
            f"The table of '{name}' can't be altered: {self._secrets.told(failure)}", feature=name
        ) from self._secrets.shown(failure)

    def _alter(self, table: PinnedTable, columns: pl.Schema, texts: TableTexts) -> None:
        present = self.schema(table)
        lacking = pl.Schema({each: kind for each, kind in columns.items() if each not in present})
        if lacking:
            fields = Schema.from_arrow(texts.arrow_schema(lacking)).fields
            table.alter.add_columns(fields)
        change = text_change(self.texts(table), texts)
        if change.description is not None:
            table.alter.set_table_description(change.description)
        if change.labels is not None:
            labels = json.dumps(change.labels, ensure_ascii=False)
            table.alter.set_table_properties({LABELS: labels}, raise_if_not_exists=False)
        for column, said in change.columns.items():
            table.alter.set_column_metadata(column, dict(said))

    # --- appending -------------------------------------------------------------------------------

    def append(
        self,
        path: str,
        stamp: Stamp,
        note: CommitNote,
        *,
        name: str,
        since: float | None = None,
        is_isolated: bool = False,
    ) -> Commit:
        """Append rows to an existing table in one commit, once, whatever other writers do.

        Args:
            stamp: Called again for every attempt.
            note: Its idempotency key, if any, makes a second append of that key a no-op.
            since: As `Handles.taken` takes it; the instant of the rows is later than all that the
                table has held at that moment.
            is_isolated: Commit right on top of the version that `stamp` was told, or not at all,
                for rows that are worked out from those that are there. Others who commit meanwhile
                make it begin again.

        Raises:
            WriteConflictError: Others kept committing first; nothing was written.
            CommitStateUnknownError: The table can't be reached to see whether the commit landed.
            StoreError: The write failed; nothing was written.
        """
        key = note.idempotency_key
        transaction = self._identity.next_transaction() if key is None else keyed_transaction(key)
        append = _Append(path, name, stamp, note, transaction, uuid.uuid4().hex, is_isolated)
        table = self._existing(path, name, since=since)
        # Nobody has used a name that was just made; looking for it reads the log on a kept handle.
        if key is not None and self._log_says(path, lambda: self._is_committed(table, append)):
            self._handles.give_back(path, table)
            return Commit(table.version(), already_committed=True)
        failure: Exception | None = None
        tries = idle = 0
        for _ in attempts(seconds=self._retry_seconds):
            tries += 1
            seen = table.version()
            text = f"Writing to '{name}' failed, and nothing was written"
            with told_as(text, secrets=self._secrets, feature=name):
                stamped = stamp(table, self.newest_instant_us(table))
            failure = None if stamped.height == 0 else self._attempt(table, append, stamped)
            if failure is None:
                self._handles.give_back(path, table)
                return Commit(table.version(), height=stamped.height)
            table, landed = self._looked_after(
                append, lambda newer, seen=seen: self._landed(newer, append, since=seen)
            )
            if landed is not None:
                return replace(landed, height=stamped.height)
            idle += table.version() == seen
            if not self._may_pass(failure) or idle == _FEW:
                raise self._failed_write(failure, append)
        raise WriteConflictError(
            f"Gave up writing to '{name}' after {tries} attempts: other writers kept committing "
            "first. Nothing was written; write again when there are fewer. "
            f"Last conflict: {self._secrets.told(failure)}",
            attempts=tries,
            feature=name,
        ) from self._secrets.shown(failure)

    def _attempt(self, table: PinnedTable, append: _Append, stamped: Stamped) -> Exception | None:
        """Try to commit on top of what `table` shows; give what went wrong in the lake."""
        rows = stamped.rows
        schema = rows.collect_schema()
        aligning = alignment(schema, self.schema(table))
        _refuse_conflicts(aligning, append.name)
        aligned = rows.select(aligned_columns(schema, aligning.schema))
        data = aligned if isinstance(aligned, pl.DataFrame) else record_batches(aligned)
        if stamped.height is not None:
            append = replace(append, note=replace(append.note, rows=stamped.height))
        return self._written(
            table, data, append, instant_us=stamped.instant_us, evolves=aligning.evolves
        )

    def _written(
        self,
        table: PinnedTable,
        data: Any,  # noqa: ANN401 -- a frame, or a reader of pyarrow, which ships no types
        append: "_Append | _CopyAppend",
        *,
        instant_us: int | None,
        evolves: bool,
    ) -> Exception | None:
        """Commit rows that are aligned already; give what went wrong in the lake."""
        is_isolated = isinstance(append, _Append) and append.is_isolated
        write: Callable[..., None] = write_deltalake
        try:
            write(
                table,
                data,
                mode="append",
                schema_mode="merge" if evolves else None,
                commit_properties=CommitProperties(
                    custom_metadata=append.note.metadata(
                        instant_us=instant_us, write_id=append.write_id
                    ),
                    max_commit_retries=0 if is_isolated else _RETRIES,
                    app_transactions=[Transaction(*append.transaction)],
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                **({"writer_properties": _writer_properties(data)} | self._write_options),
            )
        except BaseException as error:  # noqa: BLE001 -- panics are no Exception
            return failure_of(error)
        return None

    def _is_committed(self, table: DeltaTable, append: _Append) -> bool:
        committed = table.transaction_version(append.transaction.app_id)
        return committed is not None and committed >= append.transaction.version

    def _existing(self, path: str, name: str, *, since: float | None = None) -> PinnedTable:
        """A handle to commit with, that is nobody else's."""
        table = self._log_says(path, lambda: self._handles.taken(path, since=since))
        if table is None:
            raise StoreError(
                f"The table of '{name}' is gone from '{redact(path)}': it was removed while it was "
                "being written to. Write again to create it anew.",
                feature=name,
            )
        return table

    def _landed(self, table: PinnedTable, append: _Append, *, since: int) -> Commit | None:
        """The commit of an append that failed to be acknowledged; None if there is none."""
        if not self._is_committed(table, append):
            return None
        is_ours = append.note.idempotency_key is None or commits.is_of_write(
            table.history(max(table.version() - since, 1)), append.write_id
        )
        return Commit(table.version(), already_committed=not is_ours)

    def _looked_after(
        self, append: "_Append | _CopyAppend", look: Callable[[PinnedTable], Seen]
    ) -> tuple[PinnedTable, Seen]:
        """The table after an attempt that failed, and what a look tells of what has landed.

        Raises:
            CommitStateUnknownError: The lake doesn't answer.
        """
        failure: Exception | None = None
        for _ in islice(attempts(seconds=self._retry_seconds), _FEW):
            try:
                table = self._existing(append.path, append.name)
                return table, self._log_says(append.path, partial(look, table))
            except UnreadableTableError as error:
                failure = error
        raise CommitStateUnknownError(
            f"Whether the last write to '{append.name}' was committed is unknown: {failure}. "
            "Look at the newest rows when the lake answers again, or write again with the same "
            "idempotency_key.",
            feature=append.name,
        ) from failure

    def _may_pass(self, failure: Exception | None) -> bool:
        """Whether an attempt may succeed where another one has failed.

        On an object store that goes for lost answers, too: a repeated commit can't be made twice,
        since it has the same transaction id.
        """
        is_remote = not self._storage.is_local
        return isinstance(failure, CommitFailedError) or (
            is_remote and isinstance(failure, OSError)
        )

    def _obstacle(self, path: str) -> str | None:
        """What keeps a table from being written, where that can be seen."""
        return writing_obstacle(path) if self._storage.is_local else None

    def _failed_write(self, failure: Exception, append: _Append) -> StoreError:
        """What to tell of a write that failed, and hasn't landed as far as could be seen."""
        name = append.name
        told = self._secrets.told(failure)
        is_answered = self._storage.is_local or not isinstance(failure, OSError)
        if not is_answered and not REFUSED.search(told):
            error = CommitStateUnknownError(
                f"Writing to '{name}' failed: {told}. Nothing was written so far, but a request "
                "whose answer was lost may still be carried out. Look at the newest rows later, or "
                "write again with the same idempotency_key.",
                feature=name,
            )
        else:
            told = self._obstacle(append.path) or told
            error = StoreError(
                f"Writing to '{name}' failed, and nothing was written: {told}", feature=name
            )
        error.__cause__ = self._secrets.shown(failure)
        return error

    # --- copying ---------------------------------------------------------------------------------

    def append_missing(
        self, path: str, missing: MissingRows, note: CommitNote, *, name: str
    ) -> Copied:
        """Append what a table lacks in one commit, once, though others may copy the same.

        What it lacks is worked out anew for each attempt, from the very version that is committed
        on. All copies into a table share one Delta application, and delta-rs lets no two commits
        of one application pass that haven't seen each other; so a copy that another one has
        overtaken fails, and looks again. Other writers don't get in the way.

        Raises:
            WriteConflictError: Other copies kept committing first; nothing was written.
            CommitStateUnknownError: The table can't be reached to see whether the commit landed.
            StoreError: The copy failed; nothing was written.
        """
        failure: Exception | None = None
        table = self._existing(path, name)
        tries = idle = 0
        for _ in attempts(seconds=self._retry_seconds):
            tries += 1
            seen = table.version()
            # A handle of its own: a scan follows its handle, and a commit moves that on.
            pinned = self.opened(path, version=seen)
            assert pinned is not None  # noqa: S101 -- it was opened a moment ago
            rows = missing(self.scan(pinned))
            aligning = alignment(rows.schema, self.schema(table))
            _refuse_conflicts(aligning, name)
            stream = BatchStream(
                [each.select(aligned_columns(rows.schema, aligning.schema)) for each in rows.parts],
                aligning.schema,
                on_rows=rows.on_rows,
            )
            if stream.is_empty():
                self._handles.give_back(path, table)
                return Copied(0, seen)
            count = table.transaction_version(_COPIES) or 0
            append = _CopyAppend(
                path, name, note, TransactionName(_COPIES, count + 1), uuid.uuid4().hex
            )
            failure = self._written(
                table, stream.reader(), append, instant_us=None, evolves=aligning.evolves
            )
            if failure is None:
                self._handles.give_back(path, table)
                return Copied(stream.rows, table.version())
            table, _ = self._looked_after(append, lambda _: None)
            newer = table.version() - seen
            if newer and commits.is_of_write(table.history(newer), append.write_id):
                return Copied(stream.rows, table.version())
            idle += not newer
            if not self._may_pass(failure) or idle == _FEW:
                raise StoreError(
                    f"Copying rows to '{name}' failed, and nothing was written: "
                    f"{self._secrets.told(failure)}",
                    feature=name,
                ) from self._secrets.shown(failure)
        raise WriteConflictError(
            f"Gave up copying to '{name}' after {tries} attempts: other copies kept committing "
            f"first. Nothing was written. Last conflict: {self._secrets.told(failure)}",
            attempts=tries,
            feature=name,
        ) from self._secrets.shown(failure)


def _refuse_conflicts(aligning: Alignment, name: str) -> None:
    if aligning.conflicts:
        raise MetadataSchemaError(
            f"Rows of '{name}' can't be written: another writer has just given the table other "
            "types",
            [f"'{each.column}' is {each.got}, not {each.wanted}" for each in aligning.conflicts],
            feature=name,
        )


def _writer_properties(rows: Rows) -> WriterProperties:
    return WRITER_PROPERTIES if isinstance(rows, pl.DataFrame) else STREAM_PROPERTIES


def failure_of(error: BaseException) -> Exception:
    """What went wrong in delta-rs, be it a panic; anything else that is no Exception goes on."""
    if isinstance(error, Exception):
        return error
    if type(error).__name__ == "PanicException":
        return StoreError(f"delta-rs panicked: {error}")
    raise error
