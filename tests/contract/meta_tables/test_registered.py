"""Which tables a node may be made for, and where it finds its lake."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from pydantic import Field
from sqlalchemy import Float, String
from sqlalchemy.orm import mapped_column

from lakes import Lake
from metaxy import MetadataStore
from metaxy.errors import StoreNotOpenError
from metaxy.meta_tables import DataNodeConfiguration, PersistManager, StorageNotRegisteredError
from metaxy.meta_tables.storage import StorageClass
from metaxy.meta_tables.upgrade import table_columns
from metaxy.metadata_store.active import set_default_store
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.registering import read_registrations
from metaxy.metadata_store.table_texts import TableTexts
from metric_tables import (
    DailyMetricsConfig,
    DailyMetricsNode,
    current,
    metrics,
    node,
    storage,
    table_version,
    upgrade,
)

STORAGE = """\
from datetime import datetime
from pydantic import Field
from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from metaxy.meta_tables import (
    DataNode, DataNodeConfiguration, MetaTableMigration, PlatformTimeIndexMetaTable,
    schema_table_name,
)

class Base(DeclarativeBase):
    pass

class DailyMetricsStorage(PlatformTimeIndexMetaTable, Base):
    __tablename__ = schema_table_name("example_project", "daily_metrics")
    __metatable_namespace__ = "examples"
    __metatable_description__ = "Metrics."
    __index_names__ = ("time_index", "entity_identifier")
    time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    entity_identifier: Mapped[str]
    value: Mapped[float]

class DailyMetricsConfig(DataNodeConfiguration):
    source_scope: str = Field(description="Which entities.")

class DailyMetricsNode(DataNode):
    def __init__(self, config):
        super().__init__(config, DailyMetricsStorage)

    def update(self):
        return None

provider = MetaTableMigration([DailyMetricsStorage])
"""


def test_a_node_of_an_unregistered_table_is_refused(store: MetadataStore) -> None:
    """Also where a Delta folder lies there; nothing is created."""
    table = storage()
    with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade") as raised:
        node(table)
    assert isinstance(raised.value, ValueError)
    assert raised.value.table == "example_project__daily_metrics"
    assert store.tables_in_store() == ()

    contract = table.definition().contract
    store.create_table(contract.key, table_columns(contract), TableTexts())
    with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade"):
        node(table)
    assert read_registrations(store) == {}


def test_a_write_past_the_node_creates_no_table(store: MetadataStore) -> None:
    """Tables come into being by an upgrade, and never as a side effect."""
    table = storage()
    rows = metrics(("1-1", "a", 1.0))
    with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade"):
        store.write_metadata(
            table, rows.with_columns(metaxy_provenance_by_field=pl.struct(default=pl.lit("x")))
        )
    with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade"):
        PersistManager(table).write(rows)

    assert store.tables_in_store() == ()


def test_a_class_that_changed_asks_for_the_upgrade(store: MetadataStore) -> None:
    """The error says what is another; new words alone are no change of the table."""
    upgrade(store, storage())
    grown = storage(columns={"more": mapped_column(Float, nullable=True)})
    with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade") as raised:
        node(grown)
    assert str(raised.value).endswith("the column 'more' (float64, nullable) is new")

    reworded = storage(metatable_description="Other words.")
    assert node(reworded, metrics(("1-1", "a", 1.0))).run().rows == 1


def test_a_class_that_no_upgrade_fits_is_told_another_way_out(store: MetadataStore) -> None:
    """Older code on a lake that was upgraded meanwhile, and a change that can't be made."""
    more = {"more": mapped_column(Float, nullable=True)}
    upgrade(store, storage(columns=more))
    with pytest.raises(StorageNotRegisteredError, match=r"by newer code than this: bring the code"):
        node(storage())

    retyped = storage(columns={"more": mapped_column(String, nullable=True)})
    with pytest.raises(StorageNotRegisteredError, match=r"publish a new table name") as raised:
        node(retyped)
    assert "upgrade --provider" not in str(raised.value)


def test_a_fresh_process_needs_nothing_but_its_project(tmp_path: Path) -> None:
    """What was upgraded by one process is bound by name in another."""
    (tmp_path / "tables.py").write_text(STORAGE)
    _python(tmp_path, "import tables")
    assert {path.name for path in tmp_path.iterdir()} <= {"tables.py", "__pycache__"}
    (tmp_path / "metaxy.toml").write_text(
        'project = "example_project"\n[stores.dev]\ntype = "delta"\n'
        '[stores.dev.config]\nroot_path = "lake"\n'
    )
    _python(
        tmp_path,
        """
        from metaxy import init_metaxy
        init_metaxy()
        from tables import provider
        provider.upgrade()
        """,
    )
    make = """
        from metaxy import init_metaxy
        init_metaxy()
        from tables import DailyMetricsConfig, DailyMetricsNode
        node = DailyMetricsNode(DailyMetricsConfig(source_scope="a"))
        print(node.update_hash, node.persist_manager.contract.uid)
        """
    first, second = _python(tmp_path, make), _python(tmp_path, make)

    assert first == second
    assert first.startswith("DailyMetricsNode_")


def _python(folder: Path, program: str) -> str:
    """What a program prints in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 -- our own programs
    return ended.stdout


def test_a_node_needs_a_store_at_hand(lake: Lake) -> None:
    """The innermost open one, or the default one, or the one that it is given."""
    table = storage()
    given = lake.store(graph=None)
    with given.open("write"):
        upgrade(given, table)
        with lake.another().store(graph=None) as inner:
            with pytest.raises(StorageNotRegisteredError):
                node(table)
            assert PersistManager(table).store is inner
        assert node(table).store is given
    with pytest.raises(StoreNotOpenError, match=r"No store is at hand"):
        node(table)
    assert node(table, metrics(("1-1", "a", 1.0)), store=given).run().rows == 1
    set_default_store(lambda: given)
    try:
        assert node(table).store is given
    finally:
        set_default_store(None)
    with pytest.raises(TypeError, match=r"store is a str"):
        node(table, store="dev")


class PairConfig(DataNodeConfiguration):
    """A configuration with storage classes."""

    sources: list[type] = Field(description="Tables that are read.")


class PairNode(DailyMetricsNode):
    """A node with such a configuration."""


def test_storage_classes_in_a_configuration_must_be_registered(store: MetadataStore) -> None:
    """At any depth; which class it is makes another hash."""
    table, one, two = (
        storage(f"example_project__{name}", name=name.title()) for name in ("out", "one", "two")
    )
    upgrade(store, table, one)
    with pytest.raises(StorageNotRegisteredError, match=r"Two.*migrations upgrade"):
        _pair(table, one, two)
    upgrade(store, two)

    assert _pair(table, one).update_hash != _pair(table, two).update_hash
    assert _pair(table, one).update_hash == _pair(table, one).update_hash


def _pair(table: StorageClass, *sources: StorageClass) -> PairNode:
    config = PairConfig(sources=list(sources))
    return PairNode(config, table)


def test_a_dependency_may_be_registered_in_a_fallback_lake(lake: Lake) -> None:
    """It reads from there; as output it has to be in the lake itself."""
    source = storage("example_project__source", name="Source")
    table = storage()
    behind = lake.another().store(graph=None)
    with behind.open("write"):
        upgrade(behind, source)
        node(source, metrics(("1-1", "a", 1.0))).run()
    with lake.store(graph=None, fallback_stores=[behind]).open("write") as store:
        upgrade(store, table)
        derived = node(table, _copied(source), needs={"source": source})
        assert derived.run().rows == 1
        with pytest.raises(StorageNotRegisteredError, match=r"migrations upgrade"):
            node(source)
        assert table_version(store, source) is None

        assert current(table) == current(source) == [("1-1", "a", 1.0)]


def _copied(source: StorageClass) -> Callable[[DailyMetricsNode], pl.DataFrame]:
    """An update that gives the rows of another table."""
    return lambda own: own.read(source).collect().to_polars()


def test_a_dependency_that_is_registered_nowhere_stops_the_run(store: MetadataStore) -> None:
    """Before anything is computed."""
    table, source = storage(), storage("example_project__source", name="Source")
    upgrade(store, table)
    dependent = node(table, metrics(("1-1", "a", 1.0)), needs={"source": source})

    with pytest.raises(StorageNotRegisteredError, match=r"example_project__source"):
        dependent.run()
    assert current(table) == []


def test_a_hand_set_uid_is_never_used(store: MetadataStore) -> None:
    """The uid is that of project and table name, whatever the class says."""
    own = storage(metatable_uid="4b0c3a52-0000-4000-8000-000000000000", uid="x")
    plain = storage().definition().contract.uid
    upgrade(store, own)

    assert list(read_registrations(store)) == [str(plain)]
    assert str(plain) == "9716cbe8-ec30-54d7-ab91-183b62274c9a"


def test_pickled_stores_are_not_at_hand() -> None:
    """Only an open block makes a store the one at hand."""
    DeltaMetadataStore("nowhere")
    with pytest.raises(StoreNotOpenError):
        PersistManager(storage())


def test_a_node_needs_its_kinds_of_arguments(store: MetadataStore) -> None:
    """A configuration, and a storage class with a table."""
    table = storage()
    upgrade(store, table)
    with pytest.raises(TypeError, match=r"storage_table is None, which is no storage class"):
        node(None)  # pyright: ignore[reportArgumentType] -- on purpose
    with pytest.raises(TypeError, match=r"config is a dict"):
        DailyMetricsNode({}, table)
    assert DailyMetricsNode(DailyMetricsConfig(), table).config == DailyMetricsConfig()
