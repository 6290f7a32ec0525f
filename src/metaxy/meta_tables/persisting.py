"""The lake side of a storage class: whether it is registered, what is in its table, and writes."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import (
    FeatureNotFoundError,
    MissingColumnsError,
    StorageNotRegisteredError,
    itemised,
)
from metaxy.meta_tables.comparing import refused_changes, shape_changes
from metaxy.meta_tables.configuration import checked_storage_class
from metaxy.meta_tables.frames import contract_rows
from metaxy.meta_tables.naming import FIELD
from metaxy.meta_tables.statistics import UpdateStatistics, update_statistics
from metaxy.meta_tables.storage import StorageClass
from metaxy.meta_tables.upgrade import table_columns
from metaxy.metadata_store.active import store_at_hand
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.closed_tables import UPGRADE
from metaxy.metadata_store.frames import Filter, conditions, polars_lazy
from metaxy.metadata_store.registering import Registration, read_registrations
from metaxy.metadata_store.storing import NOTHING_WRITTEN
from metaxy.metadata_store.travel import Moment
from metaxy.metadata_store.writing import WriteResult
from metaxy.models.contract import TableContract
from metaxy.models.keys import FeatureKey
from metaxy.versioning.scope import fulfilling
from metaxy.versioning.system_columns import PROVENANCE_BY_FIELD
from metaxy.versioning.values import values_version


class PersistManager:
    """Reads and writes the table of one storage class in one lake.

    Args:
        storage_table: The storage class.
        store: By default the store of the innermost open block, or else the project's default one.
            It is opened for each call, if it isn't open.

    Raises:
        TypeError: It is no storage class.
        StoreNotOpenError: No store is given, and none is at hand.
    """

    def __init__(self, storage_table: StorageClass, *, store: MetadataStore | None = None) -> None:
        self.storage_table = checked_storage_class(storage_table, what="storage_table")
        self.store = chosen_store(store)

    @property
    def contract(self) -> TableContract:
        """What the class says of the table."""
        return self.storage_table.definition().contract

    @property
    def key(self) -> FeatureKey:
        """The feature that the table is."""
        return self.contract.key

    def check_registered(self, *, allow_fallback: bool = False) -> Registration:
        """Give the registration, as it is in the lake.

        Args:
            allow_fallback: Whether one in a fallback lake will do; for tables that are only read.

        Raises:
            StorageNotRegisteredError: There is none, or the class has changed since.
        """
        contract = self.contract
        with self.store.open("read"):
            found = _registration(self.store, str(contract.uid), allow_fallback=allow_fallback)
        if found is None:
            raise StorageNotRegisteredError(
                f"The storage class {self.storage_table.__name__} has no table "
                f"'{contract.table_name}' registered in {self.store.display()}: run {UPGRADE}",
                table=contract.table_name,
                store=self.store.display(),
                feature=str(contract.key),
            )
        changes = shape_changes(found.contract, contract)
        if changes:
            raise StorageNotRegisteredError(
                itemised(
                    f"The storage class {self.storage_table.__name__} isn't what is registered of "
                    f"'{contract.table_name}' in {self.store.display()} "
                    f"({_way_out(found.contract, contract)})",
                    changes,
                ),
                table=contract.table_name,
                store=self.store.display(),
                feature=str(contract.key),
            )
        return found

    def read(
        self,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        table_version: Moment | None = None,
    ) -> nw.LazyFrame[Any]:
        """The current rows with the columns of the contract, in no particular order.

        Fallback lakes are asked where the lake itself has no rows. Without rows anywhere, the frame
        has none. The store must stay open until it is collected.

        Args:
            filters: See `MetadataStore.read_metadata`, as for `table_version`.
            columns: Which ones to give, in this order; metaxy's own may be among them.

        Raises:
            StorageNotRegisteredError: The table is registered nowhere along the chain.
            FilterError: A filter needs a column that isn't there.
            MissingColumnsError: So do `columns`.
        """
        self.check_registered(allow_fallback=True)
        contract = self.contract
        if columns is None:
            columns = [each.name for each in contract.columns]
        names = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
        try:
            rows = self.store.read_metadata(
                contract.key, filters=filters, columns=names, table_version=table_version
            )
        except FeatureNotFoundError:
            rows = nw.from_native(self._no_rows(names, filters))
        return rows.select(names)

    def _no_rows(self, names: Sequence[str], filters: Sequence[Filter] | None) -> pl.LazyFrame:
        """A table without rows, which refuses what one with rows does."""
        schema = table_columns(self.contract)
        missing = [name for name in names if name not in schema]
        if missing:
            known = [column.name for column in self.contract.columns]
            raise MissingColumnsError("read", str(self.key), missing=missing, available=known)
        return fulfilling(pl.LazyFrame(schema=schema), conditions(filters))

    def update_statistics(self) -> UpdateStatistics:
        """How far the rows in the lake itself reach, by a scan of the index columns alone."""
        with self.store.open("read"):
            return self.statistics_as_of_now()()

    def statistics_as_of_now(self) -> Callable[[], UpdateStatistics]:
        """Give what tells how far the rows reach that the table has now, whenever it is called.

        Nothing is scanned before, and only once. The store must stay open until then.
        """
        rows = None if self.contract.time_index is None else self._index_rows()
        return cache(partial(update_statistics, rows, self.contract))

    def _index_rows(self) -> pl.LazyFrame | None:
        try:
            rows = self.store.read_metadata(
                self.contract.key, columns=self.contract.grain, allow_fallback=False
            )
        except FeatureNotFoundError:
            return None
        return polars_lazy(rows)

    def write(
        self,
        frame: IntoFrame,
        *,
        run_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> WriteResult:
        """Write the rows of a frame that are new or differ from the current ones, in one commit.

        Rows that the table has and the frame lacks stay: a frame is an increment. A frame whose
        rows are all there makes no commit.

        Args:
            frame: Of any library that Narwhals knows; rows by the contract. Names of a pandas index
                are columns.
            run_id: The run that made the rows.
            idempotency_key: Names the write, as `write_metadata` takes it.

        Raises:
            StorageNotRegisteredError: There is no table for it.
            ContractViolationError: The frame breaks the contract; has every way in which it does.
        """
        self.check_registered()
        rows = contract_rows(frame, self.contract)
        if rows.is_empty():
            return NOTHING_WRITTEN
        with self.store.open("write"):
            due = self._due(rows)
            if due.is_empty():
                return NOTHING_WRITTEN
            return self.store.write_metadata(
                self.key, due, materialization_id=run_id, idempotency_key=idempotency_key
            )

    def _due(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that the table doesn't have, or has with other values."""
        contract = self.contract
        values = [name for name in rows.columns if name not in contract.grain]
        version = values_version(values, hasher=self.store.hash_settings.hasher)
        samples = rows.with_columns(pl.struct(version.alias(FIELD)).alias(PROVENANCE_BY_FIELD))
        # Lazily, because the values were checked already.
        return self.store.resolve_update(contract.key, samples=samples.lazy(), lazy=True).due()


def _way_out(registered: TableContract, contract: TableContract) -> str:
    """What to do about a class that isn't what is registered."""
    if not refused_changes(registered, contract):
        return f"run {UPGRADE}"
    if not refused_changes(contract, registered):
        return "the table was upgraded by newer code than this: bring the code up to date"
    return "no upgrade can do that: publish a new table name, or write a migration"


def chosen_store(store: object) -> MetadataStore:
    """The store that is given, or else the one at hand.

    Raises:
        TypeError: It is no store.
        StoreNotOpenError: None is given, and none is at hand.
    """
    found = store_at_hand() if store is None else store
    if not isinstance(found, MetadataStore):
        raise TypeError(f"store is a {type(found).__name__}, which is no MetadataStore")
    return found


def _registration(store: MetadataStore, uid: str, *, allow_fallback: bool) -> Registration | None:
    """The registration in a store or, if it may be there, in the first fallback that has one."""
    found = read_registrations(store).get(uid)
    if found is not None or not allow_fallback:
        return found
    for fallback in store.fallback_stores:
        if isinstance(fallback, MetadataStore):
            with fallback.open("read"):
                found = _registration(fallback, uid, allow_fallback=True)
            if found is not None:
                return found
    return None
