"""What a storage class may say, and what it is as a value."""

import enum
from functools import cache
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    types,
)
from sqlalchemy.orm import mapped_column

from metaxy import FeatureGraph, FeatureKey
from metaxy.meta_tables import PlatformManagedMetaTable, PlatformTimeIndexMetaTable
from metaxy.meta_tables.declaring import table_of
from metaxy.meta_tables.sql_types import UnknownSqlTypeError, neutral_type
from metaxy.meta_tables.storage import StorageClass
from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract
from metaxy.models.definition import FeatureDefinition
from metric_tables import DAILY, INDEX, new_base, number_column, storage, text_column, time_column


def test_a_storage_class_is_a_root_feature() -> None:
    """Its key is its table name, its ids are the index, and it has one field."""
    table = storage()
    plan = FeatureGraph.get_active().plan(table)

    assert table.spec.key == FeatureKey("example_project/daily_metrics")
    assert (plan.is_root, plan.id_columns, plan.project) == (True, INDEX, "example_project")
    assert [str(field.key) for field in plan.fields] == ["default"]


def test_a_contract_says_what_the_class_says() -> None:
    """Columns with their texts, the grain, and what the table is called."""
    table = storage(metatable_labels=["x"], metatable_provisioning={"owner": "data", "n": [1]})
    definition = table.definition()

    assert definition.contract == TableContract(
        key=FeatureKey("example_project/daily_metrics"),
        project="example_project",
        columns=(
            ColumnSpec("time_index", "timestamp[us, UTC]"),
            ColumnSpec("entity_identifier", "string"),
            ColumnSpec("value", "float64", description="As measured."),
        ),
        grain=INDEX,
        time_index="time_index",
        is_closed=True,
        identifier="example_project.daily_metrics",
        namespace="examples",
        description="Metrics, one row a day and entity.",
        labels=("x",),
        column_labels={"time_index": "Day", "value": "Value"},  # pyright: ignore[reportArgumentType] -- pydantic freezes it
        provisioning={"owner": "data", "n": [1]},  # pyright: ignore[reportArgumentType] -- as above
    )
    assert definition.class_path == "example_project.storage.DailyMetricsStorage"


def test_a_definition_restored_from_a_snapshot_has_the_contract() -> None:
    """A graph that was pushed is as strict as the classes that it was made from."""
    definition = storage(metatable_provisioning={"n": [1, {"a": None}]}).definition()

    restored = FeatureDefinition.from_json(definition.to_json())

    assert restored == definition
    assert restored.contract == definition.contract


def test_words_change_no_feature_version_and_the_full_definition_version() -> None:
    """So does a column that comes later: older rows stay of the current version."""
    versions: list[tuple[str, str]] = []
    variants: list[dict[str, Any]] = [
        {},
        {"metatable_description": "Other."},
        {"metatable_identifier": "other"},
        {"columns": {"more": number_column(nullable=True)}},
    ]
    for options in variants:
        graph = FeatureGraph.from_definitions([storage(**options).definition()])
        key = FeatureKey("example_project/daily_metrics")
        versions.append((graph.feature_version(key), graph.full_definition_version(key)))

    assert len({feature for feature, _ in versions}) == 1
    assert len({full for _, full in versions}) == 4


@pytest.mark.parametrize(
    "given",
    [
        dict,
        lambda: {"columns": {"value": number_column(unique=True)}},
        lambda: {"table_args": (Index("ix", "entity_identifier"),)},
    ],
)
def test_one_unique_index_over_the_grain_is_added(given: Any) -> None:
    """Others, unique or not, are something else."""
    table = table_of(storage(**given()))
    unique = [each for each in table.indexes if each.unique]

    assert [tuple(each.columns.keys()) for each in unique] == [INDEX]


@pytest.mark.parametrize(
    "arguments",
    [
        lambda: (UniqueConstraint("entity_identifier", "time_index"),),
        lambda: (Index("ux", "entity_identifier", "time_index", unique=True),),
    ],
)
def test_no_index_is_added_beside_one_over_the_same_columns(arguments: Any) -> None:
    """In whatever order it has them."""
    table = table_of(storage(table_args=arguments()))

    assert [each.name for each in table.indexes if each.name != "ux"] == []


def test_a_primary_key_over_the_grain_is_such_an_index() -> None:
    """And it is what SQLAlchemy tells rows apart by."""
    columns = {
        "time_index": time_column(primary_key=True),
        "entity_identifier": text_column(primary_key=True),
    }
    assert table_of(storage(columns=columns)).indexes == set()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"index_names": ("entity_identifier", "time_index")}, "the time index 'time_index' must"),
        ({"index_names": ("time_index", "value", "value")}, "has 'value' 2 times"),
        (
            {"index_names": ("time_index", "entity_identfier")},
            "the index column 'entity_identfier' is missing; the columns are 'time_index', "
            "'entity_identifier', 'value'. Did you mean 'entity_identifier'?",
        ),
        (
            {"columns": {"entity_identifier": text_column(nullable=True)}},
            "the index column 'entity_identifier' may be null",
        ),
        (
            {"columns": {"time_index": mapped_column(String, nullable=False)}},
            "the time index 'time_index' is String(), which is no time",
        ),
        (
            {"columns": {"time_index": mapped_column(DateTime, nullable=False)}},
            "the column 'time_index': it is naive: use DateTime(timezone=True)",
        ),
        ({"time_index_name": "at"}, "the time index 'at' must be the first"),
        ({"index_names": ("foo",)}, "the index column 'foo' is missing; the columns are"),
        (
            {"columns": {"time_index": None, "entity_identifier": None}, "index_names": ()},
            "the index column 'time_index' is missing; the columns are 'value'",
        ),
        (
            {"mixins": (PlatformManagedMetaTable,), "index_names": ()},
            "it needs __index_names__",
        ),
        ({"index_names": ("time_index", 1)}, "__index_names__ has 1, which is no text"),
        (
            {"index_names": ("time_index", "value")},
            "the id column 'value' is Float64, which can't name records",
        ),
        (
            {"columns": {"entity_identifier": mapped_column(ARRAY(String), nullable=False)}},
            "the id column 'entity_identifier' is List(String), which can't name records",
        ),
        (
            {"columns": {"extra": mapped_column(ForeignKey("elsewhere.x"))}},
            "the column 'extra': it has no type: give one.",
        ),
        ({"columns": {"extra": mapped_column("*", Float)}}, "the column '*' is called like a"),
        ({"columns": {"extra": mapped_column("^x.*$", Float)}}, "the column '^x.*$' is called"),
        ({"metatable_provisioning": [1]}, "__metatable_provisioning__ is no mapping"),
        ({"metatable_namespace": " "}, "it needs __metatable_namespace__"),
        ({"columns": {"extra": mapped_column(JSON)}}, "the column 'extra': JSON() has no fixed"),
        ({"columns": {"metaxy_x": number_column()}}, "the column 'metaxy_x' begins with"),
        ({"columns": {"VALUE": number_column()}}, "the columns 'value' and 'VALUE' differ only"),
        ({"columns": {"spec": number_column()}}, "the column 'spec' is called like"),
        ({"metatable_namespace": ""}, "it needs __metatable_namespace__"),
        ({"metatable_labels": "x"}, "__metatable_labels__ is a text"),
        ({"table": "a-b__c"}, "'a-b__c' can't be the name of a table"),
    ],
)
def test_faults_of_a_class_are_told_when_it_is_declared(
    options: dict[str, Any], fault: str
) -> None:
    """By the column's name; the class leaves nothing behind."""
    base = new_base()
    with pytest.raises(ValueError, match=r"can't be the name|is not valid") as raised:
        storage(base=base, **options)

    assert fault in str(raised.value)
    assert base.metadata.tables == {}
    assert FeatureGraph.get_active().keys == ()


def test_all_faults_of_a_class_come_at_once() -> None:
    """In one error."""
    with pytest.raises(ValueError, match=r"3 faults"):
        storage(
            metatable_namespace="",
            columns={"extra": mapped_column(JSON), "entity_identifier": text_column(nullable=True)},
        )


def test_a_class_without_columns_is_refused() -> None:
    """SQLAlchemy would tell of a primary key that nobody has asked for."""
    base = new_base()
    columns = {"time_index": None, "entity_identifier": None, "value": None}
    with pytest.raises(ValueError, match=r"'example_project__daily_metrics' has no columns"):
        storage(base=base, columns=columns)

    assert base.metadata.tables == {}


def test_columns_are_known_by_their_names_in_the_table() -> None:
    """Attributes of the class, and keys of SQLAlchemy, may be others."""
    table = storage(
        columns={
            "entity_identifier": None,
            "who": mapped_column("entity_identifier", String, key="whoever", nullable=False),
            "value": None,
            "what": mapped_column("the value", Float, nullable=False),
        }
    )
    contract = table.definition().contract

    assert [each.name for each in contract.columns] == [*INDEX, "the value"]
    assert contract.grain == INDEX
    (index,) = table_of(table).indexes
    assert [each.name for each in index.columns] == list(INDEX)

    named = mapped_column("entity_identifier", String, key="whoever", nullable=False)
    constraint = UniqueConstraint("whoever", "time_index")
    own = storage(
        name="Own",
        table="example_project__own",
        columns={"entity_identifier": named},
        table_args=(constraint,),
    )
    assert table_of(own).indexes == set()


def test_texts_that_are_none_are_none() -> None:
    """The word None is nobody's description."""
    table = storage(columns={"value": number_column(info={"label": None, "description": None})})
    contract = table.definition().contract

    assert (contract.columns[2].description, "value" in contract.column_labels) == (None, False)


def test_a_storage_class_is_not_derived_from_another() -> None:
    """The contract would be that of two classes; an abstract base is the way."""
    table = storage()
    with pytest.raises(ValueError, match=r"derived from DailyMetricsStorage, which has a table"):
        type("Derived", (table,), {"__module__": "x"})

    base = new_base()
    shared: dict[str, Any] = {"__abstract__": True, "__metatable_namespace__": "examples"}
    abstract = type("Abstract", (PlatformTimeIndexMetaTable, base), shared)
    own = storage(base=base, mixins=(abstract,))
    assert own.definition().contract.namespace == "examples"


def test_two_classes_of_one_table_name_are_refused_naming_both() -> None:
    """Also where they have different bases."""
    storage()
    with pytest.raises(ValueError, match=r"storage\.DailyMetricsStorage and \S+storage\.Other"):
        storage(name="Other")


def test_two_classes_of_one_table_name_on_one_base_are_refused_naming_both() -> None:
    """SQLAlchemy would name neither, and advise to merge them."""
    base = new_base()
    storage(base=base)
    with pytest.raises(ValueError, match=r"storage\.DailyMetricsStorage and \S+storage\.Other"):
        storage(base=base, name="Other")
    with pytest.raises(ValueError, match=r"declared a second time on one declarative base"):
        storage(base=base)


def test_registering_by_a_call_is_refused() -> None:
    """Tables are registered by an upgrade; what options said is said by the class."""
    table = storage()
    with pytest.raises(ValueError, match=r"metaxy migrations upgrade"):
        table.register()
    for option in ("description", "labels", "introspect", "data_source_uid"):
        with pytest.raises(TypeError, match=f"takes no '{option}': the class itself says"):
            table.register(**{option: None})
    with pytest.raises(TypeError, match=r"takes no 'x': there are no options"):
        table.register(x=1)
    assert not hasattr(table, "bind_meta_table")
    import metaxy.meta_tables  # noqa: PLC0415

    assert not hasattr(metaxy.meta_tables, "bind_meta_table")


def test_a_memoised_factory_gives_the_identical_class() -> None:
    """For the same argument; others have other tables."""

    @cache
    def prices(venue: str) -> StorageClass:
        return storage(f"example_project__prices_{venue}", name=f"Prices{venue.title()}")

    assert prices("a") is prices("a")
    assert prices("a").spec.key != prices("b").spec.key


def test_columns_are_found_whatever_the_order_of_the_bases() -> None:
    """The declarative base may stand before the mixin."""
    base = new_base()
    members = {
        "__module__": "example_project.storage",
        "__tablename__": DAILY,
        "__metatable_namespace__": "examples",
        "id": mapped_column(Integer, primary_key=True),
        "value": number_column(),
    }
    table = type("Managed", (base, PlatformManagedMetaTable), members)

    assert table.definition().contract.grain == ("id",)


class _Colour(enum.Enum):
    RED = 1


class _Trimmed(types.TypeDecorator[str]):
    impl = String
    cache_ok = True


_KINDS: list[tuple[Any, str]] = [
    (String(10), "string"),
    (Text(), "string"),
    (Uuid(), "string"),
    (Enum(_Colour), "string"),
    (_Trimmed(), "string"),
    (Boolean(), "bool"),
    (SmallInteger(), "int16"),
    (Integer(), "int64"),
    (BigInteger(), "int64"),
    (Float(), "float64"),
    (types.Double(), "float64"),
    (types.REAL(), "float32"),
    (Numeric(), "decimal(38,9)"),
    (Numeric(10), "decimal(10,0)"),
    (Numeric(10, 2), "decimal(10,2)"),
    (Date(), "date"),
    (DateTime(timezone=True), "timestamp[us, UTC]"),
    (LargeBinary(), "binary"),
    (ARRAY(Float), "list<float64>"),
    (ARRAY(Float, dimensions=2), "list<list<float64>>"),
]


@pytest.mark.parametrize(("kind", "neutral"), _KINDS)
def test_types_are_told_as_the_lake_has_them(kind: Any, neutral: str) -> None:
    """Lengths and names of types make no difference."""
    assert neutral_type(kind) == neutral


@pytest.mark.parametrize("kind", [Interval(), types.Time(), DateTime(), JSON(), Numeric(50, 2)])
def test_types_that_no_lake_holds_are_refused(kind: Any) -> None:
    """With what to use instead."""
    with pytest.raises(UnknownSqlTypeError):
        neutral_type(kind)


def test_a_refused_type_is_told_as_it_was_given() -> None:
    """An interval is kept as an instant by some databases, and isn't one."""
    with pytest.raises(UnknownSqlTypeError, match=r"^Interval\(\) has no column type in a lake"):
        neutral_type(Interval())


def test_importing_a_storage_class_creates_no_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a configuration nor a lake is needed."""
    monkeypatch.chdir(tmp_path)
    storage()

    assert list(tmp_path.iterdir()) == []
