"""What a kind of store implements: four methods about rows, and hooks that it may do better.

Nothing here knows increments, records or whether the store is open.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import narwhals as nw
import polars as pl
from narwhals.typing import Frame

from metaxy.errors import StoreError
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store import system
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.copied_rows import Copied, MissingRows
from metaxy.metadata_store.deleting import Erasure
from metaxy.metadata_store.frames import Filter, polars_lazy
from metaxy.metadata_store.hash_settings import HashSettings, still_agreed
from metaxy.metadata_store.history import TableCommit
from metaxy.metadata_store.marks import Found, Marks
from metaxy.metadata_store.store_config import MetadataStoreConfig
from metaxy.metadata_store.table_files import TableFiles
from metaxy.metadata_store.table_texts import TableTexts
from metaxy.metadata_store.writing import WriteResult, next_instant, with_instant
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.system_columns import CREATED_AT, FEATURE_VERSION
from metaxy.versioning.types import HashAlgorithm

WorkOut = Callable[[Scan], pl.DataFrame]
"""Gives rows to append, without their instant, from those that a store has."""
WorkOutErasure = Callable[[pl.LazyFrame], Erasure | None]
"""Gives what is to stay of all stored rows; None when that is all of them."""


class StoreInterface(ABC):
    """A place for the rows of features.

    Abstract are the methods that every kind must have; the others have a slow general way.
    """

    supports_idempotency_keys: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def config_model(cls) -> type[MetadataStoreConfig]:
        """The model of this store's options."""

    @abstractmethod
    def display(self) -> str:
        """Name the store for people, without credentials."""

    @property
    @abstractmethod
    def graph(self) -> FeatureGraph:
        """The features."""

    @abstractmethod
    def write_metadata_to_store(
        self,
        feature_key: FeatureKey,
        df: Frame,
        **kwargs: Any,  # noqa: ANN401 -- the reference's signature
    ) -> WriteResult | None:
        """Append rows to a feature's table in one step, creating the table if there is none.

        Args:
            df: Rows with all columns of the table, metaxy's own among them; a LazyFrame when they
                may not fit into memory.
            kwargs: `note`, a `CommitNote`: what the write is about; and `since`, a moment
                (`time.monotonic`) from which on a look at the table is new enough. A store may
                leave both alone.
        """

    @abstractmethod
    def read_metadata_in_store(
        self,
        feature: CoercibleToFeatureKey,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        **kwargs: Any,  # noqa: ANN401 -- the reference's signature
    ) -> nw.LazyFrame[Any] | None:
        """All rows that this store has of a feature, superseded ones too; None without a table."""

    # --- hooks -----------------------------------------------------------------------------------

    def scan_in_store(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows of one feature version (None: of all) in this store; None without a table."""
        wanted = [] if feature_version is None else [nw.col(FEATURE_VERSION) == feature_version]
        found = self.read_metadata_in_store(key, filters=wanted)
        if found is None:
            return None
        frame = polars_lazy(found)
        return Scan(
            frame,
            has_rows=lambda: not frame.head(1).collect().is_empty(),
            instants=None,
            source=self.display(),
        )

    def table_schema(self, key: FeatureKey) -> pl.Schema | None:
        """The columns of a feature's table; None without a table."""
        found = self.read_metadata_in_store(key)
        return None if found is None else polars_lazy(found).collect_schema()

    def newest_instant(self, key: FeatureKey) -> datetime | None:
        """The latest instant in a feature's table; None where the store sees to instants itself."""
        found = self.read_metadata_in_store(key)
        if found is None:
            return None
        newest = polars_lazy(found).select(pl.col(CREATED_AT).max()).collect().item()
        return newest if isinstance(newest, datetime) else None

    def features_in_store(self) -> tuple[FeatureKey, ...]:
        """The features that have a table; by default, looked for among those of the graph."""
        return tuple(key for key in self.graph.keys if self.read_metadata_in_store(key) is not None)

    def missing_lake(self) -> str | None:
        """Say that there is no lake where this store looks for one; None where there is one.

        By default that can't be told: None.
        """
        return None

    def is_same_lake(self, other: "StoreInterface") -> bool:
        """Whether another store is of this very lake, as far as can be told."""
        return self is other

    def table_files(self, key: FeatureKey) -> TableFiles | None:
        """The files of a feature's table, be there any or not; None where there are no files."""
        del key

    def copy_rows_to_store(self, key: FeatureKey, missing: MissingRows, note: CommitNote) -> Copied:
        """Append what a table lacks, as it is, in one step, creating the table if there is none.

        Two copies at once may both copy the same rows, unless a store sees to it.

        Args:
            missing: Gives what the table lacks, from the rows that it has.
        """
        found = self.read_metadata_in_store(key)
        wanted = missing(None if found is None else polars_lazy(found))
        rows = pl.concat(each.collect() for each in wanted.parts)
        if rows.is_empty():
            return Copied(0)
        outcome = self.write_metadata_to_store(key, nw.from_native(rows), note=note)
        return Copied(rows.height, None if outcome is None else outcome.version)

    def append_worked_out(
        self, key: FeatureKey, work_out: WorkOut, note: CommitNote
    ) -> WriteResult:
        """Append rows that are worked out from the stored ones of the note's feature version.

        What others write between the look and the step goes unseen, unless a store sees to it.

        Returns:
            How many rows were appended; none where there is no table.
        """
        scan = self.scan_in_store(key, note.feature_version)
        rows = None if scan is None else work_out(scan)
        if rows is None or rows.is_empty():
            return WriteResult(0)
        instant = next_instant(datetime.now(UTC), self.newest_instant(key))
        frame = nw.from_native(with_instant(rows, instant))
        noted = replace(note, rows=rows.height)
        outcome = self.write_metadata_to_store(key, frame, note=noted)
        return WriteResult(rows.height, None if outcome is None else outcome.version)

    def erase_in_store(
        self, key: FeatureKey, work_out: WorkOutErasure, note: CommitNote
    ) -> WriteResult:
        """Let only some rows stay in a feature's table, in one step.

        Returns:
            How many records went; none where there is no table.
        """
        del work_out, note
        raise self._only_appends("delete rows of", key)

    def drop_in_store(self, key: FeatureKey) -> None:
        """Remove all rows of a feature's table, which exists."""
        raise self._only_appends("drop", key)

    def vacuum_in_store(
        self, key: FeatureKey, *, retention: timedelta, pinned: Collection[int], dry_run: bool
    ) -> Mapping[str, int]:
        """Remove the files of a table that nothing needs, or tell which those are.

        Args:
            retention: Versions that were the newest within this time stay readable.
            pinned: So do these.

        Returns:
            The size of each in bytes, by its path in the folder of the table.
        """
        del retention, pinned, dry_run
        raise StoreError(
            f"{self.display()} can't vacuum '{key}': a {type(self).__name__} keeps no files.",
            store=self.display(),
            feature=str(key),
        )

    def find_marked(self, key: FeatureKey, marks: Marks, columns: Sequence[str]) -> Found | None:
        """Find marked rows in all files of a feature's table; None without a table."""
        del marks, columns
        raise self._only_appends("purge", key)

    def files_of_version(self, key: FeatureKey, version: int) -> Collection[str]:
        """The files that a version of a table is read from; none when it can't be read."""
        del version
        raise self._no_versions(key)

    def remove_marked(self, key: FeatureKey, marks: Marks) -> None:
        """Remove all marked rows of a feature, in every version of its table, and their files.

        May be repeated after it was cut off.
        """
        del marks
        raise self._only_appends("purge", key)

    def _only_appends(self, deed: str, key: FeatureKey) -> StoreError:
        return StoreError(
            f"{self.display()} can't {deed} '{key}': a {type(self).__name__} only appends.",
            store=self.display(),
            feature=str(key),
        )

    def tables_in_store(self) -> tuple[FeatureKey, ...]:
        """The features and the system tables that there are, sorted."""
        found = {key for key in system.TABLE_KEYS if self.read_metadata_in_store(key) is not None}
        return tuple(sorted(found.union(self.features_in_store())))

    # --- tables that come into being by an upgrade ------------------------------------------------

    def create_table(self, key: FeatureKey, schema: pl.Schema, texts: TableTexts) -> None:
        """Create the table of a feature without rows, unless there is one."""
        del schema, texts
        raise self._no_upgrades(key)

    def alter_table(self, key: FeatureKey, columns: pl.Schema, texts: TableTexts) -> None:
        """Give a table those of the columns that it lacks, and let it say these texts."""
        del columns, texts
        raise self._no_upgrades(key)

    def table_texts(self, key: FeatureKey) -> TableTexts | None:
        """What a table says about itself; None without a table."""
        raise self._no_upgrades(key)

    def _no_upgrades(self, key: FeatureKey) -> StoreError:
        return StoreError(
            f"{self.display()} can't hold the table of the storage class '{key}': a "
            f"{type(self).__name__} creates tables by writing to them.",
            store=self.display(),
            feature=str(key),
        )

    # --- versions of tables: for stores that keep them --------------------------------------------

    def table_version(self, key: FeatureKey) -> int | None:
        """The newest version of a table; None without a table."""
        raise self._no_versions(key)

    def table_history(self, key: FeatureKey) -> Sequence[TableCommit] | None:
        """The commits of a table, newest first, as far back as is known; None without a table."""
        raise self._no_versions(key)

    def scan_version(
        self, key: FeatureKey, feature_version: str | None, table_version: int
    ) -> Scan | None:
        """What `scan_in_store` gave when this was the table's newest version.

        Raises:
            TableVersionNotFoundError: There is a table, but this version of it can't be read.
        """
        del feature_version, table_version
        raise self._no_versions(key)

    def schema_of_version(self, key: FeatureKey, table_version: int) -> pl.Schema | None:
        """What `table_schema` gave then; raises as `scan_version` does."""
        del table_version
        raise self._no_versions(key)

    def _no_versions(self, key: FeatureKey) -> StoreError:
        return StoreError(
            f"{self.display()} can't tell the history of '{key}': a {type(self).__name__} keeps no "
            "versions of its tables.",
            store=self.display(),
            feature=str(key),
        )

    # --- how the lake hashes ----------------------------------------------------------------------

    def read_hash_settings(self) -> HashSettings | None:
        """What the lake has recorded of how it hashes; None if nothing."""
        found = self.read_metadata_in_store(system.LAKE_KEY)
        if found is None:
            return None
        rows = polars_lazy(found).sort("recorded_at").collect()
        if rows.is_empty():
            return None
        first = rows.row(0, named=True)
        return HashSettings(HashAlgorithm(first["hash_algorithm"]), first["hash_truncation_length"])

    def record_hash_settings(self, settings: HashSettings) -> HashSettings:
        """Record how the lake hashes, if it hasn't yet, and give what is recorded now.

        Raises:
            HashSettingsMismatchError: Somebody has just recorded something else.
        """
        recorded = self.read_hash_settings()
        if recorded is None:
            row = system.lake_row(settings, now=datetime.now(UTC))
            note = CommitNote("system", rows=1)
            self.write_metadata_to_store(system.LAKE_KEY, nw.from_native(row), note=note)
            recorded = self.read_hash_settings()
        return still_agreed(settings, recorded, store=self.display())
