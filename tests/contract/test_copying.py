"""Copies between lakes: they answer as the source does, and nothing is copied twice."""

import pickle
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from films import films, polars, stored, update, videos
from lakes import Lake, delta_lake, memory_lake
from metaxy.errors import (
    CopyError,
    FeatureNotFoundError,
    FilterError,
    HashSettingsMismatchError,
    MetadataSchemaError,
    StoreError,
    StoreNotOpenError,
    StoreReadOnlyError,
    SystemDataNotFoundError,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.copying import CopyProgress, CopyResult
from metaxy.metadata_store.delta import DeltaMetadataStore

KEYS = ("video", "transcript", "chunk")


def chunks(store: MetadataStore, numbers: range) -> None:
    """Expand all videos that are to be, each into these chunks."""
    increment = store.resolve_update("chunk")
    for frame in (increment.added, increment.changed):
        parents = polars(frame)
        children = parents.join(pl.DataFrame({"chunk": [str(n) for n in numbers]}), how="cross")
        store.write_metadata("chunk", children, expanded_parents=parents)


@pytest.fixture
def production(lake: Lake) -> Lake:
    """A lake that has lived: changed, deleted, expanded anew, childless, and of two versions."""
    with lake.store(graph=films(video="0"), materialization_id="old").open("write") as store:
        store.record_feature_graph_snapshot()
        update(store, "video", videos(("a", "0", "0"), ("z", "0", "0")))
    with lake.store(materialization_id="run").open("write") as store:
        store.record_feature_graph_snapshot()
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")))
        update(store, "transcript")
        chunks(store, range(2))
        update(store, "video", videos(("a", "2", "1"), ("b", "1", "1"), ("d", "1", "1")))
        update(store, "transcript")
        chunks(store, range(0))
    return lake


def rows(store: MetadataStore, feature: str) -> list[Any]:
    """All stored rows of a feature, in an order that depends on nothing but them."""
    found = store.read_metadata_in_store(feature)
    assert found is not None
    frame = polars(found)
    return sorted(frame.select(sorted(frame.columns)).rows(), key=repr)


def answers(store: MetadataStore, samples: pl.DataFrame | None = None) -> dict[str, list[Any]]:
    """What a lake says of all its features."""
    told: dict[str, list[Any]] = {}
    for key in KEYS:
        increment = store.resolve_update(key, samples=samples if key == "video" else None)
        frames = (increment.added, increment.changed, increment.removed)
        told[key] = [sorted(polars(each)["id"].to_list()) for each in frames]
    return told


def test_a_copy_has_all_rows_as_they_are_and_answers_as_the_source(
    production: Lake, tmp_path: Path
) -> None:
    """Superseded rows, tombstones, childless markers, older versions, instants and runs."""
    samples = videos(("a", "3", "1"), ("b", "1", "1"), ("e", "1", "1"))
    for other in (delta_lake(tmp_path, "flat"), production.another()):
        with production.store() as source, other.store().open("write") as copy:
            result = copy.copy_metadata(source)

            assert result == {"chunk": 8, "transcript": 6, "video": 8}
            assert list(result) == ["video", "chunk", "transcript"]
            for key in KEYS:
                assert rows(copy, key) == rows(source, key)
                assert stored(copy, key, "id") == stored(source, key, "id")
            assert answers(copy, samples) == answers(source, samples)
            assert {"old", "run"} == set(
                stored(
                    copy,
                    "video",
                    "metaxy_materialization_id",
                    latest_only=False,
                    current_only=False,
                )
            )


def test_the_copy_goes_on_as_a_lake_of_its_own(production: Lake) -> None:
    """What is written to it comes after what was copied."""
    with (
        production.store() as source,
        production.another().store().open("write") as copy,
    ):
        copy.copy_metadata(source)

        now = videos(("a", "3", "1"), ("b", "1", "1"))
        assert update(copy, "video", now) == [0, 1, 1]
        assert update(copy, "video", now) == [0, 0, 0]
        assert stored(copy, "video", "id") == ["a", "b"]


def test_copying_again_copies_what_is_new(production: Lake) -> None:
    """Rows with the same ids but other stamps are other rows."""
    lake = production.another()
    with production.store().open("write") as source, lake.store().open("write") as copy:
        first = copy.copy_metadata(source)
        again = copy.copy_metadata(source)
        assert sum(first.values()) == 22
        assert again == {"video": 0, "chunk": 0, "transcript": 0}
        assert [each.rows_skipped for each in again.values()] == [8, 8, 6]

        update(source, "video", videos(("a", "9", "1"), ("b", "1", "1"), ("d", "1", "1")))
        third = copy.copy_metadata(source)
        assert third == {"video": 1, "chunk": 0, "transcript": 0}
        assert rows(copy, "video") == rows(source, "video")


def test_a_full_copy_compares_nothing(production: Lake) -> None:
    """Then history has rows twice, and records are still current once."""
    with production.store() as source, production.another().store().open("write") as copy:
        copy.copy_metadata(source, ["video"])
        assert copy.copy_metadata(source, ["video"], incremental=False) == {"video": 8}
        assert len(rows(copy, "video")) == 16
        assert stored(copy, "video", "id") == ["a", "b", "d"]


def test_features_are_chosen(production: Lake) -> None:
    """By key or class, one or several; upstreams come first."""
    with production.store() as source, production.another().store().open("write") as copy:
        assert list(copy.copy_metadata(source, ["transcript", "video"])) == ["video", "transcript"]
        assert [str(key) for key in copy.list_features()] == ["transcript", "video"]
        with pytest.raises(FeatureNotFoundError, match=r"'vidoe', so nothing was copied.*'video'"):
            copy.copy_metadata(source, ["chunk", "vidoe"])
        assert not copy.has_feature("chunk")


def test_a_snapshot_chooses_the_rows_written_under_it(production: Lake) -> None:
    """With its push; an unknown one is an error."""
    with production.store() as source, production.another().store().open("write") as copy:
        old = films(video="0").snapshot_version
        assert copy.copy_metadata(source, from_snapshot=old) == {
            "video": 2,
            "chunk": 0,
            "transcript": 0,
        }
        assert not copy.has_feature("chunk")
        assert set(copy.read_pushes()["snapshot_version"]) == {old}
        assert copy.load_graph_snapshot(old) == films(video="0")
        with pytest.raises(SystemDataNotFoundError, match=f"no snapshot 'x'.*{old}"):
            copy.copy_metadata(source, from_snapshot="x")


def test_pushes_come_along_once(production: Lake) -> None:
    """Those that the destination has stay alone."""
    with production.store() as source, production.another().store().open("write") as copy:
        for _ in range(2):
            copy.copy_metadata(source)
            assert len(copy.read_pushes()) == len(source.read_pushes())
        assert copy.load_graph_snapshot(films().snapshot_version) == films()


@pytest.mark.parametrize(
    "condition", [nw.col("id") == "a", pl.col("id") == "a", "id = 'a'"], ids=["nw", "pl", "sql"]
)
def test_filters_choose_records_with_all_their_rows(production: Lake, condition: Any) -> None:
    """An increment on the copy is right for those that were chosen."""
    filters = {"video": [condition], "chunk": [condition]}
    with production.store() as source, production.another().store().open("write") as copy:
        copied = copy.copy_metadata(source, ["video", "chunk"], filters=filters)

        assert copied == {"video": 3, "chunk": 3}
        assert answers(copy, videos(("a", "2", "1")))["video"] == [[], [], []]
        assert answers(copy, videos(("a", "2", "1")))["chunk"] == [[], [], []]


def test_filters_see_the_newest_rows_only(lake: Lake) -> None:
    """A superseded row never comes back because its successor is filtered out."""
    with lake.store().open("write") as source, lake.another().store().open("write") as copy:
        source.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), size=[9, 9]))
        source.write_metadata("video", videos(("a", "2", "1"), size=[1]))

        assert copy.copy_metadata(source, filters={"video": "size > 5"}) == {"video": 1}
        assert stored(copy, "video", "id", "size") == [("b", 9)]


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        (~pl.col("id").is_duplicated(), ["a", "b"]),
        (pl.col("id").is_first_distinct(), ["a", "b"]),
        (nw.col("id") == nw.col("id").max(), ["b"]),
    ],
    ids=["not repeated", "first", "last"],
)
def test_filters_that_compare_records_compare_the_newest_rows(
    lake: Lake, condition: Any, chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Superseded rows are no records of their own, and all records are compared at once."""
    monkeypatch.setattr("metaxy.metadata_store.copied_rows._ROWS_AT_ONCE", 1)
    with lake.store().open("write") as source, lake.another().store().open("write") as copy:
        for version in ("1", "2"):
            source.write_metadata("video", videos(("a", version, "1"), ("b", version, "1")))

        copied = copy.copy_metadata(source, filters={"video": [condition]})

        assert copied == {"video": 2 * len(chosen)}
        assert stored(copy, "video", "id") == chosen
        assert stored(source, "video", "id", filters=[condition]) == chosen


def test_a_record_that_was_copied_is_kept_up_to_date(lake: Lake) -> None:
    """Though it doesn't fulfil the filter any more, or was deleted."""
    with lake.store().open("write") as source, lake.another().store().open("write") as copy:
        first = videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1"), size=[9, 9, 1])
        source.write_metadata("video", first)
        assert copy.copy_metadata(source, filters={"video": ["size > 5"]}) == {"video": 2}
        source.write_metadata("video", videos(("a", "2", "1"), ("c", "2", "1"), size=[1, 2]))
        source.delete_metadata("video", filters=["id = 'b'"])

        assert copy.copy_metadata(source, filters={"video": ["size > 5"]}) == {"video": 2}
        assert stored(copy, "video", "id", "size") == [("a", 1)]


def test_filters_that_make_no_sense_are_refused(production: Lake) -> None:
    """Before anything is copied."""
    with production.store() as source, production.another().store().open("write") as copy:
        for filters, message in (
            ({"video": ["codec = 'x'"]}, "The filter on 'video' can't be used: .*column"),
            ({"vidoe": ["id = 'x'"]}, "'vidoe', which isn't copied.*Did you mean 'video'"),
        ):
            with pytest.raises(FilterError, match=message):
                copy.copy_metadata(source, filters=filters)
        assert copy.list_features() == ()


def test_both_stores_must_be_open(production: Lake) -> None:
    """The source for reading, the destination for writing; both errors are ValueErrors, too."""
    source, copy = production.store(), production.another().store()
    with copy.open("write"), pytest.raises(StoreNotOpenError):
        copy.copy_metadata(source)
    with source, pytest.raises(ValueError, match="not open"):
        copy.copy_metadata(source)
    with source, copy, pytest.raises(StoreReadOnlyError):
        copy.copy_metadata(source)


def test_a_lake_is_not_copied_to_itself(production: Lake) -> None:
    """A full copy would double it."""
    with production.store().open("write") as store, pytest.raises(ValueError, match="to itself"):
        store.copy_metadata(store)


def test_lakes_that_hash_differently_are_refused(production: Lake) -> None:
    """With both settings; a new lake takes over those of the source."""
    with (
        production.store() as source,
        production.another().store(hash_algorithm="sha256").open("write") as copy,
        pytest.raises(HashSettingsMismatchError, match=r"xxhash64.*sha256|sha256.*xxhash64"),
    ):
        copy.copy_metadata(source)
    short = production.another()
    with short.store(hash_truncation_length=8).open("write") as source:
        update(source, "video", videos(("a", "1", "1")))
        there = production.another()
        with there.store().open("write") as copy:
            copy.copy_metadata(source)
            assert update(copy, "video", videos(("a", "1", "1"))) == [0, 0, 0]
        with there.store() as copy:
            assert copy.hash_settings.truncation == 8
        with (
            production.store() as other,
            there.store().open("write") as copy,
            pytest.raises(HashSettingsMismatchError, match="truncated to 8"),
        ):
            copy.copy_metadata(other)


def test_an_empty_source_copies_nothing(lake: Lake) -> None:
    """And leaves the destination as new as it was."""
    with lake.store() as source, lake.another().store().open("write") as copy:
        assert copy.copy_metadata(source) == {}
        assert copy.read_hash_settings() is None


def test_fallbacks_are_neither_copied_nor_counted_as_there(production: Lake) -> None:
    """A copy is about two lakes."""
    empty, branch = production.another(), production.another()
    with (
        empty.store(fallback_stores=[production.store()]) as source,
        branch.store(fallback_stores=[production.store()]).open("write") as copy,
    ):
        assert copy.copy_metadata(source) == {}
        with production.store() as real:
            assert copy.copy_metadata(real, ["video"]) == {"video": 8}


def test_features_of_other_projects_may_be_copied(production: Lake) -> None:
    """That is what teams copy for."""
    with (
        production.store() as source,
        production.another().store(project="another").open("write") as copy,
    ):
        assert copy.copy_metadata(source, ["video"]) == {"video": 8}


def test_a_feature_that_is_gone_from_the_code_is_known_by_its_push(tmp_path: Path) -> None:
    """One that was never pushed is an error."""
    lake = delta_lake(tmp_path, "nested")
    with lake.store().open("write") as source:
        update(source, "video", videos(("a", "1", "1")))
    nothing = FeatureGraph([])
    with (
        lake.store(graph=nothing) as source,
        lake.another().store(graph=nothing).open("write") as copy,
        pytest.raises(FeatureNotFoundError, match=r"'video'.*neither.*metaxy push"),
    ):
        copy.copy_metadata(source)
    with lake.store().open("write") as source:
        source.record_feature_graph_snapshot()
    there = lake.another().store(graph=nothing)
    with lake.store(graph=nothing) as source, there.open("write") as copy:
        assert copy.copy_metadata(source) == {"video": 1}
        assert [str(key) for key in copy.list_features()] == ["video"]


def test_other_types_are_told_before_anything_is_copied(production: Lake) -> None:
    """Values are never cast."""
    with production.store() as source, production.another().store().open("write") as copy:
        frame = videos(("a", "1", "1")).with_columns(id=pl.lit(1))
        copy.write_metadata("video", frame)
        with pytest.raises(MetadataSchemaError, match="'id' is String, and the destination"):
            copy.copy_metadata(source)
        assert [str(key) for key in copy.list_features()] == ["video"]


def test_columns_that_the_destination_lacks_are_added(lake: Lake) -> None:
    """And those that the source lacks stay null."""
    with lake.store().open("write") as source, lake.another().store().open("write") as copy:
        source.write_metadata("video", videos(("a", "1", "1"), size=[9]))
        copy.write_metadata("video", videos(("b", "1", "1"), codec=["x"]))

        assert copy.copy_metadata(source) == {"video": 1}
        assert stored(copy, "video", "id", "size", "codec") == [("a", 9, None), ("b", None, "x")]
        assert copy.copy_metadata(source) == {"video": 0}


def test_a_failure_names_the_feature_and_what_was_copied(
    production: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied before it stays; the next copy goes on."""
    with production.store() as source, production.another().store().open("write") as copy:
        original = copy.copy_rows_to_store

        def failing(key: Any, *rest: Any) -> Any:
            if str(key) == "transcript":
                raise OSError("no space left")
            return original(key, *rest)

        monkeypatch.setattr(copy, "copy_rows_to_store", failing)
        with pytest.raises(CopyError, match=r"'transcript' from .* failed: no space left") as told:
            copy.copy_metadata(source)
        assert told.value.feature == "transcript"
        assert told.value.copied == {"video": 8, "chunk": 8}
        assert "'video' (8 rows), 'chunk' (8 rows)" in str(told.value)
        monkeypatch.undo()
        assert copy.copy_metadata(source) == {"video": 0, "chunk": 0, "transcript": 6}


def test_progress_is_told(production: Lake) -> None:
    """As each feature begins, and as its rows go over (Delta tells while they do)."""
    told: list[CopyProgress] = []
    with production.store() as source, production.another().store().open("write") as copy:
        copy.copy_metadata(source, ["video"], on_progress=told.append)
    assert (told[0].feature.parts, told[0].position, told[0].features, told[0].rows) == (
        ("video",),
        1,
        1,
        0,
    )


def test_a_result_is_a_number_that_knows_more() -> None:
    """Also after it was pickled."""
    result = CopyResult(3, rows_skipped=2, version=1)
    again = pickle.loads(pickle.dumps(result))  # noqa: S301 -- its own
    assert (result, result.rows_copied, repr(result)) == (3, 3, "CopyResult(3, rows_skipped=2)")
    assert (again, again.rows_skipped, again.version) == (3, 2, 1)


def test_tables_are_only_created_where_that_is_allowed(tmp_path: Path) -> None:
    """`auto_create_tables` holds for copies, too."""
    lake = delta_lake(tmp_path, "nested")
    with lake.store().open("write") as source:
        update(source, "video", videos(("a", "1", "1")))
        there = lake.another().store(auto_create_tables=False)
        with there.open("write") as copy, pytest.raises(StoreError, match="'video' has no table"):
            copy.copy_metadata(source)


def test_an_event_tells_where_rows_came_from(production: Lake) -> None:
    """One a feature that had any."""
    with production.store() as source, production.another().store().open("write") as copy:
        copy.copy_metadata(source)
        copy.copy_metadata(source)
        kinds = copy.read_events().filter(pl.col("kind") == "metadata_copied")
        assert sorted(kinds["feature_key"]) == ["chunk", "transcript", "video"]


def test_a_view_of_the_past_is_copied(tmp_path: Path) -> None:
    """What came later isn't there."""
    lake = delta_lake(tmp_path, "nested")
    with lake.store().open("write") as source, lake.another().store().open("write") as copy:
        update(source, "video", videos(("a", "1", "1")))
        source.tag("release")
        update(source, "video", videos(("a", "2", "1"), ("b", "1", "1")))

        assert copy.copy_metadata(source.as_of("release")) == {"video": 1}
        assert stored(copy, "video", "id") == ["a"]
        assert copy.copy_metadata(source) == {"video": 2}


# --- histories ----------------------------------------------------------------------------------


@pytest.fixture
def versioned(tmp_path: Path) -> Lake:
    """A Delta lake with some versions of a table, checkpoints among them."""
    lake = delta_lake(tmp_path, "nested")
    with lake.store().open("write") as store:
        for number in range(22):
            store.write_metadata("video", videos((str(number), "1", "1")))
    return lake


def files(store: MetadataStore) -> dict[str, bytes]:
    """The content of all files of the videos."""
    assert isinstance(store, DeltaMetadataStore)
    folder = Path(store.table_path("video"))
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


@pytest.mark.parametrize("layout", ["nested", "flat"])
def test_a_history_is_copied_byte_for_byte(versioned: Lake, tmp_path: Path, layout: Any) -> None:
    """And again, when there is more of it."""
    target = delta_lake(tmp_path, layout)
    with versioned.store().open("write") as source, target.store().open("write") as copy:
        result = copy.copy_metadata(source, history=True)
        assert result == {"video": 22}
        assert files(copy) == files(source)

        source.write_metadata("video", videos(("new", "1", "1")))
        again = copy.copy_metadata(source, history=True)["video"]
        assert (again, again.files_copied) == (1, 2)
        assert files(copy) == files(source)
        assert stored(copy, "video", "id") == stored(source, "video", "id")


def test_a_history_copy_goes_on_where_it_was_cut_off(versioned: Lake, tmp_path: Path) -> None:
    """Whichever files are there already, the table is whole all the while."""
    with versioned.store().open("write") as source:
        order = sorted(files(source), key=lambda name: (name.startswith("_delta_log"), name))
        for number in (1, 10, 25, 30, len(order)):
            with delta_lake(tmp_path, "nested").store().open("write") as copy:
                assert isinstance(copy, DeltaMetadataStore)
                folder = Path(copy.table_path("video"))
                for name in order[:number]:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(files(source)[name])
                (folder / ".torn-1.part").write_bytes(b"half")

                copy.copy_metadata(source, history=True)
                assert files(copy) == files(source)


def test_a_history_is_not_copied_over_other_content(versioned: Lake, tmp_path: Path) -> None:
    """Neither over a table of its own, nor over a copy that was written to."""
    other = delta_lake(tmp_path, "nested")
    copied = delta_lake(tmp_path, "nested")
    with versioned.store() as source:
        with copied.store().open("write") as copy:
            copy.copy_metadata(source, history=True)
        for lake in (other, copied):
            with lake.store().open("write") as copy:
                copy.write_metadata("video", videos(("own", "1", "1")))
                before = files(copy)
                with pytest.raises(CopyError, match="is no copy of the source") as told:
                    copy.copy_metadata(source, history=True)
                assert told.value.feature == "video"
                assert files(copy) == before


def test_a_history_has_neither_filters_nor_a_snapshot(versioned: Lake) -> None:
    """Files are copied whole."""
    with versioned.store() as source, versioned.another().store().open("write") as copy:
        with pytest.raises(ValueError, match="whole tables"):
            copy.copy_metadata(source, history=True, filters={"video": ["id = 'a'"]})
        with pytest.raises(ValueError, match="whole tables"):
            copy.copy_metadata(source, history=True, from_snapshot="x")


def test_a_store_without_files_has_no_history(tmp_path: Path) -> None:
    """It is told as what it is."""
    with delta_lake(tmp_path, "nested").store().open("write") as source:
        update(source, "video", videos(("a", "1", "1")))
        with (
            memory_lake().store().open("write") as copy,
            pytest.raises(StoreError, match="can't list the files of its tables"),
        ):
            copy.copy_metadata(source, history=True)
