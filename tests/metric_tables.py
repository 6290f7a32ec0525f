"""Storage classes of daily metrics, nodes that update them, and frames of their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import polars as pl
import pytest
from pydantic import Field
from sqlalchemy import DateTime, Float, String
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column

from metaxy import MetadataStore
from metaxy.meta_tables import (
    DataNode,
    DataNodeConfiguration,
    MetaTableMigration,
    PersistManager,
    PlatformTimeIndexMetaTable,
    schema_table_name,
)
from metaxy.meta_tables.storage import StorageClass

DAILY = schema_table_name("example_project", "daily_metrics")
INDEX = ("time_index", "entity_identifier")
ON_CEPH_TOO = pytest.mark.parametrize("lake", ["local", "moto", "rgw"], indirect=True)
"""For tests of what rests most on a server: commits that race, and files that are copied."""
Row = tuple[str, str, float]
"""A metric: its day in 2026 as "month-day", its entity, its value."""


def new_base() -> type[DeclarativeBase]:
    """A declarative base with tables of its own."""
    return type("Base", (DeclarativeBase,), {"__module__": "example_project.storage"})


def time_column(**options: Any) -> MappedColumn[Any]:
    """A column of instants."""
    return _column(DateTime(timezone=True), options)


def text_column(**options: Any) -> MappedColumn[Any]:
    """A column of texts."""
    return _column(String, options)


def number_column(**options: Any) -> MappedColumn[Any]:
    """A column of numbers."""
    return _column(Float, options)


def _column(kind: Any, options: dict[str, Any]) -> MappedColumn[Any]:
    given: dict[str, Any] = {"nullable": False} | options
    return mapped_column(kind, **given)


def storage(
    table: str = DAILY,
    *,
    name: str = "DailyMetricsStorage",
    columns: Mapping[str, MappedColumn[Any] | None] | None = None,
    base: type[DeclarativeBase] | None = None,
    mixins: Sequence[type] = (PlatformTimeIndexMetaTable,),
    **attributes: Any,
) -> StorageClass:
    """Declare a storage class of daily metrics.

    Args:
        columns: In place of (None) or besides `time_index`, `entity_identifier` and `value`.
        attributes: Of the class, without the underscores around them.
    """
    own = {
        "time_index": time_column(info={"label": "Day"}),
        "entity_identifier": text_column(),
        "value": number_column(info={"label": "Value", "description": "As measured."}),
    }
    said = {
        "tablename": table,
        "metatable_namespace": "examples",
        "metatable_description": "Metrics, one row a day and entity.",
        "index_names": INDEX,
    } | attributes
    members: dict[str, Any] = {f"__{key}__": value for key, value in said.items()}
    members |= {"__module__": "example_project.storage"} | (own | dict(columns or {}))
    members = {key: value for key, value in members.items() if value is not None}
    return cast("StorageClass", type(name, (*mixins, base or new_base()), members))


class DailyMetricsConfig(DataNodeConfiguration):
    """Where metrics come from."""

    source_scope: str = Field(default="all", description="Which entities.")


class DailyMetricsNode(DataNode):
    """Gives the rows that it was made with."""

    def __init__(
        self,
        config: DailyMetricsConfig,
        storage_table: StorageClass,
        *,
        rows: Any = None,
        needs: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(config, storage_table, **options)
        self.rows = rows
        self.needs = needs or {}

    def dependencies(self) -> Mapping[str, DataNode | StorageClass]:
        """As given, or made anew."""
        return self.needs() if callable(self.needs) else self.needs

    def update(self) -> Any:
        """As given, or computed anew."""
        return self.rows(self) if callable(self.rows) else self.rows


def node(storage_table: StorageClass, rows: Any = None, **options: Any) -> DailyMetricsNode:
    """A node with the default configuration."""
    return DailyMetricsNode(DailyMetricsConfig(), storage_table, rows=rows, **options)


def metrics(*rows: Row, **columns: Any) -> pl.DataFrame:
    """Rows of daily metrics, with further columns."""
    frame = pl.DataFrame(
        {
            "time_index": [day(each) for each, _, _ in rows],
            "entity_identifier": [entity for _, entity, _ in rows],
            "value": [value for _, _, value in rows],
        },
        schema={
            "time_index": pl.Datetime("us", "UTC"),
            "entity_identifier": pl.String,
            "value": pl.Float64,
        },
    )
    return frame.with_columns(**columns)


def day(text: str) -> datetime:
    """The beginning of a day of 2026 in UTC, from "month-day"."""
    month, of_month = map(int, text.split("-"))
    return datetime(2026, month, of_month, tzinfo=UTC)


def upgrade(store: MetadataStore, *models: StorageClass) -> None:
    """Bring a lake to what the classes say."""
    MetaTableMigration(models).upgrade(store)


def current(storage_table: StorageClass, **options: Any) -> list[tuple[Any, ...]]:
    """The current rows of the table in the store at hand, sorted; days as "month-day"."""
    frame = PersistManager(storage_table).read(**options).collect().to_polars()
    return sorted(map(_shown, frame.iter_rows()))


def _shown(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(f"{each.month}-{each.day}" if isinstance(each, datetime) else each for each in row)


def table_version(store: MetadataStore, storage_table: StorageClass) -> int | None:
    """The newest version of the Delta table; None without a table."""
    return store.table_version(storage_table.spec.key)


def event_kinds(store: MetadataStore) -> list[str]:
    """The kinds of all events, oldest first."""
    return store.read_events()["kind"].to_list()
