"""Runtime filters narrow the question, not the answer."""

from collections.abc import Callable
from decimal import Decimal

import narwhals as nw
import polars as pl
import pytest

from definitions import feature, graph_of
from lake_rows import expected, ids, record, resolved, stored
from metaxy.errors import FilterError, MetadataSchemaError
from metaxy.graph.graph import FeatureGraph
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.filters import SqlFilter
from metaxy.models.lineage import Lineage
from metaxy.versioning.inputs import StoredRows
from metaxy.versioning.scope import Condition, tells_records_apart


def _graph(**options: object) -> FeatureGraph:
    return graph_of(
        feature("a", columns=("id", "lang")),
        feature("b", deps=[FeatureDep("a", columns=(), **options)], columns=("id", "quality")),  # pyright: ignore[reportArgumentType]
    )


def _lake() -> dict[str, StoredRows]:
    """1 and 2 are new, 3 and 4 changed, 5 and 6 gone; odd ones are (or were) German."""
    langs = {1: "de", 2: "en", 3: "de", 4: "en"}
    rows = [record(id=number, lang=lang) for number, lang in langs.items()]
    return {
        "a": stored(*rows),
        "b": stored(*(record(id=n, lang="de", quality=n, version="old") for n in (3, 4, 5, 6))),
    }


def test_a_condition_on_the_content_of_an_upstream_needs_its_current_record() -> None:
    """What is gone can't be told to be outside or inside, so it is not reported."""
    found = resolved(_graph(), "b", _lake(), filters={"a": SqlFilter("lang = 'de'")})

    assert ids(found) == ([1], [3], [])


def test_a_condition_on_ids_can_be_told_of_records_that_are_gone() -> None:
    """So they are reported if they are inside."""
    found = resolved(_graph(), "b", _lake(), filters={"a": nw.col("id").is_in([1, 3, 5])})

    assert ids(found) == ([1], [3], [5])


def test_a_condition_that_compares_records_is_told_by_the_current_ones() -> None:
    """Neither what was deleted or superseded, nor what is stored downstream, takes part in it."""
    graph = graph_of(feature("a"), feature("b", deps=["a"]))
    rows = [record(id=1), record(id=2, at=1), record(id=2, at=2), record(id=3, at=3)]
    lake = {
        "a": stored(*rows, record(id=3, at=4, gone=True)),
        "b": stored(record(id=4, version="old")),
    }

    for greatest in (pl.col("id") == pl.col("id").max(), nw.col("id") == nw.col("id").max()):
        assert ids(resolved(graph, "b", lake, filters={"a": greatest})) == ([2], [], [])
    assert ids(resolved(graph, "b", lake, filters={"a": pl.col("id").is_unique()})) == (
        [1, 2],
        [],
        [],
    )


def test_conditions_that_look_at_one_record_at_a_time_are_known() -> None:
    """Only those may be told before it is known which rows are current."""
    column, schema = pl.col("id"), {"id": pl.String()}
    alone = [
        SqlFilter("id LIKE 'a%' OR id IS NULL"),
        nw.col("id").is_in(["a", "b"]),
        nw.col("id").str.starts_with("a") & ~nw.col("id").is_null(),
        column.is_in(["a", "b"]),
        column.str.contains("a") | (column > "b"),
    ]
    together: list[Condition] = [
        nw.col("id") == nw.col("id").max(),
        column == column.max(),
        column.is_duplicated(),
        column.is_first_distinct(),
        column.shift() == column,
        (column > "a") & (pl.len() > 1),
        column.map_batches(lambda series: series == series.max(), return_dtype=pl.Boolean),
    ]

    assert [tells_records_apart(each, schema) for each in alone] == [True] * len(alone)
    assert [tells_records_apart(each, schema) for each in together] == [False] * len(together)


def test_a_condition_on_a_renamed_id_uses_the_name_of_its_feature() -> None:
    """Each feature is asked in its own words."""
    graph = graph_of(
        feature("a", ids=("no",)), feature("b", deps=[FeatureDep("a", rename={"no": "id"})])
    )
    lake = {
        "a": stored(record(no=1), record(no=2)),
        "b": stored(record(id=3, no=1), record(id=4, no=1)),
    }

    assert ids(resolved(graph, "b", lake, filters={"a": pl.col("no").is_in([1, 3])})) == (
        [1],
        [],
        [3],
    )


def test_a_condition_on_the_feature_is_told_by_what_is_stored() -> None:
    """A record that is not stored has no quality, and is not asked about."""
    found = resolved(_graph(), "b", _lake(), filters={"b": SqlFilter("quality <= 5")})

    assert ids(found) == ([], [3, 4], [5])


def test_a_condition_on_the_feature_is_told_by_what_is_expected_where_it_has_the_column() -> None:
    """What is stored tells only of what is gone."""
    graph = graph_of(feature("a"), feature("b", deps=["a"]))

    found = resolved(graph, "b", _lake(), filters={"b": SqlFilter("lang = 'de'")})

    assert ids(found) == ([1], [3], [5, 6])


def test_a_condition_on_declared_columns_of_a_feature_without_a_table_asks_for_nothing() -> None:
    """No record has a quality yet."""
    lake = {"a": _lake()["a"]}

    found = resolved(_graph(), "b", lake, filters={"b": SqlFilter("quality <= 5")})

    assert ids(found) == ([], [], [])


@pytest.mark.parametrize("columns", [(), None])
def test_a_global_condition_does_not_hide_what_is_not_stored_yet(
    columns: tuple[str, ...] | None,
) -> None:
    """An upstream tells, whether its column comes along or not."""
    graph = graph_of(feature("a"), feature("b", deps=[FeatureDep("a", columns=columns)]))

    found = resolved(graph, "b", _lake(), everywhere=SqlFilter("lang = 'de'"))

    assert ids(found) == ([1], [3], [])


def test_a_global_condition_on_ids_narrows_all_three_frames() -> None:
    """Every feature has them."""
    found = resolved(_graph(), "b", _lake(), everywhere=nw.col("id") < 4)

    assert ids(found) == ([1, 2], [3], [])


@pytest.mark.parametrize(
    "condition", [SqlFilter("langg = 'de'"), nw.col("langg") == "de", pl.col("langg") == "de"]
)
def test_a_global_condition_that_no_feature_can_tell_is_refused(condition: Condition) -> None:
    """It would silently filter nothing."""
    with pytest.raises(FilterError) as error:
        resolved(_graph(), "b", _lake(), everywhere=condition)

    assert str(error.value) == (
        "A global filter uses columns that none of the features in question has: 'b', 'a'. "
        "It would filter nothing. 'b' has: 'id', 'lang', 'quality'."
    )


@pytest.mark.parametrize("key", ["a", "b"])
def test_a_condition_on_a_column_that_the_feature_lacks_is_refused(key: str) -> None:
    """With the columns that it has."""
    with pytest.raises(FilterError) as error:
        resolved(_graph(), "b", _lake(), filters={key: SqlFilter("langg = 'de'")})

    assert str(error.value).startswith(
        f"A filter on '{key}' uses a column that it does not have: "
        "'langg' in \"langg = 'de'\". It has: 'id', "
    )


def test_a_condition_that_makes_no_sense_for_a_type_is_refused() -> None:
    """When the increment is asked for, not when it is read."""
    with pytest.raises(FilterError, match="can't be"):
        resolved(_graph(), "b", _lake(), filters={"a": pl.col("id").is_in(["x"])})


def test_a_group_is_in_scope_with_one_member_and_hashed_with_all() -> None:
    """A filter on members must not make the group look changed."""
    dep = FeatureDep("take", lineage=Lineage.aggregation("v"))
    graph = graph_of(feature("take", ids=("v", "t")), feature("video", ids=("v",), deps=[dep]))
    lake = {"take": stored(record(v="a", t=1), record(v="a", t=2), record(v="b", t=2))}
    whole = expected(graph, "video", lake)

    found = resolved(graph, "video", lake, filters={"take": pl.col("t") == 1}).collect()

    assert found.added.to_native().to_dicts() == whole[:1]


def test_an_optional_upstream_that_is_filtered_does_not_look_missing() -> None:
    """Records that it lacks don't fulfil a condition on its content."""
    graph = graph_of(
        feature("a"), feature("b"), feature("c", deps=["a", FeatureDep("b", optional=True)])
    )
    lake = {
        "a": stored(record(id=1), record(id=2), record(id=3)),
        "b": stored(record(id=1, x=1), record(id=2, x=2)),
    }

    found = resolved(graph, "c", lake, filters={"b": SqlFilter("x = 1")}).collect()

    assert found.added.to_native().to_dicts() == expected(graph, "c", lake)[:1]
    by_ids = resolved(graph, "c", lake, filters={"b": pl.col("id") != 1}).collect()
    assert by_ids.added.to_native().sort("id").to_dicts() == expected(graph, "c", lake)[1:]


@pytest.mark.parametrize("condition", [pl.col("f") == 2, SqlFilter("f = 2")])
def test_a_condition_on_child_ids_does_not_bring_back_superseded_children(
    condition: Condition,
) -> None:
    """They must be told from all rows of the parent, those of other children included."""
    expansion = FeatureDep("video", lineage=Lineage.expansion("v"))
    graph = graph_of(
        feature("video", ids=("v",)),
        feature("frame", ids=("v", "f"), deps=[expansion]),
        feature("face", ids=("v", "f"), deps=["frame"]),
    )
    frames = stored(
        record(v="a", f=1, at=1, version="1"),
        record(v="a", f=2, at=1, version="1"),
        record(v="a", f=1, at=2, version="2"),
    )

    found = resolved(graph, "face", {"frame": frames}, filters={"frame": condition})

    assert ids(found, "f") == ([], [], [])


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("condition", ["by_feature", "everywhere"])
def test_a_condition_is_told_of_ids_of_other_scales(condition: str, *, is_sampled: bool) -> None:
    """The upstream's decimals are not as exact as those of the expected and stored records."""
    graph = graph_of(
        feature("a"), feature("b"), feature("both", deps=[FeatureDep("a"), FeatureDep("b")])
    )
    ids_of = [Decimal(number) for number in (1, 2, 3)]
    rough, exact = {"id": pl.Decimal(12, 2)}, {"id": pl.Decimal(20, 4)}
    langs = zip(ids_of, ("de", "en", "de"), strict=True)
    lake = {
        "a": stored(*(record(id=each, lang=lang) for each, lang in langs), schema=rough),
        "b": stored(*(record(id=each) for each in ids_of), schema=exact),
        "both": stored(record(id=ids_of[0], version="old"), schema=exact),
    }
    samples = pl.LazyFrame(
        {"id": ids_of, "metaxy_provenance_by_field": [{"default": "new"}] * 3},
        schema_overrides=exact,
    )
    is_german = SqlFilter("lang = 'de'")

    found = resolved(
        graph,
        "both",
        lake,
        samples=samples if is_sampled else None,
        filters={"a": is_german} if condition == "by_feature" else None,
        everywhere=is_german if condition == "everywhere" else None,
    )

    assert ids(found) == ([3], [1], [])


def test_a_condition_can_not_be_told_of_samples_with_ids_of_another_kind() -> None:
    """Texts never name what integers do; both types are told."""
    samples = pl.LazyFrame({"id": ["1"], "metaxy_provenance_by_field": [{"default": "1"}]})

    with pytest.raises(MetadataSchemaError, match="'id' is String, and Int64 in the upstream"):
        resolved(
            _graph(),
            "b",
            {"a": _lake()["a"]},
            samples=samples,
            filters={"a": SqlFilter("lang = 'de'")},
        )


def test_samples_are_filtered_like_what_is_stored() -> None:
    """By their own columns."""
    graph = graph_of(feature("root"))
    samples = pl.LazyFrame(
        {
            "id": [1, 2],
            "lang": ["de", "en"],
            "metaxy_provenance_by_field": [{"default": "1"}] * 2,
        }
    )
    lake = {"root": stored(record(id=3, lang="de"), record(id=4, lang="en"))}

    found = resolved(graph, "root", lake, samples=samples, filters={"root": nw.col("lang") == "de"})

    assert ids(found) == ([1], [], [3])


def test_nothing_is_read_when_an_increment_is_made() -> None:
    """Also with filters, groups and expansions: only schemas are looked at."""
    read: list[str] = []

    def counted(name: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
        def note(frame: pl.DataFrame) -> pl.DataFrame:
            read.append(name)
            return frame

        return note

    lake = {
        name: StoredRows(rows.frame.map_batches(counted(name)))
        for name, rows in _lake().items()
        if rows.frame is not None
    }

    lazy = resolved(_graph(), "b", lake, filters={"a": nw.col("lang") == "de"})

    assert read == []
    assert ids(lazy) == ([1], [3], [])
    assert set(read) == {"a", "b"}
