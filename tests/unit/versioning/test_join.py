"""Inputs, joined into the records that are expected."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from definitions import feature, graph_of
from lake_rows import expected, ids, made_of, provenance, record, resolved, stored
from metaxy.errors import MetadataSchemaError, MissingColumnsError
from metaxy.graph.graph import FeatureGraph
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.lineage import Lineage
from metaxy.versioning.inputs import StoredRows
from reference.row_bytes import Value, header, row_text


def _names(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the versions."""
    return [{n: v for n, v in row.items() if not n.startswith("metaxy_")} for row in rows]


def _versions(rows: list[dict[str, Any]]) -> list[str]:
    return [row["metaxy_provenance_by_field"]["default"] for row in rows]


def test_an_expected_record_is_written_out() -> None:
    """Ids, carried columns, the provenance of each field and of the record."""
    graph = graph_of(feature("video"), feature("faces", deps=[FeatureDep("video")]))

    assert expected(
        graph, "faces", {"video": stored(record(id="a", codec="h264", version="v1"))}
    ) == [
        {
            "id": "a",
            "codec": "h264",
            "metaxy_provenance_by_field": {"default": made_of(("video.default", "v1"))},
            "metaxy_provenance": provenance("default", values=[made_of(("video.default", "v1"))]),
        }
    ]


def test_records_need_all_required_inputs() -> None:
    """Of three, some have more than others."""
    graph = graph_of(
        *(feature(key) for key in "abc"), feature("all", deps=[FeatureDep(key) for key in "abc"])
    )
    lake = {
        "a": stored(record(id=1), record(id=2), record(id=3)),
        "b": stored(record(id=2), record(id=3), record(id=4)),
        "c": stored(record(id=3), record(id=2), record(id=5), record(id=3, at=1, gone=True)),
    }

    assert _names(expected(graph, "all", lake)) == [{"id": 2}]


def test_inputs_of_different_grain_meet_on_what_they_share() -> None:
    """Each frame gets the columns of its video."""
    graph = graph_of(
        feature("video", ids=("v",)),
        feature("frame", ids=("v", "f")),
        feature("crop", ids=("f", "v"), deps=[FeatureDep("video"), FeatureDep("frame")]),
    )
    lake = {
        "video": stored(
            record(v="a", codec="x", version="1"), record(v="b", codec="y", version="2")
        ),
        "frame": stored(record(v="a", f=1), record(v="a", f=2), record(v="c", f=1)),
    }

    rows = expected(graph, "crop", lake)

    assert _names(rows) == [{"f": 1, "v": "a", "codec": "x"}, {"f": 2, "v": "a", "codec": "x"}]


def _optional() -> FeatureGraph:
    return graph_of(
        feature("a"),
        feature("b"),
        feature("both", deps=[FeatureDep("a"), FeatureDep("b", optional=True)]),
    )


def test_an_optional_input_keeps_records_that_it_lacks() -> None:
    """A missing record, a null version and an empty text give three provenances."""
    lake = {
        "a": stored(record(id=1), record(id=2), record(id=3)),
        "b": stored(record(id=2, version=None), record(id=3, version="")),
    }

    assert _versions(expected(_optional(), "both", lake)) == [
        row_text(
            [header('["default","1",["a.default","b.default?"]]'), "1", *rest],
            algorithm="xxhash64",
        )
        for rest in ([None, None], [True, None], [True, ""])
    ]


def test_parents_in_several_inputs_enter_an_input_at_a_time() -> None:
    """Several parents in one as the digest of their versions, a single one as its version."""
    graph = graph_of(
        feature("a", fields=["x", "y"]),
        feature("b", fields=["x", "y"]),
        feature(
            "both",
            deps=[FeatureDep("a"), FeatureDep("b", optional=True)],
            fields=[
                FieldSpec("all"),
                FieldSpec("one", deps=[FieldDep("a", ["x"]), FieldDep("b", ["x", "y"])]),
                FieldSpec("own", deps=[FieldDep("a", ["x", "y"])]),
                FieldSpec("theirs", deps=[FieldDep("b", ["y", "x"])]),
            ],
        ),
    )
    lake = {
        "a": _two_fields(record(id=1, x="ax", y="ay"), record(id=2, x="ax", y=None)),
        "b": _two_fields(record(id=1, x="bx", y="by")),
    }

    first, second = (row["metaxy_provenance_by_field"] for row in expected(graph, "both", lake))

    def version(name: str, parents: str, values: list[Value]) -> str:
        text = header(f'["{name}","1",[{parents}]]')
        return row_text([text, *values], algorithm="xxhash64")

    def part(*versions: Value) -> bytes:
        return bytes.fromhex(row_text(versions, algorithm="xxhash64"))

    all_names = '"a.x","a.y","b.x?","b.y?"'
    assert first == {
        "all": version("all", all_names, [part("ax", "ay"), True, part("bx", "by")]),
        "one": version("one", '"a.x","b.x?","b.y?"', ["ax", True, part("bx", "by")]),
        "own": version("own", '"a.x","a.y"', ["ax", "ay"]),
        "theirs": version("theirs", '"b.x?","b.y?"', [True, "bx", "by"]),
    }
    assert second == {
        "all": version("all", all_names, [part("ax", None), None, None]),
        "one": version("one", '"a.x","b.x?","b.y?"', ["ax", None, None]),
        "own": version("own", '"a.x","a.y"', ["ax", None]),
        "theirs": version("theirs", '"b.x?","b.y?"', [None, None, None]),
    }


def _two_fields(*rows: dict[str, Any]) -> StoredRows:
    """Stored rows whose columns x and y are the versions of the fields of those names."""
    frame = stored(*rows).frame
    assert frame is not None
    return StoredRows(
        frame.with_columns(metaxy_data_version_by_field=pl.struct("x", "y")).drop("x", "y")
    )


def test_an_optional_input_without_a_table_is_as_one_without_rows() -> None:
    """So nothing changes when its first table is created for other records."""
    rows = stored(record(id=1), record(id=2))
    other = stored(record(id=7))

    assert expected(_optional(), "both", {"a": rows}) == expected(
        _optional(), "both", {"a": rows, "b": other}
    )


def test_a_required_input_without_a_table_leaves_nothing_expected() -> None:
    """What is stored is then to be removed."""
    assert ids(resolved(_optional(), "both", {"both": stored(record(id=1))})) == ([], [], [1])


def test_when_all_inputs_are_optional_a_record_needs_only_one() -> None:
    """Ids come from whichever input has them."""
    graph = graph_of(
        *(feature(key) for key in "abc"),
        feature("any", deps=[FeatureDep(key, optional=True) for key in "abc"]),
    )
    lake = {
        "a": stored(record(id=1, x="a")),
        "b": stored(record(id=1, y="b"), record(id=2, y="b")),
        "c": stored(record(id=2, z="c"), record(id=3, z="c")),
    }

    assert _names(expected(graph, "any", lake)) == [
        {"id": 1, "x": "a", "y": "b", "z": None},
        {"id": 2, "x": None, "y": "b", "z": "c"},
        {"id": 3, "x": None, "y": None, "z": "c"},
    ]


def test_undeclared_columns_of_one_name_are_kept_apart() -> None:
    """The first input keeps the name; case doesn't tell columns apart, since Delta ignores it."""
    graph = graph_of(feature("a"), feature("b"), feature("both", deps=["a", "b"]))
    lake = {"a": stored(record(id=1, x="a", y="a")), "b": stored(record(id=1, X="b", z="b"))}

    assert _names(expected(graph, "both", lake)) == [
        {"id": 1, "x": "a", "y": "a", "X__b": "b", "z": "b"}
    ]


def test_an_undeclared_column_named_like_a_renamed_id_is_kept_apart() -> None:
    """The id keeps the name."""
    graph = graph_of(
        feature("a", ids=("no",)), feature("b", deps=[FeatureDep("a", rename={"no": "id"})])
    )

    assert _names(expected(graph, "b", {"a": stored(record(no=1, id="other"))})) == [
        {"id": 1, "id__a": "other"}
    ]


def test_renames_and_selections_tell_what_comes_along() -> None:
    """Ids always come along; a filter may use what does not."""
    dep = FeatureDep("a", columns=["x"], rename={"x": "source"}, filters=["y > 1"])
    graph = graph_of(feature("a"), feature("b", deps=[dep]))
    lake = {
        "a": stored(record(id=1, x="p", y=1), record(id=2, x="q", y=2), record(id=3, x="r", y=None))
    }

    assert _names(expected(graph, "b", lake)) == [{"id": 2, "source": "q"}]


def test_columns_that_the_table_lacks_are_told_with_a_guess() -> None:
    """All of them at once, when the increment is asked for."""
    dep = FeatureDep("video/frames", columns=["codek", "fps"])
    graph = graph_of(feature("video/frames"), feature("video/faces", deps=[dep]))

    with pytest.raises(MissingColumnsError) as error:
        resolved(graph, "video/faces", {"video/frames": stored(record(id=1, codec="x", height=2))})

    assert str(error.value) == (
        "'video/faces' needs 2 columns that 'video/frames' does not have: 'codek', 'fps'.\n"
        "It has: 'codec', 'height', 'id'. Did you mean 'codec' for 'codek'?"
    )


def _joined(one: pl.DataType, value: object, other: pl.DataType, same: object) -> Any:
    graph = graph_of(feature("a"), feature("b"), feature("both", deps=["a", "b"]))
    lake = {
        "a": stored(record(id=value), schema={"id": one}),
        "b": stored(record(id=same), schema={"id": other}),
    }
    return resolved(graph, "both", lake).collect().added.to_native()["id"]


def test_integers_of_any_width_are_the_same_id() -> None:
    """They become Int64."""
    found = _joined(pl.Int32(), 7, pl.Int8(), 7)

    assert found.to_list() == [7]
    assert found.dtype == pl.Int64


def test_decimals_of_different_scale_are_the_same_id() -> None:
    """They become as exact as the most exact of them."""
    found = _joined(pl.Decimal(10, 1), Decimal("1.5"), pl.Decimal(38, 3), Decimal("1.5"))

    assert found.to_list() == [Decimal("1.5")]
    assert found.dtype == pl.Decimal(38, 3)


def test_ids_of_different_kinds_are_told_with_their_upstreams() -> None:
    """Nothing would ever match."""
    with pytest.raises(MetadataSchemaError) as error:
        _joined(pl.Int64(), 7, pl.String(), "7")

    assert "'id' is Int64 in 'a', String in 'b': write it with one type in all of them" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pl.Date(), date(2026, 1, 31)),
        (pl.Datetime("us", "UTC"), datetime(2026, 1, 31, tzinfo=UTC)),
        (pl.Boolean(), True),
        (pl.Decimal(38, 2), 7),
        (pl.String(), "é"),
    ],
)
def test_every_type_that_can_be_stored_can_name_records(dtype: pl.DataType, value: object) -> None:
    """Joined, aggregated and compared."""
    graph = graph_of(
        feature("a"),
        feature("b", ids=("id", "n")),
        feature("c", deps=["a", FeatureDep("b", lineage=Lineage.aggregation("id"))]),
    )
    schema = {"id": dtype}
    lake = {
        "a": stored(record(id=value), schema=schema),
        "b": stored(record(id=value, n=1), schema=schema),
    }
    wanted = _versions(expected(graph, "c", lake))[0]

    lake["c"] = stored(record(id=value, version=wanted), schema=schema)

    assert resolved(graph, "c", lake).collect().is_empty


def test_samples_and_stored_ids_of_other_widths_or_categories_are_compared() -> None:
    """Data frames have them where tables have plain numbers and texts."""
    graph = graph_of(feature("root", ids=("n", "s")))
    by_field = [{"default": "1"}] * 2
    samples = pl.LazyFrame(
        {"n": [1, 2], "s": ["a", "b"], "metaxy_provenance_by_field": by_field},
        schema_overrides={"n": pl.UInt8, "s": pl.Categorical},
    )
    lake = {"root": stored(record(n=1, s="a"), record(n=3, s="a"))}

    assert ids(resolved(graph, "root", lake, samples=samples), "n") == ([2], [], [3])


def test_samples_may_be_repeated_without_hiding_what_is_gone() -> None:
    """They are refused when they are written; until then each counts as what it is."""
    graph = graph_of(feature("root"))
    samples = pl.LazyFrame({"id": [1, 1], "metaxy_provenance_by_field": [{"default": "1"}] * 2})
    lake = {"root": stored(record(id=1), record(id=2))}

    assert ids(resolved(graph, "root", lake, samples=samples)) == ([], [], [2])


def test_samples_without_rows_or_types_remove_what_is_stored() -> None:
    """A column of nulls has any type."""
    graph = graph_of(feature("root"))
    samples = pl.LazyFrame(
        {"id": [], "metaxy_provenance_by_field": []},
        schema={
            "id": pl.Null,
            "metaxy_provenance_by_field": pl.Struct({"default": pl.String}),
        },
    )

    assert ids(resolved(graph, "root", {"root": stored(record(id=1))}, samples=samples)) == (
        [],
        [],
        [1],
    )


def _groups(**options: Any) -> FeatureGraph:
    dep = FeatureDep("take", lineage=Lineage.aggregation("v"), **options)
    return graph_of(feature("take", ids=("v", "t")), feature("video", ids=("v",), deps=[dep]))


def test_a_group_is_hashed_from_its_members_in_the_order_of_their_ids() -> None:
    """Each member's digest is over its ids, in the order of their names, and its version."""
    lake = {"take": stored(record(v="a", t=2, version="y"), record(v="a", t=10, version="x"))}
    members = [
        row_text([2, "a", "y"], algorithm="xxhash64"),
        row_text([10, "a", "x"], algorithm="xxhash64"),
    ]
    group = row_text(["".join(members)], algorithm="xxhash64")

    rows = expected(_groups(), "video", lake)

    assert _names(rows) == [{"v": "a"}]
    assert _versions(rows) == [made_of(("take.default", group))]


@pytest.mark.parametrize(
    "others",
    [
        [record(v="a", t=1, version="3"), record(v="a", t=2, version="2")],
        [record(v="a", t=1)],
        [record(v="a", t=1), record(v="a", t=2, version="2"), record(v="a", t=3)],
        [record(v="a", t=1), record(v="a", t=3, version="2")],
        [record(v="a", t=1, version="2"), record(v="a", t=2, version="1")],
    ],
)
def test_a_group_changes_with_its_members(others: list[dict[str, Any]]) -> None:
    """By a change, a departure, an arrival, another id, or versions that swap places."""
    before = stored(record(v="a", t=1), record(v="a", t=2, version="2"))

    assert _versions(expected(_groups(), "video", {"take": stored(*others)})) != _versions(
        expected(_groups(), "video", {"take": before})
    )


def test_a_static_filter_chooses_the_members_of_a_group() -> None:
    """A group without members isn't expected."""
    lake = {
        "take": stored(record(v="a", t=1, n=1), record(v="a", t=2, n=0), record(v="b", t=1, n=0))
    }
    alone = {"take": stored(record(v="a", t=1, n=1))}

    assert expected(_groups(filters=["n > 0"]), "video", lake) == expected(
        _groups(), "video", alone
    )


def test_a_member_with_null_in_a_column_of_its_group_belongs_to_none() -> None:
    """A column that groups but doesn't name the members may be null."""
    dep = FeatureDep("take", rename={"who": "person"}, lineage=Lineage.aggregation("person"))
    graph = graph_of(feature("take"), feature("voice", ids=("person",), deps=[dep]))
    lake = {"take": stored(record(id=1, who="ann"), record(id=2, who=None))}

    assert _names(expected(graph, "voice", lake)) == [{"person": "ann"}]


def test_a_static_filter_on_the_parent_of_an_expansion_removes_its_children() -> None:
    """A parent that is filtered out is no longer expected."""
    dep = FeatureDep("video", lineage=Lineage.expansion("v"), filters=["n > 0"])
    graph = graph_of(feature("video", ids=("v",)), feature("frame", ids=("v", "f"), deps=[dep]))
    wanted = _versions(expected(graph, "frame", {"video": stored(record(v="a", n=1))}))[0]
    lake = {
        "video": stored(record(v="a", n=1), record(v="b", n=0)),
        "frame": stored(
            record(v="a", f=1, version=wanted),
            record(v="b", f=1, version=wanted),
            record(v="b", f=2, version=wanted),
        ),
    }

    increment = resolved(graph, "frame", lake).collect()

    assert len(increment.added) + len(increment.changed) == 0
    assert increment.removed.to_native().select("v", "f").sort("f").rows() == [("b", 1), ("b", 2)]


def test_samples_of_an_expansion_are_parents() -> None:
    """One that was expanded from the same provenance is not offered again."""
    dep = FeatureDep("video", lineage=Lineage.expansion("v"))
    graph = graph_of(feature("video", ids=("v",)), feature("frame", ids=("v", "f"), deps=[dep]))
    samples = pl.LazyFrame(
        {
            "v": ["a", "b", "c"],
            "metaxy_provenance_by_field": [{"default": each} for each in ("1", "2", "1")],
        }
    )
    lake = {"frame": stored(record(v="a", f=1), record(v="b", f=1), record(v="d", f=1))}

    assert ids(resolved(graph, "frame", lake, samples=samples), "v") == (["c"], ["b"], ["d"])


def test_a_stored_row_without_a_name_is_no_record() -> None:
    """Only other programs can have written one; expected, it would be added for ever."""
    graph = graph_of(
        feature("video", ids=("v",)),
        feature("frame", ids=("v", "f")),
        feature("faces", ids=("v",), deps=["video"]),
        feature("scored", ids=("v", "f"), deps=["video", "frame"]),
        feature("noted", ids=("v",), deps=[FeatureDep("video", optional=True)]),
    )
    lake = {
        "video": stored(record(v="a"), record(v=None)),
        "frame": stored(record(v="a", f=1), record(v="a", f=None), record(v=None, f=1)),
    }

    assert _names(expected(graph, "faces", lake)) == [{"v": "a"}]
    assert _names(expected(graph, "scored", lake)) == [{"v": "a", "f": 1}]
    assert _names(expected(graph, "noted", lake)) == [{"v": "a"}]
