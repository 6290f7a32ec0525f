"""Which rows a read gives, and of what moment."""

import narwhals as nw
import polars as pl
import pytest

from definitions import feature, graph_of
from films import BY_FIELD, films, polars, stored, update, videos
from lakes import Lake
from metaxy.metadata_store.base import MetadataStore


@pytest.fixture
def store(lake: Lake) -> MetadataStore:
    """A lake with two commits: `a` and `b` of size 1; then `a` again, of size 9, and `c`."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), size=[1, 1]))
        store.write_metadata("video", videos(("a", "2", "1"), ("c", "1", "1"), size=[9, 1]))
    return store


def test_the_newest_row_of_an_id_is_its_record(store: MetadataStore) -> None:
    """Each id once."""
    with store:
        assert stored(store, "video", "id", "size") == [("a", 9), ("b", 1), ("c", 1)]


def test_filters_choose_among_current_records(store: MetadataStore) -> None:
    """A superseded row never stands in for the one that a filter leaves out."""
    with store:
        for small in ("size < 5", nw.col("size") < 5, pl.col("size") < 5):
            assert stored(store, "video", "id", filters=[small]) == ["b", "c"]
        assert stored(store, "video", "id", filters=["size = 9", "id IN ('a', 'b')"]) == ["a"]
        assert stored(store, "video", "id", filters=["size = 9", "id = 'b'"]) == []
        assert stored(store, "video", "size", filters=["id = 'a'"]) == [9]


def test_history_has_every_row(store: MetadataStore) -> None:
    """Filters then choose among rows."""
    with store:
        rows = stored(store, "video", "id", "size", latest_only=False)
        small = stored(store, "video", "id", latest_only=False, filters=["size < 5"])

    assert rows == [("a", 1), ("a", 9), ("b", 1), ("c", 1)]
    assert small == ["a", "b", "c"]


def test_metaxys_columns_come_along(store: MetadataStore) -> None:
    """Behind those that were asked for; a filter may use others."""
    with store:
        one = polars(store.read_metadata("video", columns=["size"], filters=["id = 'b'"]))
        none = polars(store.read_metadata("video", columns=[]))
        text = polars(store.read_metadata("video", columns="size"))

    assert one.columns[0] == "size"
    assert one["size"].to_list() == [1]
    assert text.columns == one.columns
    assert none.columns == one.columns[1:]
    assert all(name.startswith("metaxy_") for name in none.columns)
    assert none.height == 3


def test_a_frame_shows_the_lake_as_it_was_when_asked_for(store: MetadataStore) -> None:
    """Whatever is written before it is collected; a new question shows it."""
    with store.open("write"):
        before = store.read_metadata("video")
        asked = store.resolve_update("transcript", lazy=True)
        store.write_metadata("video", videos(("d", "1", "1"), ("a", "3", "1")))

        assert sorted(polars(before)["id"]) == ["a", "b", "c"]
        assert len(asked.collect().added) == 3
        assert stored(store, "video", "id") == ["a", "b", "c", "d"]
        assert len(store.resolve_update("transcript").added) == 4


def test_nothing_is_read_until_it_is_collected(lake: Lake) -> None:
    """A lazy frame stays one, also in an increment."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
        increment = store.resolve_update("transcript", lazy=True)
        frames = [store.read_metadata("video"), increment.added, increment.changed]

        assert all(isinstance(each, nw.LazyFrame) for each in [*frames, increment.removed])


def test_feature_versions_are_kept_apart(lake: Lake) -> None:
    """By default the current one; one by name; or all, with the latest of each id and version."""
    with lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1"), n=[1]))
        store.write_metadata("video", videos(("a", "2", "1"), n=[2]))
        old = store.feature_version("video")
    with lake.store(graph=films(video="2")).open("write") as store:
        assert stored(store, "video", "n") == []
        store.write_metadata("video", videos(("a", "3", "1"), ("b", "1", "1"), n=[3, 4]))
        store.write_metadata("video", videos(("a", "4", "1"), n=[5]))
        new = store.feature_version("video")

        assert stored(store, "video", "n") == [4, 5]
        assert stored(store, "video", "n", latest_only=False) == [3, 4, 5]
        everything = {"current_only": False}
        assert stored(store, "video", "n", feature_version=old, **everything) == [2]
        assert stored(store, "video", "n", feature_version=new, **everything) == [4, 5]
        assert stored(
            store, "video", "n", feature_version=old, latest_only=False, **everything
        ) == [1, 2]
        assert stored(store, "video", "n", **everything) == [2, 4, 5]
        assert stored(store, "video", "n", latest_only=False, **everything) == [1, 2, 3, 4, 5]
        assert stored(store, "video", "n", filters=["n < 5"], **everything) == [2, 4]


def test_features_are_listed_when_they_have_rows(store: MetadataStore) -> None:
    """Of whatever version; system tables are none."""
    with store.open("write"):
        store.record_feature_graph_snapshot()

        assert [str(key) for key in store.list_features()] == ["video"]
        assert store.has_feature("video")
        assert store.has_feature(["video"])
        assert not store.has_feature("transcript")


@pytest.mark.parametrize(
    "ids",
    [
        [
            "",
            " ",
            "\0",
            "é",
            "e\u0301",
            "日本",
            "\U0001f600",
            "a'b\"c",
            "x" * 300,
            "NULL",
            "A",
            "a",
        ],
        [0, -1, 2**63 - 1, -(2**63)],
        [True, False],
    ],
)
def test_odd_ids_are_kept_apart(lake: Lake, ids: list[object]) -> None:
    """Each names a record of its own, through a round of increments."""
    frame = videos(*(("", "1", "1") for _ in ids)).with_columns(id=pl.Series(ids))
    with lake.store().open("write") as store:
        assert update(store, "video", frame) == [len(ids), 0, 0]
        assert update(store, "video", frame) == [0, 0, 0]
        assert update(store, "transcript") == [len(ids), 0, 0]
        assert update(store, "video", frame.head(1)) == [0, 0, len(ids) - 1]
        assert update(store, "transcript") == [0, 0, len(ids) - 1]
        assert stored(store, "transcript", "id") == [ids[0]]


def test_records_of_an_older_version_are_told_by_the_ids_that_it_had(lake: Lake) -> None:
    """As pushed, whatever names records today, and however many commits there are."""
    row = pl.DataFrame({"id": ["a", "a", "b"], "part": [1, 2, 1]})
    row = row.with_columns(pl.Series(BY_FIELD, [{"default": "1"}] * 3))
    old = graph_of(feature("video", ids=("id", "part")))
    with lake.store(graph=old).open("write") as store:
        store.record_feature_graph_snapshot()
        version = store.feature_version("video")
        store.write_metadata("video", row)
        store.write_metadata("video", row.head(1))
    for ids in (("id",), ("name",)):
        with lake.store(graph=graph_of(feature("video", ids=ids))).open("write") as store:
            store.record_feature_graph_snapshot()
            new = row.tail(1).with_columns(pl.col("id").alias("name"))
            store.write_metadata("video", new)
            store.write_metadata("video", new)
            of_version = {"feature_version": version, "current_only": False}
            is_a = ["id = 'a'"]

            told = [("a", 1), ("a", 2), ("b", 1)]
            assert stored(store, "video", "id", "part", **of_version) == told
            assert stored(store, "video", "id", "part", **of_version, filters=is_a) == told[:2]
            every = stored(store, "video", "id", "part", current_only=False)
            assert every == [*told, *[("b", 1)] * (1 if ids == ("id",) else 2)]
            some = stored(store, "video", "id", "part", current_only=False, filters=is_a)
            assert some == told[:2]
