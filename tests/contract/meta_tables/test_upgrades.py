"""What an upgrade makes of a lake, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from sqlalchemy import Date, Float, ForeignKey, Integer, String
from sqlalchemy.orm import mapped_column

from lakes import Lake
from metaxy import FeatureRegistry, MetadataStore
from metaxy.errors import WriteConflictError
from metaxy.meta_tables import (
    MetaTableMigration,
    PlatformManagedMetaTable,
    PlatformTimeIndexMetaTable,
)
from metaxy.meta_tables.upgrade import apply_upgrade
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.registering import read_registrations
from metaxy.metadata_store.system import META_TABLES_KEY
from metaxy.metadata_store.table_texts import TableTexts
from metric_tables import (
    ON_CEPH_TOO,
    current,
    day,
    metrics,
    new_base,
    node,
    number_column,
    storage,
    table_version,
    text_column,
    time_column,
    upgrade,
)

WAY_OUT = "publish a new table name, or write a migration"


@pytest.mark.parametrize("said", [None, "", " "])
def test_a_table_without_description_is_refused_and_nothing_is_written(
    lake: Lake, said: str | None
) -> None:
    """One class without it stops the upgrade of all."""
    undescribed = storage("example_project__x", name="X", metatable_description=said)
    with lake.store(graph=None).open("write") as store:
        with pytest.raises(ValueError, match=r"example_project__x.*__metatable_description__"):
            upgrade(store, storage(), undescribed)

        assert store.tables_in_store() == ()


@ON_CEPH_TOO
def test_an_upgrade_creates_the_table_and_one_registration(store: MetadataStore) -> None:
    """The table has the columns of the contract and metaxy's own, and no rows."""
    table = storage()
    plan = MetaTableMigration([table]).upgrade(store)

    (registration,) = read_registrations(store).values()
    assert [step.action for step in plan.steps] == ["create"]
    assert registration.contract == table.definition().contract
    assert registration.revision == 1
    assert store.table_version(table.spec.key) == 0
    schema = store.table_schema(table.spec.key) or pl.Schema()
    assert [name for name in schema if not name.startswith("metaxy_")] == [
        "time_index",
        "entity_identifier",
        "value",
    ]
    assert current(table) == []


def test_an_upgrade_twice_changes_nothing(store: MetadataStore) -> None:
    """Same uid, one registration, same Delta versions."""
    table = storage()
    upgrade(store, table)
    first = read_registrations(store)
    versions = [store.table_version(key) for key in (table.spec.key, META_TABLES_KEY)]
    plan = MetaTableMigration([table]).upgrade(store)

    assert plan.is_empty
    assert read_registrations(store) == first
    assert list(first) == [str(table.definition().contract.uid)]
    assert [store.table_version(key) for key in (table.spec.key, META_TABLES_KEY)] == versions


def test_a_dry_run_writes_nothing_and_tells_the_very_plan(lake: Lake) -> None:
    """What it tells is what the upgrade then does."""
    migration = MetaTableMigration([storage()])
    with lake.store(graph=None).open("write") as store:
        told = migration.upgrade(store, dry_run=True)
        assert store.tables_in_store() == ()

        assert migration.upgrade(store) == told


def test_an_unknown_revision_is_refused(store: MetadataStore) -> None:
    """Classes say what a table is now; there is only the head."""
    with pytest.raises(ValueError, match=r"no revision 'abc'"):
        MetaTableMigration([storage()]).upgrade(store, revision="abc")


def test_models_that_the_provider_does_not_list_stay_unregistered(store: MetadataStore) -> None:
    """Importing a class is not listing it."""
    listed, other = storage(), storage("example_project__other", name="Other")
    upgrade(store, listed)

    assert list(read_registrations(store)) == [str(listed.definition().contract.uid)]
    assert store.table_schema(other.spec.key) is None


@ON_CEPH_TOO
def test_texts_are_shown_by_the_delta_table(lake: Lake) -> None:
    """Other engines see descriptions and labels; a change of them lands without new rows."""
    with lake.store(graph=None).open("write") as store:
        assert isinstance(store, DeltaMetadataStore)
        upgrade(store, storage(metatable_labels=["daily", "example"]))
        first = _texts(store)
        changed = storage(
            metatable_description="Other words.",
            metatable_labels=["daily"],
            columns={"value": number_column(info={"label": "Reading"})},
        )
        plan = MetaTableMigration([changed]).upgrade(store)
        second = _texts(store)

        assert MetaTableMigration([changed]).upgrade(store).is_empty
        assert [step.action for step in plan.steps] == ["alter"]
        assert node(changed, metrics(("1-1", "a", 1.0))).run().rows == 1
    assert first == (
        "Metrics, one row a day and entity.",
        '["daily", "example"]',
        {"comment": "As measured.", "metaxy.label": "Value"},
        {"metaxy.label": "Day"},
    )
    assert second == (
        "Other words.",
        '["daily"]',
        {"comment": "", "metaxy.label": "Reading"},
        {"metaxy.label": "Day"},
    )


def _texts(store: DeltaMetadataStore) -> tuple[Any, ...]:
    """What Delta itself says of the table, of `value` and of `time_index`."""
    path = store.table_path("example_project/daily_metrics")
    table = DeltaTable(path, storage_options=store._storage.delta_options or None)
    fields = {each.name: each.metadata for each in table.schema().fields}
    about = table.metadata()
    labels = about.configuration["metaxy.labels"]
    return about.description, labels, fields["value"], fields["time_index"]


@ON_CEPH_TOO
def test_a_new_nullable_column_upgrades_in_place(store: MetadataStore) -> None:
    """Old rows stay current and read null; a rerun writes nothing."""
    old = storage()
    upgrade(store, old)
    rows = metrics(("1-1", "a", 1.0), ("1-2", "a", 2.0))
    node(old, rows).run()
    new = storage(columns={"note": text_column(nullable=True, info={"description": "Free."})})
    plan = MetaTableMigration([new]).upgrade(store)

    assert [(step.action, step.new_columns) for step in plan.steps] == [("alter", ("note",))]
    assert current(new) == [("1-1", "a", 1.0, None), ("1-2", "a", 2.0, None)]
    assert node(new, rows).run().rows == 0
    assert node(new, rows.with_columns(note=pl.lit("x")).head(1)).run().rows == 1
    assert current(new) == [("1-1", "a", 1.0, "x"), ("1-2", "a", 2.0, None)]
    (registration,) = read_registrations(store).values()
    assert registration.revision == 2


@pytest.mark.parametrize(
    ("columns", "attributes", "reason"),
    [
        (lambda: {"value": None}, {}, "the column 'value' is gone"),
        (
            lambda: {"value": mapped_column(String, nullable=False)},
            {},
            "the column 'value' is string, and was float64",
        ),
        (
            lambda: {"more": mapped_column(Float, nullable=False)},
            {},
            "the new column 'more' (float64) must be nullable, since older rows have no value for "
            "it",
        ),
        (
            dict,
            {"index_names": ["time_index"]},
            "the index columns are 'time_index', and were 'time_index', 'entity_identifier'",
        ),
        (
            lambda: {"time_index": mapped_column(Date, nullable=False)},
            {},
            "the column 'time_index' is date, and was timestamp[us, UTC]",
        ),
    ],
    ids=["dropped", "retyped", "not null", "grain", "time"],
)
def test_changes_that_rows_cannot_follow_are_refused_with_the_difference(
    store: MetadataStore,
    columns: Callable[[], dict[str, Any]],
    attributes: dict[str, Any],
    reason: str,
) -> None:
    """Nothing is changed, of this table or of another."""
    old = storage()
    upgrade(store, old)
    node(old, metrics(("1-1", "a", 1.0))).run()
    versions = [table_version(store, old), store.table_version(META_TABLES_KEY)]
    # A column belongs to the first class that it is given to, so each run makes its own.
    new = storage(columns=columns(), **attributes)
    other = storage("example_project__other", name="Other")

    with pytest.raises(ValueError, match=r"nothing was changed") as raised:
        upgrade(store, other, new)

    assert str(raised.value).endswith(f"'{old.__tablename__}': {reason} ({WAY_OUT})")  # pyright: ignore[reportAttributeAccessIssue]
    assert [table_version(store, old), store.table_version(META_TABLES_KEY)] == versions
    assert store.table_schema(other.spec.key) is None


def test_duplicate_names_are_refused_naming_both_classes(store: MetadataStore) -> None:
    """In one provider, and beside what is registered already."""
    one = storage("example_project__one", name="One", metatable_identifier="same")
    two = storage("example_project__two", name="Two", metatable_identifier="same")
    both = r"'same' is that of two classes: example_project.storage.One and \S+Two"
    with pytest.raises(ValueError, match=both):
        MetaTableMigration([one, two])

    upgrade(store, one)
    with pytest.raises(ValueError, match=both):
        upgrade(store, two)
    assert list(read_registrations(store)) == [str(one.definition().contract.uid)]


def test_one_table_name_of_two_classes_is_refused_naming_both(store: MetadataStore) -> None:
    """Also of classes that one program doesn't load together, as those of two projects."""
    one = storage(name="One")
    with FeatureRegistry().use():
        two = storage(name="Two")
    with FeatureRegistry(default_project="other").use():
        other = storage(name="Other")
        both = r"table name 'example_project__daily_metrics' is that of two classes: \S+One and "
        with pytest.raises(ValueError, match=both + r"\S+Two"):
            MetaTableMigration([one, two])
        with pytest.raises(ValueError, match=both + r"\S+Other"):
            MetaTableMigration([one, other])
    upgrade(store, one)
    registered = read_registrations(store)
    with (
        FeatureRegistry(default_project="other").use(),
        pytest.raises(ValueError, match=both + r"\S+Other"),
    ):
        upgrade(store, other)

    assert read_registrations(store) == registered


def test_a_column_may_become_nullable_and_not_the_other_way(store: MetadataStore) -> None:
    """Older rows may hold a null by then."""
    strict = storage()
    upgrade(store, strict)
    relaxed = storage(columns={"value": number_column(nullable=True)})
    upgrade(store, relaxed)
    assert node(relaxed, metrics(("1-1", "a", 1.0)).drop("value")).run().rows == 1

    with pytest.raises(ValueError, match=r"'value' is float64, and was float64, nullable"):
        upgrade(store, storage())
    assert current(relaxed) == [("1-1", "a", None)]


def test_an_upgrade_that_was_cut_off_goes_on_when_repeated(
    store: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table without a registration is taken over if it is this very table."""
    table = storage()

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("metaxy.meta_tables.upgrade.record_registration", cut_off)
        with pytest.raises(KeyboardInterrupt):
            upgrade(store, table)
    assert store.table_version(table.spec.key) == 0

    plan = MetaTableMigration([table]).upgrade(store)
    assert [step.action for step in plan.steps] == ["adopt"]
    assert store.table_version(table.spec.key) == 0
    assert node(table, metrics(("1-1", "a", 1.0))).run().rows == 1


def test_a_table_of_something_else_is_not_taken_over(store: MetadataStore) -> None:
    """A folder of that name with other columns is refused."""
    table = storage()
    store.create_table(  # what a stranger has left there
        table.spec.key, pl.Schema({"x": pl.Int64()}), TableTexts()
    )

    with pytest.raises(ValueError, match=r"a table lies there that isn't this one"):
        upgrade(store, table)
    assert read_registrations(store) == {}


def test_a_foreign_key_is_plain_sqlalchemy(lake: Lake, store: MetadataStore) -> None:
    """It is in the metadata of the base, not in the contract; the order of the list is free."""
    base = new_base()
    source = storage(
        "example_project__source",
        name="Source",
        base=base,
        columns={"entity_identifier": None, "value": number_column()},
        index_names=["time_index"],
    )
    table = storage(
        base=base,
        columns={
            "time_index": mapped_column(
                time_column().column.type,
                ForeignKey("example_project__source.time_index", ondelete="CASCADE"),
                nullable=False,
            )
        },
    )
    upgrade(store, table, source)

    assert len(base.metadata.tables["example_project__daily_metrics"].foreign_keys) == 1
    contracts = [each.contract for each in read_registrations(store).values()]
    assert sorted(each.table_name for each in contracts) == sorted(base.metadata.tables)
    assert not any("foreign" in each.model_dump_json() for each in contracts)
    # Delta doesn't hold it: no row of the source has this time.
    assert node(table, metrics(("1-1", "a", 1.0))).run().rows == 1
    with lake.another().store(graph=None).open("write") as other:
        upgrade(other, source, table)
        assert len(read_registrations(other)) == 2


def test_upgrades_stay_out_of_pushes(store: MetadataStore, registry: FeatureRegistry) -> None:
    """A push registers no table, and an upgrade makes no feature look removed."""
    table = storage()
    del registry
    store.record_feature_graph_snapshot()
    assert store.table_schema(table.spec.key) is None
    assert read_registrations(store) == {}
    pushed = store.read_pushes().height
    upgrade(store, table)

    assert store.read_pushes().height == pushed == 1
    assert store.record_feature_graph_snapshot().case == "unchanged"


def test_a_managed_table_needs_no_time(store: MetadataStore) -> None:
    """The mixin without a time index has rows named by their columns alone."""
    table = storage(
        columns={"time_index": None, "entity_identifier": text_column(primary_key=True)},
        mixins=(PlatformManagedMetaTable,),
        index_names=(),
    )
    assert not issubclass(table, PlatformTimeIndexMetaTable)
    upgrade(store, table)
    rows = pl.DataFrame({"entity_identifier": ["a"], "value": [1.0]})

    assert node(table, rows).run().rows == 1
    assert node(table, rows.with_columns(value=2.0)).run().rows == 1
    assert current(table) == [("a", 2.0)]
    assert node(table).update_statistics.max_time is None


def test_a_dropped_table_gets_its_columns_back(store: MetadataStore) -> None:
    """A drop leaves the table without columns of its own; the next upgrade mends that."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0))).run()
    store.drop_feature_metadata(table)

    plan = MetaTableMigration([table]).upgrade(store)
    assert [step.action for step in plan.steps] == ["alter"]
    assert current(table) == []
    assert node(table, metrics(("1-2", "a", 1.0))).run().rows == 1


def test_a_flat_lake_has_such_tables_too(tmp_path: Path) -> None:
    """The table's own name is its folder there."""
    table = storage(columns={"count": mapped_column(Integer, nullable=True)})
    with DeltaMetadataStore(tmp_path / "lake", layout="flat").open("write") as store:
        upgrade(store, table)
        node(table, metrics(("1-1", "a", 1.0), count=pl.lit(3, pl.Int64))).run()

        assert current(table) == [("1-1", "a", 1.0, 3)]
        assert node(table).update_statistics.max_time == day("1-1")
    assert (tmp_path / "lake" / "example_project__daily_metrics.delta").is_dir()


@ON_CEPH_TOO
def test_of_two_upgrades_at_once_one_records_a_revision(store: MetadataStore) -> None:
    """The other is told so, and finds nothing to do when it is repeated."""
    table = storage()
    migration = MetaTableMigration([table])
    plan = migration.plan(store)
    apply_upgrade(store, plan)
    with pytest.raises(WriteConflictError, match=r"Another upgrade of 'example_project__daily_m"):
        apply_upgrade(store, plan)

    assert migration.upgrade(store).is_empty
    assert store.table_version(META_TABLES_KEY) == 1


def test_a_view_of_the_past_has_the_rows_of_then(store: MetadataStore) -> None:
    """Tags pin tables of storage classes and their registrations."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0))).run()
    store.tag("before")
    node(table, metrics(("1-1", "a", 2.0))).run()

    assert current(table, table_version="before") == [("1-1", "a", 1.0)]
    assert current(table) == [("1-1", "a", 2.0)]
    assert META_TABLES_KEY in store.tables_in_store()
