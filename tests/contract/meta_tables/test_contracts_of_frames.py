"""What is refused of a frame: all of it in one error, and nothing is written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from sqlalchemy import Float
from sqlalchemy.orm import mapped_column

from metaxy import MetadataStore
from metaxy.meta_tables import ContractViolationError
from metaxy.meta_tables.frames import contract_rows
from metric_tables import (
    INDEX,
    metrics,
    node,
    number_column,
    storage,
    table_version,
    text_column,
    upgrade,
)

ONE = metrics(("1-1", "a", 1.0))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        pytest.param(
            ONE.select("entity_identifier", "time_index", "value"),
            "the index columns stand in the order 'entity_identifier', 'time_index'; the contract "
            "has 'time_index', 'entity_identifier'",
            id="wrong index order",
        ),
        pytest.param(
            ONE.drop("value"),
            "the declared column 'value' is missing; the frame has 'time_index', "
            "'entity_identifier'.",
            id="missing",
        ),
        pytest.param(
            ONE.with_columns(valeu=1.0),
            "'valeu' is no column of the contract, which has 'time_index', 'entity_identifier', "
            "'value': leave it out, or declare it and run metaxy migrations upgrade --provider "
            "package.module:object.",
            id="extra",
        ),
        pytest.param(
            ONE.with_columns(pl.col("value").cast(pl.String)),
            "'value' is String, and the class declares Float64: cast it, or change the class",
            id="wrong type",
        ),
        pytest.param(
            ONE.with_columns(value=pl.lit(None, pl.Float64)),
            "the declared column 'value' is null in 1 row",
            id="null",
        ),
        pytest.param(
            ONE.with_columns(entity_identifier=pl.lit(None, pl.String)),
            "the id column 'entity_identifier' is null in 1 row",
            id="null in the index",
        ),
        pytest.param(
            ONE.with_columns(pl.col("time_index").dt.replace_time_zone(None)),
            "'time_index' is Datetime(time_unit='us', time_zone=None), and the class declares "
            "Datetime(time_unit='us', time_zone='UTC'): say which zone it is with "
            '.dt.replace_time_zone("UTC"), or change the class',
            id="naive",
        ),
        pytest.param(
            ONE.with_columns(pl.col("time_index").dt.convert_time_zone("Europe/Berlin")),
            "'time_index' is Datetime(time_unit='us', time_zone='Europe/Berlin'), and the class "
            "declares Datetime(time_unit='us', time_zone='UTC'): convert it with "
            '.dt.convert_time_zone("UTC"), or change the class',
            id="not UTC",
        ),
        pytest.param(
            ONE.with_columns(
                pl.col("time_index").dt.cast_time_unit("ns") + pl.duration(nanoseconds=1)
            ),
            "'time_index' is Datetime(time_unit='ns', time_zone='UTC'), and the class declares "
            "Datetime(time_unit='us', time_zone='UTC'): cut it with "
            '.dt.cast_time_unit("us"), or change the class',
            id="finer than a microsecond",
        ),
        pytest.param(
            pl.concat([ONE, ONE]),
            "1 id more than once: time_index=datetime.datetime(2026, 1, 1, 0, 0, "
            "tzinfo=zoneinfo.ZoneInfo(key='UTC')), entity_identifier='a' (2 rows); write one row a "
            "record",
            id="duplicate grain",
        ),
    ],
)
def test_a_frame_that_breaks_the_contract_writes_nothing(
    store: MetadataStore, rows: pl.DataFrame, reason: str
) -> None:
    """Each fault is told in one sentence; the table keeps its version."""
    table = storage()
    upgrade(store, table)
    version = table_version(store, table)

    with pytest.raises(ContractViolationError) as raised:
        node(table, rows).run()

    assert raised.value.reasons == (reason,)
    assert isinstance(raised.value, ValueError)
    assert table_version(store, table) == version


def test_all_faults_come_in_one_error(store: MetadataStore) -> None:
    """Names, order, types and values are told together."""
    table = storage(columns={"note": text_column(nullable=True)})
    upgrade(store, table)
    rows = (
        pl.concat([ONE, ONE])
        .select("entity_identifier", pl.col("time_index").dt.replace_time_zone(None), extra=1)
        .with_columns(note=2)
    )

    with pytest.raises(ContractViolationError) as raised:
        node(table, rows).run()

    told = [reason.split(" ")[:4] for reason in raised.value.reasons]
    assert told == [
        ["'extra'", "is", "no", "column"],
        ["'note'", "is", "Int32,", "and"],
        ["'time_index'", "is", "Datetime(time_unit='us',", "time_zone=None),"],
        ["1", "id", "more", "than"],
        ["the", "declared", "column", "'value'"],
        ["the", "index", "columns", "stand"],
    ]


def test_times_of_other_precision_that_lose_nothing_are_taken(store: MetadataStore) -> None:
    """Milliseconds and whole microseconds in nanoseconds are the same instants."""
    table = storage()
    upgrade(store, table)
    fine = ONE.with_columns(pl.col("time_index") + timedelta(microseconds=1))

    node(table, fine.with_columns(pl.col("time_index").dt.cast_time_unit("ns"))).run()
    assert node(table, fine).run().rows == 0
    assert node(table, ONE.with_columns(pl.col("time_index").dt.cast_time_unit("ms"))).run().rows
    assert node(table, ONE).run().rows == 0


def test_a_nullable_column_may_be_left_out(store: MetadataStore) -> None:
    """It reads null, and is the same as one given as null."""
    table = storage(columns={"note": text_column(nullable=True)})
    upgrade(store, table)
    node(table, ONE).run()

    assert node(table, ONE.with_columns(note=None)).run().rows == 0
    assert node(table, ONE.with_columns(note=pl.lit("x"))).run().rows == 1


def test_the_store_itself_holds_the_contract(store: MetadataStore) -> None:
    """Whoever writes past the node is refused by the same code."""
    table = storage()
    upgrade(store, table)
    rows = ONE.with_columns(more=1, metaxy_provenance_by_field=pl.struct(default=pl.lit("x")))

    with pytest.raises(ContractViolationError, match=r"'more' is no column of the contract"):
        store.write_metadata(table, rows)
    assert store.write_metadata(table, rows.drop("more")).rows == 1


def test_the_store_writes_no_column_that_no_upgrade_has_added(store: MetadataStore) -> None:
    """A class that has got a column since doesn't evolve its table by a write."""
    upgrade(store, storage())
    table = storage(columns={"extra": mapped_column(Float, nullable=True)})
    rows = ONE.with_columns(metaxy_provenance_by_field=pl.struct(default=pl.lit("x")))

    with pytest.raises(ContractViolationError, match=r"'extra' isn't in the table yet"):
        store.write_metadata(table, rows)


_INDEXED: dict[str, Callable[[Any], Any]] = {
    "both": lambda frame: frame.set_index(list(INDEX)),
    "one": lambda frame: frame.set_index("time_index"),
    "kept besides": lambda frame: frame.set_index("time_index", drop=False),
    "one kept besides": lambda frame: frame.set_index(list(INDEX)).assign(
        entity_identifier=["a", "b"]
    )[["entity_identifier", "value"]],
    "Narwhals": lambda frame: nw.from_native(frame.set_index(list(INDEX))),
    "labels without a name": lambda frame: frame.set_axis([7, 7]),
}


@pytest.mark.parametrize("indexed", _INDEXED)
def test_the_named_index_of_a_pandas_frame_is_columns(indexed: str) -> None:
    """Whichever of its columns it has, wrapped or not; labels without a name are dropped."""
    rows = metrics(("1-1", "a", 1.0), ("1-2", "b", 2.0))
    given = _INDEXED[indexed](rows.to_pandas())

    assert contract_rows(given, storage().definition().contract).rows() == rows.rows()


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_what_is_missing_in_a_pandas_frame_is_null(backend: Any) -> None:
    """Not NaN, and the same as in an equal Polars frame, whatever holds the values."""
    optional = {"value": number_column(nullable=True), "note": text_column(nullable=True)}
    contract = storage(columns=optional).definition().contract
    rows = metrics(("1-1", "a", 1.5), ("1-2", "b", 2.5)).with_columns(
        value=pl.Series([None, 2.5], dtype=pl.Float64), note=pl.Series(["x", None], dtype=pl.String)
    )
    given = rows.to_pandas()
    given = given if backend is None else given.convert_dtypes(dtype_backend=backend)

    assert contract_rows(given, contract).rows() == rows.rows()
