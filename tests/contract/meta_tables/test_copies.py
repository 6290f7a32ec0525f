"""Tables of storage classes in copies of a lake: registered there, too, so that nodes go on."""

import pytest

from lakes import Lake, memory_lake
from metaxy import MetadataStore
from metaxy.errors import MetadataSchemaError, StorageNotRegisteredError, StoreError
from metaxy.meta_tables import MetaTableMigration, PersistManager
from metaxy.metadata_store.registering import read_registrations
from metric_tables import (
    ON_CEPH_TOO,
    current,
    metrics,
    node,
    number_column,
    storage,
    table_version,
    upgrade,
)

ROW = ("1-1", "a", 1.0)
BY_KIND = pytest.mark.parametrize("history", [False, True], ids=["rows", "history"])


@ON_CEPH_TOO
@BY_KIND
def test_a_node_goes_on_in_a_copy(lake: Lake, *, history: bool) -> None:
    """The registration and the texts come along; an upgrade finds nothing to do."""
    table = storage(metatable_labels=("daily",))
    with lake.store(graph=None).open("write") as source:
        upgrade(source, table)
        upgrade(source, storage(metatable_labels=("daily", "metrics")))
        node(table, metrics(ROW)).run()
        (known,) = read_registrations(source).values()
        with lake.another().store(graph=None).open("write") as store:
            copied = store.copy_metadata(source, history=history)
            (brought,) = read_registrations(store).values()

            assert dict(copied) == {"example_project/daily_metrics": 1}
            assert known.revision == 2
            assert brought.revision == 1
            assert brought.says_the_same(known)
            renamed = storage(metatable_labels=("daily", "metrics"))
            assert MetaTableMigration([renamed]).plan(store).is_empty
            assert node(table, metrics(ROW)).run().rows == 0
            assert node(table, metrics(("1-1", "a", 2.0))).run().rows == 1
            assert current(table) == [("1-1", "a", 2.0)]


@BY_KIND
def test_a_copy_that_is_repeated_changes_nothing(lake: Lake, *, history: bool) -> None:
    """Neither the table nor the registrations; one that was cut off before its end is mended."""
    table = storage()
    with lake.store(graph=None).open("write") as source:
        upgrade(source, table)
        node(table, metrics(ROW)).run()
        with lake.another().store(graph=None).open("write") as store:
            store.copy_metadata(source, history=history)
            version, registrations = table_version(store, table), read_registrations(store)
            store.copy_metadata(source, history=history)

            assert table_version(store, table) == version
            assert read_registrations(store) == registrations


def test_a_copy_brings_no_more_than_was_asked_for(lake: Lake) -> None:
    """Of other tables neither rows nor registrations; of the past, what was on record then."""
    table, other = storage(), storage("example_project__other", name="Other")
    with lake.store(graph=None).open("write") as source:
        upgrade(source, table)
        node(table, metrics(ROW)).run()
        source.tag("before")
        upgrade(source, storage(columns={"note": number_column(nullable=True)}), other)
        node(other, metrics(ROW)).run()
        with lake.another().store(graph=None).open("write") as store:
            store.copy_metadata(source.as_of("before"))
            (brought,) = read_registrations(store).values()

            assert [column.name for column in brought.contract.columns] == [
                "time_index",
                "entity_identifier",
                "value",
            ]
            with pytest.raises(StorageNotRegisteredError, match="migrations upgrade"):
                node(other)


def test_the_registration_of_the_destination_stays(lake: Lake) -> None:
    """It may be ahead of the source's, and not behind."""
    table = storage()
    with (
        lake.store(graph=None).open("write") as source,
        lake.another().store(graph=None).open("write") as behind,
        lake.another().store(graph=None).open("write") as ahead,
    ):
        upgrade(source, table)
        upgrade(behind, table)
        PersistManager(table, store=source).write(metrics(ROW))
        wider = storage(columns={"note": number_column(nullable=True)})
        upgrade(ahead, wider)
        ahead.copy_metadata(source)
        (own,) = read_registrations(ahead).values()
        assert (own.revision, own.contract.columns[-1].name) == (1, "note")
        assert current(wider) == [(*ROW, None)]

        upgrade(source, wider)
        version = table_version(behind, table)
        with pytest.raises(MetadataSchemaError, match=r"no 'note' there yet: run metaxy migr"):
            behind.copy_metadata(source)
        assert table_version(behind, table) == version


def test_a_name_that_is_taken_there_is_refused(lake: Lake) -> None:
    """Before anything is copied, naming both classes."""
    table = storage()
    other = storage("example_project__other", name="Other", metatable_identifier="metrics")
    with lake.store(graph=None).open("write") as source:
        upgrade(source, storage(metatable_identifier="metrics"))
        node(table, metrics(ROW)).run()
        with lake.another().store(graph=None).open("write") as store:
            upgrade(store, other)
            with pytest.raises(MetadataSchemaError, match=r"'metrics' is that of .*Other there"):
                store.copy_metadata(source)
            assert table_version(store, table) is None


def test_a_lake_without_such_tables_is_told(store: MetadataStore) -> None:
    """One that creates tables by writing to them can't hold one to its contract."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(ROW)).run()
    with (
        memory_lake().store(graph=None).open("write") as other,
        pytest.raises(StoreError, match="can't hold the table of the storage class"),
    ):
        other.copy_metadata(store)
