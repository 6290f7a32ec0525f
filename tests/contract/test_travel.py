"""Reading what was: versions, times and tags."""

import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from definitions import feature, graph_of
from films import BY_FIELD, films, ids, polars, stored, update, videos
from lakes import Lake, memory_lake
from metaxy import (
    FeatureNotFoundError,
    StoreError,
    StoreReadOnlyError,
    SystemDataNotFoundError,
    TableVersionNotFoundError,
    TagExistsError,
    TagNotFoundError,
)
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.tagging import pinned_versions
from metaxy.models.keys import FeatureKey


def now() -> datetime:
    """A moment later than all before it and earlier than all after it, by milliseconds too."""
    time.sleep(0.003)
    moment = datetime.now(UTC)
    time.sleep(0.003)
    return moment


@pytest.fixture
def times() -> list[datetime]:
    """Moments before, between and after the commits of `store`."""
    return []


@pytest.fixture
def store(versioned_lake: Lake, times: list[datetime]) -> MetadataStore:
    """A lake in which version 1 of `video` has `a` and `b`, version 2 `a` anew and `c`."""
    store = versioned_lake.store()
    times.append(now())
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), size=[1, 1]))
        times.append(now())
        store.write_metadata(
            "video",
            videos(("a", "2", "1"), ("c", "1", "1"), size=[9, 1], name=["A", "C"]),
            "run-2",
            idempotency_key="k",
        )
        times.append(now())
    return store


def test_a_version_is_read_as_it_was(store: MetadataStore, times: list[datetime]) -> None:
    """By its number, by a time or by a tag; columns that came later are not in it."""
    with store.open("write"):
        store.tag("v2")
        store.write_metadata("video", videos(("d", "1", "1"), size=[1]))

        assert stored(store, "video", "id", "size", table_version=1) == [("a", 1), ("b", 1)]
        assert stored(store, "video", "id", table_version=times[1]) == ["a", "b"]
        for moment in (2, times[2], "v2"):
            assert stored(store, "video", "id", "size", table_version=moment) == [
                ("a", 9),
                ("b", 1),
                ("c", 1),
            ]
        assert "name" not in polars(store.read_metadata("video", table_version=1)).columns
        assert stored(store, "video", "size", table_version=2, filters=["id = 'a'"]) == [9]
        assert stored(store, "video", "size", table_version=2, latest_only=False) == [1, 1, 1, 9]


def test_where_there_was_nothing_there_is_nothing(
    store: MetadataStore, times: list[datetime]
) -> None:
    """Before the first commit, and in the version that only created the table."""
    with store:
        for moment in (0, times[0]):
            with pytest.raises(FeatureNotFoundError):
                store.read_metadata("video", table_version=moment)
        with pytest.raises(FeatureNotFoundError, match="transcript"):
            store.read_metadata("transcript", table_version=0)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), True, 1.5, b"x"])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(store: MetadataStore, moment: Any) -> None:
    """A time without a time zone is none."""
    with store:
        with pytest.raises(ValueError, match="table_version is"):
            store.read_metadata("video", table_version=moment)
        with pytest.raises(ValueError, match="as_of"):
            store.as_of(moment)


@pytest.mark.parametrize("version", [-1, 3, 10**30])
def test_a_version_that_is_not_there_is_told_with_those_that_are(
    store: MetadataStore, version: int
) -> None:
    """With their times, and tags nearby."""
    with store.open("write"):
        store.tag("release")
        with pytest.raises(TableVersionNotFoundError) as caught:
            store.read_metadata("video", table_version=version)

    assert f"has no version {version}. Readable are version 0 (20" in str(caught.value)
    assert "to version 2 (20" in str(caught.value)
    assert "Tags nearby: 'release' (version 2)" in str(caught.value)
    assert (caught.value.first, caught.value.last) == (0, 2)
    assert isinstance(caught.value, LookupError)


def test_history_has_a_row_for_each_commit(store: MetadataStore) -> None:
    """The newest first; what a commit says of itself, and else what Delta does."""
    with store.open("write"):
        store.delete_metadata("video", filters=["id = 'b'"])
        history = store.history("video")
        version = store.feature_version("video")

    told = history.select("version", "operation", "rows", "materialization_id", "idempotency_key")
    assert told.rows() == [
        (3, "delete", 1, None, None),
        (2, "write", 2, "run-2", "k"),
        (1, "write", 2, None, None),
        (0, "CREATE TABLE", None, None, None),
    ]
    assert history["feature_version"].to_list() == [version, version, version, None]
    assert history["snapshot_version"].is_null().to_list() == [False, False, False, True]
    assert history["committed_at"].dtype == pl.Datetime("us", "UTC")
    assert history["committed_at"].is_sorted(descending=True)
    engines: list[str] = history["engine"].to_list()
    assert engines[0].startswith("metaxy ")
    assert "@" in engines[0]


def test_the_instant_of_a_commit_is_that_of_its_rows(store: MetadataStore) -> None:
    """To the microsecond, so that it can be given to `as_of`."""
    with store:
        history = store.history("video")
        rows = polars(store.read_metadata("video", latest_only=False))

    assert set(rows["metaxy_created_at"]) == set(history["committed_at"][:2])


def test_system_tables_have_a_history(store: MetadataStore) -> None:
    """And can be read at a version."""
    with store.open("write"):
        with pytest.raises(SystemDataNotFoundError):
            store.history("metaxy-system/feature_versions")
        store.record_feature_graph_snapshot()
        history = store.history("metaxy-system/feature_versions")
        rows = store.read_metadata("metaxy-system/feature_versions", table_version=1)

        assert history["operation"].to_list() == ["system", "CREATE TABLE"]
        assert history["rows"].to_list() == [4, None]
        assert polars(rows).height == 4


def test_history_is_of_tables(store: MetadataStore) -> None:
    """A feature without one has none."""
    with store, pytest.raises(FeatureNotFoundError, match="transcript"):
        store.history("transcript")


def test_a_store_without_versions_says_so() -> None:
    """By its name."""
    with memory_lake().store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1")))
        asking: list[Callable[[], object]] = [
            lambda: store.history("video"),
            lambda: store.diff("video", 0, 1),
            lambda: store.as_of(datetime.now(UTC)),
            lambda: store.tag("v"),
            lambda: store.read_metadata("video", table_version=1),
        ]
        for ask in asking:
            with pytest.raises(StoreError, match="keeps no versions"):
                ask()


# --- diff ----------------------------------------------------------------------------------------


def test_a_diff_tells_what_came_changed_and_went(
    store: MetadataStore, times: list[datetime]
) -> None:
    """Between versions, times and tags, in either direction."""
    with store.open("write"):
        store.tag("two")
        store.delete_metadata("video", filters=["id = 'b'"])
        for a, b in ((1, 3), (times[1], datetime.now(UTC)), (times[1], 3)):
            told = store.diff("video", a, b)
            assert [ids(told.added), ids(told.changed), ids(told.removed)] == [["c"], ["a"], ["b"]]
        assert polars(told.changed)["size"].to_list() == [9]
        assert polars(told.removed)["size"].to_list() == [1]
        back = store.diff("video", "two", 1)
        assert [ids(back.added), ids(back.changed), ids(back.removed)] == [[], ["a"], ["c"]]
        assert polars(back.changed)["size"].to_list() == [1]
        assert store.diff("video", 2, "two").is_empty
        first = store.diff("video", times[0], 1)
        assert [ids(first.added), ids(first.changed), ids(first.removed)] == [["a", "b"], [], []]
        assert store.diff("video", times[0], 0).is_empty


def test_a_record_changes_with_its_versions_and_columns_only(versioned_lake: Lake) -> None:
    """Not by being written again, nor by a column that it has no value in."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata(
            "video",
            videos(
                *((name, "1", "1") for name in "abcdef"),
                size=[1.0, 2.0, float("nan"), None, 5.0, 6.0],
                tags=[["x"], None, [], ["y"], [], []],
            ),
        )
        store.write_metadata(
            "video",
            videos(
                ("a", "1", "1"),
                ("b", "1", "2"),
                ("c", "1", "1"),
                ("d", "1", "1"),
                ("e", "1", "1"),
                ("f", "1", "1"),
                size=[1.0, 2.0, float("nan"), 4.0, 5.0, 6.0],
                tags=[["x"], None, [], ["y"], ["z"], []],
                note=[None, None, None, None, None, "!"],
            ),
            "again",
        )

        assert ids(store.diff("video", 1, 2).changed) == ["b", "d", "e", "f"]


def test_a_struct_that_grew_is_the_same_where_it_has_no_more(versioned_lake: Lake) -> None:
    """A field that is new and null is no change, within lists neither."""
    pairs = pl.List(pl.Struct({"p": pl.Int64, "q": pl.String}))
    rows = [(name, "1", "1") for name in "abc"]
    with versioned_lake.store().open("write") as store:
        store.write_metadata(
            "video", videos(*rows, box=[{"x": 1}] * 3, pairs=[[{"p": 1}], [], [{"p": 3}]])
        )
        boxes = [{"x": 1, "y": None}, {"x": 1, "y": "new"}, {"x": 1, "y": None}]
        longer = [[{"p": 1, "q": None}], [], [{"p": 3, "q": "new"}]]
        store.write_metadata(
            "video", videos(*rows, box=boxes).with_columns(pairs=pl.Series(longer, dtype=pairs))
        )

        assert ids(store.diff("video", 1, 2).changed) == ["b", "c"]
        assert ids(store.diff("video", 2, 1).changed) == ["b", "c"]


def test_a_diff_keeps_feature_versions_apart(versioned_lake: Lake) -> None:
    """By default those of the current one; one by name; or each with its own."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1")))
        old = store.feature_version("video")
    with versioned_lake.store(graph=films(video="2")).open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1")))

        assert ids(store.diff("video", 1, 2).added) == ["a"]
        assert store.diff("video", 1, 2, feature_version=old, current_only=False).is_empty
        every = store.diff("video", 1, 2, current_only=False)
        assert [ids(every.added), ids(every.changed), ids(every.removed)] == [["a"], [], []]


def test_a_diff_tells_records_of_older_versions_by_the_ids_that_they_had(
    versioned_lake: Lake,
) -> None:
    """What named a record then may name none today."""

    def rows(**columns: list[Any]) -> pl.DataFrame:
        version = pl.Series(BY_FIELD, [{"default": "1"}] * len(columns["id"]))
        return pl.DataFrame(columns).with_columns(version)

    parts = versioned_lake.store(graph=graph_of(feature("video", ids=("id", "part"))))
    with parts.open("write") as store:
        store.record_feature_graph_snapshot()
        store.write_metadata("video", rows(id=["a", "a", "b"], part=[1, 2, 1], n=[1, 1, 1]))
        store.write_metadata("video", rows(id=["a", "c"], part=[2, 1], n=[2, 1]))
        store.delete_metadata("video", ["id = 'b'"])
        old = store.feature_version("video")
    named = versioned_lake.store(graph=graph_of(feature("video", ids=("name",))))
    with named.open("write") as store:
        store.write_metadata("video", rows(id=["a"], name=["x"]))
        every = store.diff("video", 1, 4, current_only=False)
        of_old = store.diff("video", 1, 4, feature_version=old, current_only=False)

    def told(frame: nw.DataFrame[Any]) -> list[Any]:
        columns = [name for name in ("id", "part", "name") if name in frame.columns]
        return sorted(polars(frame).select(columns).rows(), key=str)

    assert told(every.added) == [("a", None, "x"), ("c", 1, None)]
    assert [told(each)[0][:2] for each in (every.changed, every.removed)] == [("a", 2), ("b", 1)]
    assert [len(each) for each in (every.changed, every.removed)] == [1, 1]
    assert told(of_old.added)[0][:2] == ("c", 1)
    assert [len(each) for each in (of_old.added, of_old.changed, of_old.removed)] == [1, 1, 1]


def test_a_diff_over_a_drop_compares_other_types(versioned_lake: Lake) -> None:
    """A column of another type is another value."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), size=[1, None]))
        store.drop_feature_metadata("video")
        dropped = store.history("video")["version"][0]
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), size=["1", None]))
        newest = store.history("video")["version"][0]

        assert ids(store.diff("video", 1, newest).changed) == ["a"]
        assert ids(store.diff("video", 1, dropped).removed) == ["a", "b"]


# --- views ---------------------------------------------------------------------------------------


def test_a_view_shows_the_whole_lake_at_its_moment(
    store: MetadataStore, times: list[datetime]
) -> None:
    """Reads, increments, listings and histories; and nothing that is written later."""
    with store.open("write"):
        update(store, "transcript")
        then = now()
        store.tag("then")
        store.write_metadata("video", videos(("z", "1", "1"), size=[0]))
        store.write_metadata("transcript", store.resolve_update("transcript").added)

        before, between, at_tag = store.as_of(times[0]), store.as_of(times[1]), store.as_of("then")
        assert before.list_features() == ()
        assert not before.has_feature("video")
        assert [str(key) for key in between.list_features()] == ["video"]
        assert stored(between, "video", "id") == ["a", "b"]
        assert ids(between.resolve_update("transcript").added) == ["a", "b"]
        assert between.history("video")["version"].to_list() == [1, 0]
        for view in (store.as_of(then), at_tag):
            assert [str(key) for key in view.list_features()] == ["transcript", "video"]
            assert stored(view, "transcript", "id") == ["a", "b", "c"]
            assert view.resolve_update("transcript").is_empty
            assert view.table_schema(FeatureKey("chunk")) is None
        with pytest.raises(FeatureNotFoundError, match="as of"):
            before.read_metadata("video")
        with pytest.raises(FeatureNotFoundError, match="as of"):
            between.history("transcript")
        assert len(store.resolve_update("transcript").added) == 0


def test_a_view_stands_still(store: MetadataStore) -> None:
    """Also one of the future: each table is looked up once."""
    with store.open("write"):
        view = store.as_of(datetime.now(UTC) + timedelta(days=1))
        before = stored(view, "video", "id")
        store.write_metadata("video", videos(("z", "1", "1")))

        assert stored(view, "video", "id") == before == ["a", "b", "c"]
        assert view.tables_in_store() == (
            FeatureKey.system("lake"),
            FeatureKey("video"),
        )


def test_nothing_is_written_to_a_view(store: MetadataStore, times: list[datetime]) -> None:
    """The error names the view."""
    with store.open("write"):
        view = store.as_of(times[1])
        writing: list[Callable[[], object]] = [
            lambda: view.write_metadata("video", videos(("z", "1", "1"))),
            lambda: view.delete_metadata("video", filters=["id = 'a'"]),
            lambda: view.drop_feature_metadata("video"),
            view.record_feature_graph_snapshot,
            lambda: view.tag("v"),
            lambda: view.untag("v"),
            lambda: view.open("write").__enter__(),
        ]
        for write in writing:
            with pytest.raises(StoreReadOnlyError, match=r"as of \d{4}-"):
                write()
        with view.open("read") as again, view:
            assert stored(again, "video", "id") == ["a", "b"]
        assert view.is_open


def test_a_view_sees_fallbacks_at_its_moment(versioned_lake: Lake) -> None:
    """At the time of the view; at a tag, at the time when it was set."""
    behind = versioned_lake.another().store()
    own = versioned_lake.store(fallback_stores=[behind])
    with behind.open("write"):
        behind.write_metadata("video", videos(("a", "1", "1")))
    with own.open("write"):
        update(own, "transcript")
        own.tag("t")
        then = now()
        with behind.open("write"):
            behind.write_metadata("video", videos(("b", "1", "1")))

        assert stored(own, "video", "id") == ["a", "b"]
        for moment in ("t", then):
            view = own.as_of(moment)
            assert stored(view, "video", "id") == ["a"]
            assert stored(own, "video", "id", table_version=moment) == ["a"]
            assert view.resolve_update("transcript").is_empty
        assert ids(own.resolve_update("transcript").added) == ["b"]
        with pytest.raises(FeatureNotFoundError):
            own.read_metadata("video", table_version=1)
        with pytest.raises(FeatureNotFoundError):
            own.read_metadata("video", table_version=then, allow_fallback=False)


def test_a_view_can_be_copied_from(store: MetadataStore, versioned_lake: Lake) -> None:
    """Into another lake; or back into its own, which brings back what was dropped."""
    copy = versioned_lake.another().store()
    with store.open("write"), copy.open("write"):
        update(store, "transcript")
        store.tag("t")
        store.write_metadata("video", videos(("z", "1", "1")))
        store.drop_feature_metadata("transcript")
        view = store.as_of("t")

        copy.copy_metadata(view)
        assert stored(copy, "video", "id") == ["a", "b", "c"]
        assert stored(copy, "transcript", "id") == ["a", "b", "c"]
        assert copy.resolve_update("transcript").is_empty
        store.copy_metadata(view, ["transcript"])
        assert stored(store, "transcript", "id") == ["a", "b", "c"]
        assert ids(store.resolve_update("transcript").added) == ["z"]


def test_a_copied_history_tells_the_same_times(
    store: MetadataStore, times: list[datetime], versioned_lake: Lake
) -> None:
    """The instants of commits come along, whenever the files were copied."""
    copy = versioned_lake.another().store()
    with store, copy.open("write"):
        copy.copy_metadata(store, history=True)

        assert copy.history("video").equals(store.history("video"))
        assert stored(copy.as_of(times[1]), "video", "id") == ["a", "b"]


def test_a_view_pickles(store: MetadataStore, times: list[datetime]) -> None:
    """It is closed when it is unpickled, with its store."""
    with store:
        view = store.as_of(times[1])
        assert stored(view, "video", "id") == ["a", "b"]
        again = pickle.loads(pickle.dumps(view))  # noqa: S301 -- our own
    assert not again.is_open
    with again:
        assert stored(again, "video", "id") == ["a", "b"]


# --- tags ----------------------------------------------------------------------------------------


def test_a_tag_pins_every_table(store: MetadataStore) -> None:
    """Features and system tables, at the versions that they had."""
    with store.open("write"):
        store.record_feature_graph_snapshot()
        tag = store.tag("release/1.0", "as sold")
        store.write_metadata("video", videos(("z", "1", "1")))
        store.tag("later")

        assert {str(key): version for key, version in tag.versions.items()} == {
            "metaxy-system/events": 1,
            "metaxy-system/feature_versions": 1,
            "metaxy-system/lake": 0,
            "video": 2,
        }
        listing = store.tags()
        assert listing["name"].to_list() == ["later", "release/1.0"]
        assert listing["message"].to_list() == [None, "as sold"]
        assert listing["tables"].to_list() == [5, 4]
        pinned = pinned_versions(store)
        assert pinned[FeatureKey("video")] == {2, 3}
        assert pinned[FeatureKey.system("tags")] == {1}
        assert store.history("metaxy-system/tags")["operation"].to_list() == [
            "tag",
            "tag",
            "CREATE TABLE",
        ]


def test_a_tag_is_removed_by_another_row(store: MetadataStore) -> None:
    """It pins nothing then, its name is free, and views of the past still know it."""
    with store.open("write"):
        store.tag("t")
        then = now()
        store.untag("t")

        assert store.tags().is_empty()
        assert pinned_versions(store) == {}
        with pytest.raises(TagNotFoundError, match="has no tag 't'; it has none"):
            store.as_of("t")
        with pytest.raises(TagNotFoundError):
            store.untag("t")
        assert store.as_of(then).tags()["name"].to_list() == ["t"]
        store.write_metadata("video", videos(("z", "1", "1")))
        store.tag("t")
        assert pinned_versions(store)[FeatureKey("video")] == {3}
        with pytest.raises(TagNotFoundError, match=r"it has 't'\. Did you mean 't'\?"):
            store.read_metadata("video", table_version="T")
        with pytest.raises(TagNotFoundError, match=r"'2026-11-01'; .* was a time meant, such as d"):
            store.read_metadata("video", table_version="2026-11-01")


def test_a_name_is_given_once(store: MetadataStore) -> None:
    """Also to those who ask for it at once."""
    with store.open("write"):

        def attempt(_: int) -> str:
            try:
                store.tag("t")
            except TagExistsError as error:
                return f"refused {error.tag}"
            return "set"

        with ThreadPoolExecutor(6) as threads:
            outcomes = sorted(threads.map(attempt, range(6)))

        assert outcomes == [*["refused t"] * 5, "set"]
        assert store.tags().height == 1
        with pytest.raises(TagExistsError, match="has the tag 't' already"):
            store.tag("t")


@pytest.mark.parametrize("name", ["", "1", "2026-11-21", "a b", "-x", "é", "a" * 101, None, 3])
def test_names_that_could_be_something_else_are_refused(store: MetadataStore, name: Any) -> None:
    """A version, a time, an option."""
    with store.open("write"), pytest.raises(ValueError, match="can't be the name of a tag"):
        store.tag(name)
