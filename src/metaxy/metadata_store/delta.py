"""The Delta store: one append-only Delta table a feature, in one folder."""

import inspect
import os
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Self, cast

import narwhals as nw
import polars as pl
from narwhals.typing import Frame
from pydantic import Field

from metaxy.errors import (
    ConfigError,
    StoreReadOnlyError,
    TableVersionNotFoundError,
    UnreadableTableError,
    did_you_mean,
    listed,
    redact,
)
from metaxy.metadata_store import commits, system
from metaxy.metadata_store.absence import no_lake
from metaxy.metadata_store.base import AccessMode, MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.copied_rows import Copied, MissingRows
from metaxy.metadata_store.deleting import marked_erasure
from metaxy.metadata_store.frames import Filter, conditions
from metaxy.metadata_store.handles import PinnedTable
from metaxy.metadata_store.hash_settings import HashSettings, still_agreed
from metaxy.metadata_store.history import TableCommit
from metaxy.metadata_store.interface import StoreInterface, WorkOut, WorkOutErasure
from metaxy.metadata_store.maintenance import MaintainedTables, Remainder
from metaxy.metadata_store.marked_files import found_in_files
from metaxy.metadata_store.marks import Found, Marks
from metaxy.metadata_store.older_versions import plans_by_version
from metaxy.metadata_store.paths import Layout, absolute_root, key_of_path, table_path
from metaxy.metadata_store.scrubbing import scrub_log
from metaxy.metadata_store.storage import Storage
from metaxy.metadata_store.store_config import MetadataStoreConfig
from metaxy.metadata_store.table_files import TableFiles
from metaxy.metadata_store.table_texts import TableTexts
from metaxy.metadata_store.tables import WRITE_OPTIONS, Rows, Stamped
from metaxy.metadata_store.tagging import tags_of_table
from metaxy.metadata_store.versions import (
    NewestTable,
    first_readable,
    opened_version,
    table_commits,
    version_error,
)
from metaxy.metadata_store.view import LakeView, lake_view
from metaxy.metadata_store.writing import WriteResult, next_instant, with_instant
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.scope import fulfilling
from metaxy.versioning.system_columns import CREATED_AT, FEATURE_VERSION, STAMPS
from metaxy.versioning.types import HashAlgorithm

DEFAULT_ROOT: Final = ".metaxy/lake"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_HISTORY: Final = 32
"""Up to this many commits the log is read to learn their instants; reading it costs more then."""


class DeltaMetadataStoreConfig(MetadataStoreConfig):
    """The options of a Delta store."""

    root_path: str = Field(
        default=DEFAULT_ROOT, description="The folder of the lake; created by the first write."
    )
    layout: Layout = Field(
        default="nested",
        description="Where tables lie: 'nested' (video/faces.delta) or 'flat' (video__faces.delta)."
        " All who use a lake must say the same.",
    )
    storage_options: dict[str, str] | None = Field(
        default=None,
        description="How an object store is reached: aws_endpoint_url, aws_region,"
        " aws_access_key_id, aws_secret_access_key, aws_profile and others. What isn't given comes"
        " from the environment.",
        repr=False,
    )
    delta_write_options: dict[str, Any] | None = Field(
        default=None,
        description="More arguments for deltalake.write_deltalake, such as target_file_size.",
    )


class DeltaMetadataStore(MetadataStore):
    """A lake of Delta tables in a folder.

    Any number of threads, processes and machines may write to one lake at a time: each write is one
    commit, and none is lost or doubled.

    Args:
        root_path: The folder of the lake. A relative one is taken from the folder that is current
            now. It is created by the first write.
        layout: "nested" keeps the table of `video/faces` in `video/faces.delta`, "flat" in
            `video__faces.delta`. All who use a lake must say the same.
        storage_options: How an object store is reached; one set for all libraries, under the names
            of delta-rs or of s3fs. What isn't given comes from the environment.
        delta_write_options: More arguments for `deltalake.write_deltalake`; not those that a commit
            is made with.
        options: Those of every store, see `MetadataStore`.

    Raises:
        ConfigError: An option can't be used.
        TypeError: There is no such option; tells the nearest.
    """

    supports_idempotency_keys: ClassVar[bool] = True

    def __init__(
        self,
        root_path: str | os.PathLike[str] = DEFAULT_ROOT,
        *,
        layout: Layout = "nested",
        storage_options: Mapping[str, str] | None = None,
        delta_write_options: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 -- those of the base class, which checks them
    ) -> None:
        if type(self) is DeltaMetadataStore:  # others may have options of their own
            _check_options(options)
        super().__init__(**options)
        if layout not in ("nested", "flat"):
            raise ConfigError(
                f"layout is {layout!r}; a lake is 'nested' or 'flat'.", setting="layout"
            )
        _check_write_options(delta_write_options or {})
        self.root_path = absolute_root(root_path)
        self.layout: Layout = layout
        self._storage_options = dict(storage_options or {})
        self._write_options = dict(delta_write_options or {})
        self._make_tables()

    def _make_tables(self) -> None:
        self._storage = Storage.of(self.root_path, self._storage_options)
        self._tables = MaintainedTables(self._storage, write_options=self._write_options)
        self._lake_settings: HashSettings | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        # What the environment or a profile adds to the options is looked up where it is unpickled.
        del state["_tables"], state["_storage"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._make_tables()

    @contextmanager
    def open(self, mode: AccessMode = "read") -> Generator[Self]:
        """Open the store for the length of a block; see `MetadataStore.open`."""
        if mode == "write" and self._storage.is_web:
            raise StoreReadOnlyError(
                f"{self.display()} is on a web server, which it can only be read from. Write to a "
                "lake of your own that has it among its fallback_stores, or to the folder itself "
                "that the server serves.",
                store=self.display(),
            )
        if not self.is_open:
            self._forget()
        try:
            yield self
        finally:
            if not self.is_open:
                self._forget()

    def _forget(self) -> None:
        self._lake_settings = None
        self._tables.forget_handles()

    @classmethod
    def config_model(cls) -> type[DeltaMetadataStoreConfig]:
        """The model of a Delta store's options."""
        return DeltaMetadataStoreConfig

    def display(self) -> str:
        """Name the store for people, without credentials."""
        return f"DeltaMetadataStore({redact(self.root_path)})"

    def table_path(self, feature: CoercibleToFeatureKey) -> str:
        """The folder of a feature's table, for other programs that read Delta tables."""
        return table_path(self.root_path, FeatureKey(feature), self.layout)

    def get_store_metadata(self, feature_key: CoercibleToFeatureKey) -> dict[str, Any]:
        """Where the feature's table lies, and its newest version (None without a table)."""
        path = self.table_path(feature_key)
        table = self._tables.opened(path)
        return {
            "store": self.display(),
            "path": redact(path),
            "table_version": None if table is None else table.version(),
        }

    # --- reading ---------------------------------------------------------------------------------

    def read_metadata_in_store(
        self,
        feature: CoercibleToFeatureKey,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        **kwargs: Any,  # noqa: ANN401 -- as in the base class
    ) -> nw.LazyFrame[Any] | None:
        """All rows of a feature's table, as it is now; None without rows, as after a drop."""
        del kwargs
        table = self._opened(FeatureKey(feature))
        if table is None or not table.count():
            return None
        rows = fulfilling(self._tables.scan(table), conditions(filters))
        return nw.from_native(rows if columns is None else rows.select(columns))

    def scan_in_store(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows of one feature version (None: of all); None without rows of any version."""
        table = self._opened(key)
        return None if table is None else self._scan(table, feature_version)

    def _scan(self, table: PinnedTable, feature_version: str | None) -> Scan | None:
        files = self._tables.file_statistics(table)
        if files.is_empty():
            return None
        instants = None
        if (
            feature_version is not None
            and self._storage.is_local  # where reading the history is no request a commit
            and table.version() < _SHORT_HISTORY
        ):
            told = commits.instants_us(table.history(), feature_version=feature_version)
            instants = None if told is None else tuple(map(_instant, told))
        rows = self._tables.scan(table)
        if feature_version is not None:
            rows = rows.filter(pl.col(FEATURE_VERSION) == feature_version)
        return Scan(
            rows,
            has_rows=lambda: _has_rows(files, rows, feature_version),
            instants=instants,
            source=self.display(),
        )

    def table_schema(self, key: FeatureKey) -> pl.Schema | None:
        """The columns of a feature's table; None without a table.

        They are asked for before a write, which then finds the table at its newest version.
        """
        path = table_path(self.root_path, key, self.layout)
        table = self._tables.opened(path, to_commit=True)
        return None if table is None else self._tables.schema(table)

    def newest_instant(self, key: FeatureKey) -> datetime | None:
        """None: the instant of a commit is settled when it is made."""
        del key

    def features_in_store(self) -> tuple[FeatureKey, ...]:
        """The features that have a table in the folder, with rows or without, sorted.

        Tables that other programs have put there are left out.
        """
        keys = {
            key_of_path(path, self.root_path, named=lambda path=path: self._name_of(path))
            for path in self._storage.table_paths()
        }
        return tuple(sorted(key for key in keys if key is not None))

    def tables_in_store(self) -> tuple[FeatureKey, ...]:
        """The features and the system tables that have a table, with rows or without, sorted."""
        own = [key for key in system.TABLE_KEYS if self._opened(key) is not None]
        return tuple(sorted([*self.features_in_store(), *own]))

    # --- older versions --------------------------------------------------------------------------

    def table_version(self, key: FeatureKey) -> int | None:
        """The newest version of a table; None without a table."""
        table = self._opened(key)
        return None if table is None else table.version()

    def table_history(self, key: FeatureKey) -> Sequence[TableCommit] | None:
        """The commits of a table, newest first, as far back as its log goes."""
        return table_commits(self._tables, table_path(self.root_path, key, self.layout))

    def scan_version(
        self, key: FeatureKey, feature_version: str | None, table_version: int
    ) -> Scan | None:
        """What `scan_in_store` gave when this was the table's newest version."""
        table = self._version(key, table_version)
        return None if table is None else self._scan(table, feature_version)

    def schema_of_version(self, key: FeatureKey, table_version: int) -> pl.Schema | None:
        """What `table_schema` gave when this was the table's newest version."""
        table = self._version(key, table_version)
        return None if table is None else self._tables.schema(table)

    def as_of(self, moment: datetime | str) -> LakeView:
        """A read-only view of the whole lake at a moment; see `MetadataStore.as_of`."""
        return lake_view(self, moment)

    def _version(self, key: FeatureKey, table_version: int) -> PinnedTable | None:
        opened = self._opened(key)
        if opened is None:
            return None
        path = table_path(self.root_path, key, self.layout)
        newest = NewestTable(self._tables, path, opened)
        table = opened_version(newest, table_version)
        if table is not None:
            return table
        known = self.table_history(key) or ()
        raise version_error(
            f"'{key}' in {self.display()}",
            table_version,
            known,
            first=first_readable(newest, known, after=table_version),
            tags=tags_of_table(self, key),
            store=self.display(),
            feature=str(key),
        )

    def _name_of(self, path: str) -> str | None:
        if self.layout == "nested":
            return None  # the place says it all
        table = self._tables.opened(path)
        return None if table is None else table.metadata().name

    def _opened(self, key: FeatureKey) -> PinnedTable | None:
        return self._tables.opened(table_path(self.root_path, key, self.layout))

    # --- writing ---------------------------------------------------------------------------------

    def write_metadata_to_store(
        self,
        feature_key: FeatureKey,
        df: Frame,
        **kwargs: Any,  # noqa: ANN401 -- as in the base class
    ) -> WriteResult:
        """Append rows in one commit, after creating the table if there is none."""
        note: CommitNote = kwargs["note"]
        rows = cast("Rows", nw.to_native(df))
        path = table_path(self.root_path, feature_key, self.layout)
        since: float | None = kwargs.get("since")
        if not self._tables.has(path, since=since):
            self._tables.create(path, rows.collect_schema(), name=str(feature_key))

        def stamped(_: PinnedTable, newest_us: int | None) -> Stamped:
            instant = _next_instant(newest_us)
            has_instants = CREATED_AT in rows.collect_schema()
            made = with_instant(rows, instant) if has_instants else rows
            return Stamped(made, _microseconds(instant))

        commit = self._tables.append(path, stamped, note, name=str(feature_key), since=since)
        written = 0 if commit.already_committed else (note.rows or 0)
        return WriteResult(written, commit.version, commit.already_committed)

    def append_worked_out(
        self, key: FeatureKey, work_out: WorkOut, note: CommitNote
    ) -> WriteResult:
        """Append rows to the very version of the table that they were worked out from."""
        path = table_path(self.root_path, key, self.layout)
        if not self._tables.has(path):
            return WriteResult(0)

        def stamped(table: PinnedTable, newest_us: int | None) -> Stamped:
            instant = _next_instant(newest_us)
            scan = self._scan(table, note.feature_version)
            rows = pl.DataFrame() if scan is None else work_out(scan)
            made = with_instant(rows, instant) if rows.height else rows
            return Stamped(made, _microseconds(instant), rows.height)

        commit = self._tables.append(path, stamped, note, name=str(key), is_isolated=True)
        return WriteResult(commit.height or 0, commit.version if commit.height else None)

    def missing_lake(self) -> str | None:
        """Say that nothing was ever written where the lake is to be; None where there is one."""
        if self.read_hash_settings() is not None:
            return None
        return no_lake(self.root_path, is_local=self._storage.is_local)

    def is_same_lake(self, other: StoreInterface) -> bool:
        """Whether another store has the same root, reached in the same way."""
        return self is other or (
            isinstance(other, DeltaMetadataStore) and other._storage == self._storage  # noqa: SLF001 -- one of its kind
        )

    def table_files(self, key: FeatureKey) -> TableFiles | None:
        """The folder of a feature's table; None on a web server, which only shows files."""
        if self._storage.is_web:
            return None
        path = table_path(self.root_path, key, self.layout)
        return TableFiles(self._storage.filesystem, path, is_local=self._storage.is_local)

    def copy_rows_to_store(self, key: FeatureKey, missing: MissingRows, note: CommitNote) -> Copied:
        """Append what a table lacks in one commit, in bounded memory, once."""
        path = table_path(self.root_path, key, self.layout)
        if self._tables.opened(path) is None:
            wanted = missing(None)
            if all(part.head(1).collect().is_empty() for part in wanted.parts):
                return Copied(0)
            self._tables.create(path, wanted.schema, name=str(key))
        return self._tables.append_missing(path, missing, note, name=str(key))

    def erase_in_store(
        self, key: FeatureKey, work_out: WorkOutErasure, note: CommitNote
    ) -> WriteResult:
        """Rewrite the table without some rows; older versions of it stay readable."""
        path = table_path(self.root_path, key, self.layout)
        if not self._tables.has(path):
            return WriteResult(0)

        def remaining(table: PinnedTable) -> Remainder | None:
            erasure = work_out(self._tables.scan(table)) if table.count() else None
            return None if erasure is None else Remainder(erasure.remaining, rows=erasure.records)

        done = self._tables.rewrite(path, remaining, note, name=str(key), deed="Deleting")
        return WriteResult(0) if done is None else WriteResult(done.rows, done.version)

    def drop_in_store(self, key: FeatureKey) -> None:
        """Leave the table without rows and without the feature's columns.

        A new begin may thus have other types. Older versions of the table stay readable.
        """
        path = table_path(self.root_path, key, self.layout)
        self._tables.clear(path, pl.Schema(STAMPS), CommitNote("drop", rows=0), name=str(key))

    # --- tables that come into being by an upgrade ------------------------------------------------

    def create_table(self, key: FeatureKey, schema: pl.Schema, texts: TableTexts) -> None:
        """Create the table of a feature without rows, unless there is one."""
        path = table_path(self.root_path, key, self.layout)
        self._tables.create(path, schema, name=str(key), texts=texts)

    def alter_table(self, key: FeatureKey, columns: pl.Schema, texts: TableTexts) -> None:
        """Give a table those of the columns that it lacks, and let it say these texts."""
        path = table_path(self.root_path, key, self.layout)
        self._tables.alter(path, columns, texts, name=str(key))

    def table_texts(self, key: FeatureKey) -> TableTexts | None:
        """What a table says about itself; None without a table."""
        table = self._opened(key)
        return None if table is None else self._tables.texts(table)

    def vacuum_in_store(
        self, key: FeatureKey, *, retention: timedelta, pinned: Collection[int], dry_run: bool
    ) -> Mapping[str, int]:
        """Remove the files that no version needs which was the newest lately, or is pinned."""
        path = table_path(self.root_path, key, self.layout)
        table_files = self.table_files(key)
        files = self._tables.unneeded_files(path, retention=retention, pinned=pinned)
        # delta-rs names those, too, that went with an earlier vacuum.
        there = table_files.sizes() if table_files and files else {}
        unneeded = {name: there[name] for name in files if name in there}
        if not unneeded or dry_run:
            return unneeded
        removed = self._tables.vacuum(path, retention=retention, pinned=pinned)
        return {name: there[name] for name in removed if name in there}

    def find_marked(self, key: FeatureKey, marks: Marks, columns: Sequence[str]) -> Found | None:
        """Find marked rows in all files of the table's folder."""
        table, files = self._opened(key), self.table_files(key)
        if table is None or files is None:
            return None
        options = self._storage.polars_options or None
        path = table_path(self.root_path, key, self.layout)

        def scan(name: str) -> pl.LazyFrame:
            return pl.scan_parquet(f"{path}/{name}", storage_options=options, glob=False)

        active = self._tables.file_names(table)
        return found_in_files(files, marks, columns, scan=scan, active=active)

    def files_of_version(self, key: FeatureKey, version: int) -> Collection[str]:
        """The files that a version of a table is read from; none when it can't be read."""
        try:
            table = self._version(key, version)
        except TableVersionNotFoundError:
            return ()
        return () if table is None else self._tables.file_names(table)

    def remove_marked(self, key: FeatureKey, marks: Marks) -> None:
        """Rewrite the table, scrub its log, and remove the files with marked rows, in this order.

        As long as there is such a file, a repeated purge finds it and does what is left.
        """
        path = table_path(self.root_path, key, self.layout)
        plan = self.graph.plan(key)
        plans = plans_by_version(self, plan)

        def remaining(table: PinnedTable) -> Remainder | None:
            gone = marked_erasure(self._tables.scan(table), plans, marks) if table.count() else None
            return None if gone is None else Remainder(gone.remaining, rows=gone.records)

        note = CommitNote("purge")
        self._tables.rewrite(path, remaining, note, name=str(key), deed="Deleting")
        found, files = self.find_marked(key, marks, plan.id_columns), self.table_files(key)
        table = self._opened(key)
        if found is None or files is None or table is None:
            return
        erased = set(found.files).difference(self._tables.file_names(table))
        if erased:
            scrub_log(files, erased, checkpoint=self._tables.checkpoint(path))
            for name in sorted(erased):
                files.remove(name)

    # --- how the lake hashes ---------------------------------------------------------------------

    def read_hash_settings(self) -> HashSettings | None:
        """What the lake's own table has in its properties; None for a new lake."""
        if self._lake_settings is not None:
            return self._lake_settings
        path = table_path(self.root_path, system.LAKE_KEY, self.layout)
        table = self._tables.opened(path)
        if table is None:
            return None
        self._lake_settings = self._told_settings(table.metadata().configuration, path)
        return self._lake_settings

    def _told_settings(self, properties: Mapping[str, str | None], path: str) -> HashSettings:
        """How the lake hashes, from the properties of its own table.

        Checks the version of the format and the layout, too.
        """
        format_version = properties.get("metaxy.format_version") or str(system.FORMAT_VERSION)
        if format_version != str(system.FORMAT_VERSION):
            raise UnreadableTableError(
                f"{self.display()} has format {format_version}, and this metaxy reads and writes "
                f"format {system.FORMAT_VERSION}: use the version of metaxy that made it, or a "
                "later one.",
                store=self.display(),
            )
        layout = properties.get("metaxy.layout") or self.layout
        if layout != self.layout:
            raise ConfigError(
                f"{self.display()} has the layout {layout!r}, and was opened with "
                f"layout={self.layout!r}: its tables would not be found. Give the lake's layout.",
                setting="layout",
            )
        try:
            length = properties.get("metaxy.hash_truncation_length")
            return HashSettings(
                HashAlgorithm(properties["metaxy.hash_algorithm"]),
                None if length is None else int(length),
            )
        except (KeyError, ValueError) as error:
            raise UnreadableTableError(
                f"{self.display()} doesn't say how it hashes: the properties of '{redact(path)}' "
                f"are {properties}. Was the lake made by another version of metaxy?",
                store=self.display(),
            ) from error

    def record_hash_settings(self, settings: HashSettings) -> HashSettings:
        """Create the lake's own table with the settings as its properties, if there is none."""
        if self.read_hash_settings() is None:
            properties = {
                "metaxy.format_version": str(system.FORMAT_VERSION),
                "metaxy.layout": self.layout,
                "metaxy.hash_algorithm": str(settings.algorithm),
            }
            if settings.truncation is not None:
                properties["metaxy.hash_truncation_length"] = str(settings.truncation)
            path = table_path(self.root_path, system.LAKE_KEY, self.layout)
            self._storage.check_place()
            self._storage.check_conditional_puts()
            self._tables.create(path, system.LAKE, name=str(system.LAKE_KEY), properties=properties)
        return still_agreed(settings, self.read_hash_settings(), store=self.display())


_OWN_WRITE_OPTIONS: Final = frozenset(
    {"mode", "schema_mode", "commit_properties", "post_commithook_properties", "partition_by"}
    | {"storage_options", "table_or_uri", "data", "configuration", "predicate", "name"}
)


_OPTIONS: Final = frozenset(
    name
    for made in (DeltaMetadataStore.__init__, MetadataStore.__init__)
    for name, each in inspect.signature(made).parameters.items()
    if name != "self" and each.kind is not inspect.Parameter.VAR_KEYWORD
)


def _check_options(options: Mapping[str, Any]) -> None:
    wrong = sorted(set(options) - _OPTIONS)
    if wrong:
        raise TypeError(
            f"DeltaMetadataStore takes no {listed(wrong)}.{did_you_mean(wrong[0], _OPTIONS)} It "
            f"takes {listed(sorted(_OPTIONS), limit=20)}."
        )


def _check_write_options(options: Mapping[str, Any]) -> None:
    allowed = WRITE_OPTIONS - _OWN_WRITE_OPTIONS
    wrong = sorted(set(options) - allowed)
    if wrong:
        raise ConfigError(
            f"delta_write_options has {listed(wrong)}, which no write takes, or decides for itself."
            f"{did_you_mean(wrong[0], allowed)} It takes {listed(sorted(allowed))}.",
            setting="delta_write_options",
        )


def _has_rows(files: pl.DataFrame, rows: pl.LazyFrame, feature_version: str | None) -> bool:
    """Whether there are rows of a feature version, from statistics where they can tell."""
    lowest, greatest = f"min.{FEATURE_VERSION}", f"max.{FEATURE_VERSION}"
    if feature_version is None or not {lowest, greatest}.issubset(files.columns):
        return not rows.head(1).collect().is_empty()
    may_have = files.filter(
        pl.col(lowest).is_null()
        | ((pl.col(lowest) <= feature_version) & (pl.col(greatest) >= feature_version))
    )
    if may_have.is_empty():
        return False
    only = may_have.filter(
        (pl.col(lowest) == feature_version)
        & (pl.col(greatest) == feature_version)
        & (pl.col("num_records") > 0)
    )
    return not only.is_empty() or not rows.head(1).collect().is_empty()


def _next_instant(newest_us: int | None) -> datetime:
    return next_instant(datetime.now(UTC), None if newest_us is None else _instant(newest_us))


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
