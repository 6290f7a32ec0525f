"""Every kind of column comes back as it went in, or is refused before any file is written."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from films import films, polars, stored, videos
from metaxy.errors import MetadataSchemaError
from metaxy.metadata_store.delta import DeltaMetadataStore

NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 -- naive on purpose
FIRST = datetime(1, 1, 1)  # noqa: DTZ001 -- naive on purpose
LAST = datetime(9999, 12, 31)  # noqa: DTZ001 -- naive on purpose
ARROW: Any = pa


def kept() -> Iterator[tuple[str, pl.Series]]:
    """Columns that come back equal."""
    for dtype in (pl.Int8, pl.Int16, pl.Int32, pl.Int64):
        yield str(dtype), pl.Series([-128, 127], dtype=dtype)
    yield "the widest integers", pl.Series([-(2**63), 2**63 - 1], dtype=pl.Int64)
    yield "Float32", pl.Series([float("nan"), -0.0], dtype=pl.Float32)
    yield "Float64", pl.Series([float("inf"), float("-inf")], dtype=pl.Float64)
    yield "Boolean", pl.Series([True, None])
    yield "odd text", pl.Series(["\0", "\U0010ffff é "])
    yield "long text", pl.Series(["x" * 5_000_000, ""])
    yield "Binary", pl.Series([b"\0\xff", b""])
    yield "Date", pl.Series([date(1, 1, 1), date(9999, 12, 31)])
    yield "naive Datetime", pl.Series([FIRST, LAST], dtype=pl.Datetime("us"))
    yield "UTC Datetime", pl.Series([NOON, None], dtype=pl.Datetime("us", "UTC"))
    yield "Decimal", pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(38, 2))
    yield "wide Decimal", pl.Series([Decimal(10**37), Decimal(-1)], dtype=pl.Decimal(38, 0))
    yield "List", pl.Series([[1, None], []])
    yield "List of List", pl.Series([[["a"]], None])
    yield "Struct", pl.Series([{"a": 1, "b": {"c": "x"}}, None])
    yield "Struct with odd names", pl.Series([{"a b.c;": 1}, {"a b.c;": 2}])
    yield "List of Struct", pl.Series([[{"a": 1}], [None]])
    yield "Map", pl.Series([{"a": 1}, {}], dtype=pl.Map(pl.String, pl.Int64))


NAMES = ["a b", "a.b", "é", "a,b;{}()=", "a\nb\t", "`a`", "\"a'", "a/b\\c", "日本", "1", "%20"]
MORE_NAMES = ["_commit_version", "null", "x" * 300, "\U0001f600"]


def refused() -> Iterator[tuple[str, pl.Series, str]]:
    """Columns that are refused, and the reason."""
    back = "which would not come back from Delta: "
    for bits, wider in ((8, "Int16"), (16, "Int32"), (32, "Int64"), (64, "Int64 (or Decimal)")):
        dtype = getattr(pl, f"UInt{bits}")
        reason = f"is UInt{bits}, and Delta has no unsigned integers: cast it to {wider}"
        yield f"UInt{bits}", pl.Series([1, 2], dtype=dtype), f"'c' {reason}"
    for wide in (pl.Int128, pl.UInt128):
        way_out = "cast it to Int64, Decimal or String"
        yield str(wide), pl.Series([1, 2], dtype=wide), f"'c' is {wide}, {back}{way_out}"
    half = pl.Series([1.0, 2.0], dtype=pl.Float16)
    yield "Float16", half, f"'c' is Float16, {back}cast it to Float32"
    yield "Time", pl.Series([time(1), None]), f"'c' is Time, {back}cast it to String or Int64"
    duration = pl.Series([timedelta(1), None])
    yield "Duration", duration, f"'c' is Duration(time_unit='us'), {back}cast it to Int64"
    category = pl.Series(["a", "b"], dtype=pl.Categorical)
    yield "Categorical", category, f"'c' is Categorical, {back}cast it to String"
    enum = pl.Series([["a"], ["b"]], dtype=pl.List(pl.Enum(["a", "b"])))
    yield "Enum", enum, f"'c[]' is Enum(categories=['a', 'b']), {back}cast it to String"
    array = pl.Series([[1], [2]], dtype=pl.Array(pl.Int64, 1))
    yield "Array", array, f"'c' is Array(Int64, shape=(1,)), {back}cast it to List"
    null = "cast it to the type that its values will have, or leave the column out"
    yield "Null", pl.Series([None, None]), f"'c' is Null, {back}{null}"
    yield "List of Null", pl.Series([[], []]), f"'c[]' is Null, {back}{null}"
    yield "Struct of Null", pl.Series([{"a": None}] * 2), f"'c.a' is Null, {back}{null}"
    thing = pl.Series([object(), object()], dtype=pl.Object)
    yield "Object", thing, f"'c' is Object, {back}turn it into String, Binary or a Struct"
    empty = pl.Series([{}, {}], dtype=pl.Struct([]))
    without = "'c' is a struct without fields, which Delta can't store: drop it"
    yield "Struct of nothing", empty, without
    unsigned = pl.Series([{"a": 1}, {}], dtype=pl.Map(pl.String, pl.UInt8))
    wider = "'c{}' is UInt8, and Delta has no unsigned integers: cast it to Int16"
    yield "Map of UInt8", unsigned, wider
    twins = pl.Series([{"a": 1, "A": 2}] * 2)
    case = "in 'c', 'a' and 'A' differ only by case, which Delta ignores: rename one"
    yield "Struct of twins", twins, case
    milliseconds = pl.Series([NOON, None], dtype=pl.Datetime("ms"))
    way_out = 'and Delta keeps microseconds: cast it with .dt.cast_time_unit("us")'
    yield "Datetime ms", milliseconds, f"'c' is {milliseconds.dtype}, {way_out}"
    nanoseconds = pl.Series([NOON, None], dtype=pl.Datetime("ns"))
    yield "Datetime ns", nanoseconds, f"'c' is {nanoseconds.dtype}, {way_out}"
    paris = pl.Series([NOON, None], dtype=pl.Datetime("us")).dt.replace_time_zone("Europe/Paris")
    way_out = 'and Delta keeps UTC: convert it with .dt.convert_time_zone("UTC")'
    yield "Datetime in Paris", paris, f"'c' is {paris.dtype}, {way_out}"


def refused_arrow() -> Iterator[tuple[str, Any]]:
    """Arrow columns that are refused, those among them that Polars can't take over."""
    yield "dictionary", ARROW.array(["a", "b"]).dictionary_encode()
    yield "list view", ARROW.array([[1], [2]], ARROW.list_view(ARROW.int64()))
    yield "fixed-size list", ARROW.array([[1], [2]], ARROW.list_(ARROW.int64(), 1))
    yield "decimal256", ARROW.array([Decimal(1), None], ARROW.decimal256(50, 2))
    yield "null", ARROW.nulls(2)
    ends, values = ARROW.array([1, 2], ARROW.int32()), ARROW.array(["a", "b"])
    yield "run-end encoded", ARROW.RunEndEncodedArray.from_arrays(ends, values)
    yield "interval", ARROW.array([ARROW.MonthDayNano([1, 2, 3]), None])
    yield "time32", ARROW.array([time(1), None], ARROW.time32("s"))
    yield "date64", ARROW.array([date(2020, 1, 1), None], ARROW.date64())
    tags = ARROW.array([0, 0], ARROW.int8())
    yield "union", ARROW.UnionArray.from_sparse(tags, [ARROW.array([1, 2])])
    yield "json", ARROW.ExtensionArray.from_storage(ARROW.json_(), ARROW.array(["1", "2"]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeltaMetadataStore]:
    """A store with a record `z`."""
    store = DeltaMetadataStore(tmp_path / "lake", graph=films())
    with store.open("write"):
        store.write_metadata("video", videos(("z", "1", "1")))
        yield store


def assert_unchanged(store: DeltaMetadataStore) -> None:
    """The table has the commits, the files and the record that it had, and takes another one."""
    path = Path(store.table_path("video"))
    assert DeltaTable(path).version() == 1
    assert len(list(path.glob("*.parquet"))) == 1
    assert stored(store, "video", "id") == ["z"]
    store.write_metadata("video", videos(("y", "1", "1")))
    assert stored(store, "video", "id") == ["y", "z"]


@pytest.mark.parametrize("column", [pytest.param(each, id=name) for name, each in kept()])
def test_a_column_comes_back_as_it_went_in(store: DeltaMetadataStore, column: pl.Series) -> None:
    """Type and values are the same, for a new table and for one that gets the column."""
    frame = videos(("a", "1", "1"), ("b", "1", "1")).with_columns(column.alias("c"))
    store.write_metadata("video", frame)
    rows = polars(store.read_metadata("video")).sort("id").filter(pl.col("id") != "z")

    assert rows["c"].dtype == column.dtype
    assert rows["c"].equals(column.alias("c"), null_equal=True)


@pytest.mark.parametrize("name", [*NAMES, *MORE_NAMES])
def test_a_column_may_have_an_odd_name(store: DeltaMetadataStore, name: str) -> None:
    """Also one that begins with something that means something elsewhere."""
    store.write_metadata("video", videos(("a", "1", "1"), **{name: [7]}))
    store.write_metadata("video", videos(("b", "1", "1"), **{name: [8]}))

    assert stored(store, "video", "id", name) == [("a", 7), ("b", 8), ("z", None)]


@pytest.mark.parametrize(
    ("column", "reason"), [pytest.param(column, why, id=name) for name, column, why in refused()]
)
def test_a_column_that_would_change_is_refused(
    store: DeltaMetadataStore, column: pl.Series, reason: str
) -> None:
    """The message says why, and what to do; nothing is written."""
    frame = videos(("a", "1", "1"), ("b", "1", "1")).with_columns(column.alias("c"))
    for given in (frame, frame.lazy()):
        with pytest.raises(MetadataSchemaError) as raised:
            store.write_metadata("video", given)
        assert raised.value.reasons == (reason,)

    assert_unchanged(store)


@pytest.mark.parametrize(
    "column", [pytest.param(column, id=name) for name, column in refused_arrow()]
)
def test_an_arrow_column_that_would_change_is_refused(
    store: DeltaMetadataStore, column: Any
) -> None:
    """So is one that can't even be taken over."""
    frame: Any = cast("Any", videos(("a", "1", "1"), ("b", "1", "1"))).to_arrow()
    with pytest.raises(MetadataSchemaError):
        store.write_metadata("video", frame.append_column("c", column))

    assert_unchanged(store)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\0b", "'a\\x00b' has a NUL character in its name, which Delta can't store: rename it"),
        ("ID", "'id' and 'ID' differ only by case, which Delta ignores: rename one"),
        ("metaxy_size", "'metaxy_size' begins with 'metaxy_', which is reserved for metaxy's own "
         "columns: rename it"),
    ],
)  # fmt: skip
def test_a_name_that_delta_or_metaxy_cannot_have_is_refused(
    store: DeltaMetadataStore, name: str, reason: str
) -> None:
    """Whether it clashes within the frame or with the table."""
    with pytest.raises(MetadataSchemaError) as raised:
        store.write_metadata("video", videos(("a", "1", "1"), **{name: [1]}))

    assert raised.value.reasons == (reason,)
    assert_unchanged(store)
