"""What a write accepts, adds and leaves alone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import narwhals as nw
import polars as pl
import pytest

from definitions import feature, graph_of
from films import BY_FIELD, films, polars, stored, update, versions_by_id, videos
from lakes import Lake
from metaxy.errors import MetadataSchemaError, ProjectMismatchError, StoreError
from metaxy.metadata_store.hash_settings import HashSettings
from metaxy.versioning.types import HashAlgorithm

STAMPS = [
    "metaxy_provenance_by_field",
    "metaxy_data_version_by_field",
    "metaxy_feature_version",
    "metaxy_snapshot_version",
    "metaxy_created_at",
    "metaxy_deleted_at",
    "metaxy_materialization_id",
    "metaxy_provenance",
    "metaxy_data_version",
]


def test_a_record_gets_all_stamps(lake: Lake) -> None:
    """A stored record has its own columns, then metaxy's, each with what it stands for."""
    store = lake.store(materialization_id="run-1")
    before = datetime.now(UTC)
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "2"), path=["x"]))
        row = polars(store.read_metadata("video")).row(0, named=True)
        version = store.feature_version("video")

    assert list(row) == ["id", "path", *STAMPS]
    assert (row["id"], row["path"]) == ("a", "x")
    assert row["metaxy_provenance_by_field"] == {"audio": "1", "frames": "2"}
    assert row["metaxy_data_version_by_field"] == {"audio": "1", "frames": "2"}
    assert row["metaxy_feature_version"] == version == store.graph.feature_version("video")
    assert row["metaxy_snapshot_version"] == store.graph.snapshot_version
    assert before <= row["metaxy_created_at"] <= datetime.now(UTC)
    assert row["metaxy_deleted_at"] is None
    assert row["metaxy_materialization_id"] == "run-1"
    assert row["metaxy_data_version"] == row["metaxy_provenance"]
    assert len(row["metaxy_provenance"]) == 16  # xxhash64


def test_a_write_may_name_its_own_run(lake: Lake) -> None:
    """The materialization id of a write stands before that of the store."""
    store = lake.store(materialization_id="store")
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1")), "write")

        assert stored(store, "video", "metaxy_materialization_id") == ["write"]
    assert store.materialization_id == "store"


def test_stamps_that_a_frame_brings_are_replaced(lake: Lake) -> None:
    """What was read can be written again; it inherits no instant and no run."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1")), "first")
        read = polars(store.read_metadata("video"))
        store.write_metadata("video", read)
        again = polars(store.read_metadata("video")).row(0, named=True)

    first = read.row(0, named=True)
    assert again["metaxy_created_at"] > first["metaxy_created_at"]
    assert again["metaxy_materialization_id"] is None
    assert again["metaxy_provenance"] == first["metaxy_provenance"]


def test_a_clock_that_runs_behind_comes_after_what_is_there(lake: Lake) -> None:
    """One instant a commit, later than every one in the table, whatever the clock says."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1")))
        for module in ("storing", "delta"):
            patcher = patch(f"metaxy.metadata_store.{module}.datetime", _Behind)
            patcher.start()
        try:
            store.write_metadata("video", videos(("a", "2", "1")))
            store.write_metadata("video", videos(("a", "3", "1")))
        finally:
            patch.stopall()
        history = polars(store.read_metadata("video", latest_only=False))
        newest = versions_by_id(polars(store.read_metadata("video")))

    instants = dict(
        history.with_columns(pl.col("metaxy_provenance_by_field").struct.field("audio"))
        .group_by("audio")
        .agg(pl.col("metaxy_created_at").unique())
        .iter_rows()
    )
    assert [len(each) for each in instants.values()] == [1, 1, 1]
    assert instants["1"][0] < instants["2"][0] < instants["3"][0]
    assert newest["a"] == {"audio": "3", "frames": "1"}


class _Behind(datetime):
    """A clock that stands still, years ago."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        """Give the time."""
        del tz
        return datetime(2001, 1, 1, tzinfo=UTC)


def test_a_frame_without_rows_writes_nothing(lake: Lake) -> None:
    """No table comes into being, and a table that there is gets no commit."""
    store = lake.store()
    with store.open("write"):
        for empty in (videos(), videos().lazy(), pl.DataFrame({"id": []})):
            assert store.write_metadata("video", empty).rows == 0
        assert store.list_features() == ()
        version = store.write_metadata("video", videos(("a", "1", "1"))).version
        store.write_metadata("video", videos())
        after = store.write_metadata("video", videos(("b", "1", "1"))).version

    assert (after or 0) - (version or 0) in (0, 1)


def test_eager_frames_of_every_library_are_taken(lake: Lake) -> None:
    """Polars, pandas and PyArrow frames, and frames of Narwhals, give the same records."""
    store = lake.store()
    frame = videos(("a", "1", "2"), size=[3])
    kinds: list[Any] = [
        frame,
        frame.to_pandas(),
        frame.to_arrow(),
        nw.from_native(frame),
        frame.lazy(),
    ]
    kinds.append(nw.from_native(frame.lazy()))
    with store.open("write"):
        for number, kind in enumerate(kinds, start=1):
            assert store.write_metadata("video", kind).rows == 1
            assert store.resolve_update("video", samples=kind).is_empty
            assert len(stored(store, "video", "size", latest_only=False)) == number

        assert stored(store, "video", "size") == [3]


def test_a_lazy_frame_is_evaluated_once(lake: Lake) -> None:
    """A frame that is different each time gives the records of one evaluation."""
    evaluated: list[int] = []

    def seen(batch: pl.DataFrame) -> pl.DataFrame:
        evaluated.append(batch.height)
        return batch

    store = lake.store()
    lazy = videos(("a", "1", "1"), ("b", "1", "1")).lazy().map_batches(seen)
    with store.open("write"):
        assert store.write_metadata("video", lazy).rows == 2

    assert sum(evaluated) == 2


def test_new_columns_evolve_the_table(lake: Lake) -> None:
    """Old rows read null in a new column, and new rows in one that they lack."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), size=[1]))
        store.write_metadata("video", videos(("b", "1", "1"), path=["p"]))

        assert stored(store, "video", "id", "size", "path") == [("a", 1, None), ("b", None, "p")]


def test_new_struct_fields_evolve_the_table(lake: Lake) -> None:
    """Structs grow like tables, in whatever order their fields come."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), info=[{"x": 1, "y": 2}]))
        store.write_metadata("video", videos(("b", "1", "1"), info=[{"z": "3", "y": 4}]))

        assert sorted(polars(store.read_metadata("video")).select("id", "info").rows()) == [
            ("a", {"x": 1, "y": 2, "z": None}),
            ("b", {"x": None, "y": 4, "z": "3"}),
        ]


def test_fields_of_a_new_feature_version_evolve_the_by_field_columns(lake: Lake) -> None:
    """A version of a feature with another field has rows beside those of the old one."""
    old = graph_of(feature("video", fields=["audio"]))
    new = graph_of(feature("video", fields=["audio", "frames"]))
    with lake.store(graph=old).open("write") as store:
        store.write_metadata(
            "video",
            videos(("a", "1", "-")).select(
                "id", metaxy_provenance_by_field=pl.struct(audio=pl.lit("1"))
            ),
        )
    with lake.store(graph=new).open("write") as store:
        store.write_metadata("video", videos(("a", "2", "2")))
        rows = polars(store.read_metadata("video", current_only=False)).sort("metaxy_created_at")

        assert stored(store, "video", "id") == ["a"]
    assert rows["metaxy_provenance_by_field"].to_list() == [
        {"audio": "1", "frames": None},
        {"audio": "2", "frames": "2"},
    ]


def test_struct_fields_that_differ_by_case_are_refused(lake: Lake) -> None:
    """Also where a field of the feature was renamed so, and older versions have the other name."""
    old, new = (graph_of(feature("video", fields=[name])) for name in ("audio", "Audio"))
    row = {"id": ["a"], "info": [{"x": 1}], "infos": [[{"x": 1}]]}
    twins = {"id": ["a"], "info": [{"X": 1}], "infos": [[{"X": 1}]]}
    with lake.store(graph=old).open("write") as store:
        store.write_metadata("video", pl.DataFrame(row | {BY_FIELD: [{"audio": "1"}]}))
    with lake.store(graph=new).open("write") as store:
        with pytest.raises(MetadataSchemaError) as raised:
            store.write_metadata("video", pl.DataFrame(twins | {BY_FIELD: [{"Audio": "1"}]}))

        assert stored(store, "video", "id", current_only=False) == ["a"]
    differ = "differ only by case, which Delta ignores: rename one"
    assert raised.value.reasons == (
        f"in 'info', 'x' and 'X' {differ}",
        f"in 'infos[]', 'x' and 'X' {differ}",
        f"in 'metaxy_provenance_by_field', 'audio' and 'Audio' {differ}",
    )


def test_nulls_take_the_type_that_the_table_has(lake: Lake) -> None:
    """A column, or part of one, without a type of its own fits any."""
    store = lake.store()
    row = {"size": [1], "tags": [["x"]], "info": [{"n": 1.5}]}
    nothing: dict[str, list[Any]] = {"size": [None], "tags": [[]], "info": [{"n": None}]}
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), **row))
        store.write_metadata("video", videos(("b", "1", "1"), **nothing))
        rows = polars(store.read_metadata("video", columns=["id", "size", "tags", "info"]))

    assert rows.sort("id").select("size", "tags", "info").row(1) == (None, [], {"n": None})


def test_another_type_is_refused_with_the_way_out(lake: Lake) -> None:
    """The message names the column and both types, and nothing is written."""
    store = lake.store()
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1"), size=[1]))
        with pytest.raises(MetadataSchemaError) as raised:
            store.write_metadata("video", videos(("b", "1", "1"), size=[1.5]))

        assert stored(store, "video", "id") == ["a"]
    assert raised.value.reasons == (
        "'size' is Float64, and the table has Int64: cast it, or write it under another name, "
        "or drop the feature's metadata to begin anew",
    )


def test_supplied_data_versions_are_what_downstream_follows(lake: Lake) -> None:
    """A field whose supplied version is null falls back to its provenance."""
    store = lake.store()
    supplied = pl.Series([{"audio": "sound", "frames": None}])
    with store.open("write"):
        store.write_metadata(
            "video", videos(("a", "1", "2")).with_columns(metaxy_data_version_by_field=supplied)
        )
        update(store, "transcript")
        row = polars(store.read_metadata("video")).row(0, named=True)
        store.write_metadata(
            "video", videos(("a", "9", "2")).with_columns(metaxy_data_version_by_field=supplied)
        )

        assert store.resolve_update("transcript").is_empty
    assert row["metaxy_provenance_by_field"] == {"audio": "1", "frames": "2"}
    assert row["metaxy_data_version_by_field"] == {"audio": "sound", "frames": "2"}
    assert row["metaxy_data_version"] != row["metaxy_provenance"]


def test_only_features_of_the_own_project_are_written(lake: Lake) -> None:
    """Another project's feature is refused unless that is allowed for a while."""
    store = lake.store(project="music")
    with store.open("write"):
        with pytest.raises(ValueError, match=r"'video' belongs to the project 'films'") as raised:
            store.write_metadata("video", videos(("a", "1", "1")))
        assert isinstance(raised.value, ProjectMismatchError)
        assert (raised.value.got, raised.value.wanted) == ("films", "music")
        with pytest.raises(ProjectMismatchError):
            store.drop_feature_metadata("video")
        with pytest.raises(ProjectMismatchError):
            store.delete_metadata("video", ["id = 'a'"])
        with pytest.raises(ProjectMismatchError):
            store.write_metadata_multi({"video": videos(("a", "1", "1"))})
        with store.allow_cross_project_writes():
            store.write_metadata("video", videos(("a", "1", "1")))
        with pytest.raises(ProjectMismatchError):
            store.write_metadata("video", videos(("b", "1", "1")))

        assert stored(store, "video", "id") == ["a"]


def test_several_features_are_written_dependents_first(lake: Lake) -> None:
    """A crash half-way leaves the dependents written, and nothing that they seem to be made of."""
    store = lake.store()
    with store.open("write"):
        update(store, "video", videos(("a", "1", "1")))
        update(store, "transcript")
        before = store.resolve_update("video", samples=videos(("a", "2", "1")))
        dependent = polars(store.read_metadata("transcript"))
        broken = before.changed.to_polars().with_columns(id=pl.lit(None, pl.String))
        with pytest.raises(MetadataSchemaError, match=r"'id' is null"):
            store.write_metadata_multi({"video": broken, "transcript": dependent})

        assert len(stored(store, "transcript", "id", latest_only=False)) == 2
        assert len(stored(store, "video", "id", latest_only=False)) == 1
        store.write_metadata("video", before.changed)
        assert update(store, "transcript") == [0, 1, 0]
        assert update(store, "transcript") == [0, 0, 0]


def test_results_of_several_writes_come_by_feature(lake: Lake) -> None:
    """No frames are no writes; one feature named twice is a mistake."""
    store = lake.store()
    frame = videos(("a", "1", "1"))
    with store.open("write"):
        assert store.write_metadata_multi({}) == {}
        results = store.write_metadata_multi({"video": frame})
        assert {str(key): each.rows for key, each in results.items()} == {"video": 1}
        with pytest.raises(ValueError, match=r"name one feature"):
            store.write_metadata_multi({"video": frame, ("video",): frame})


def test_a_key_makes_a_write_happen_once(versioned_lake: Lake) -> None:
    """The second write with a key says that it was there; other features have their own keys."""
    store = versioned_lake.store()
    with store.open("write"):
        first = store.write_metadata("video", videos(("a", "1", "1")), idempotency_key="k")
        second = store.write_metadata("video", videos(("b", "1", "1")), idempotency_key="k")
        other = store.write_metadata("video", videos(("c", "1", "1")), idempotency_key="l")
        elsewhere = store.write_metadata(
            "transcript", store.resolve_update("transcript").added, idempotency_key="k"
        )

        assert stored(store, "video", "id") == ["a", "c"]
    assert (first.rows, first.already_committed) == (1, False)
    assert (second.rows, second.already_committed) == (0, True)
    assert (other.rows, elsewhere.rows) == (1, 2)


def test_a_store_without_keys_refuses_them(lake: Lake) -> None:
    """A key that can't be kept would be a promise broken; an empty one is a slip."""
    store = lake.store()
    with store.open("write"):
        with pytest.raises(ValueError, match=r"idempotency_key is ''"):
            store.write_metadata("video", videos(("a", "1", "1")), idempotency_key="")
        if not store.supports_idempotency_keys:
            with pytest.raises(StoreError, match=r"can't write with an idempotency_key"):
                store.write_metadata("video", videos(("a", "1", "1")), idempotency_key="k")


def test_tables_are_created_only_where_that_is_allowed(lake: Lake) -> None:
    """With auto_create_tables off the first write of a feature is refused, whole."""
    with lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1")))
    with lake.store(auto_create_tables=False).open("write") as store:
        store.write_metadata("video", videos(("b", "1", "1")))
        with pytest.raises(StoreError, match=r"'transcript' has no table in .*auto_create_tables"):
            store.write_metadata("transcript", store.resolve_update("transcript").added)

        assert [str(key) for key in store.list_features()] == ["video"]


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
@pytest.mark.parametrize("truncation", [None, 8, 13])
def test_every_hash_gives_increments_that_end(
    lake: Lake, algorithm: HashAlgorithm, truncation: int | None
) -> None:
    """Versions have the length that was asked for, and a store without settings adopts them."""
    lengths = {"xxhash64": 16, "xxhash32": 8, "xxh3_64": 16, "xxh3_128": 32, "wyhash": 16}
    whole = (lengths | {"sha256": 64, "md5": 32})[algorithm.value]
    store = lake.store(hash_algorithm=algorithm, hash_truncation_length=truncation)
    with store.open("write"):
        update(store, "video", videos(("a", "1", "1")))
        update(store, "transcript")
    with lake.store().open("write") as adopting:
        assert adopting.hash_settings == HashSettings(algorithm, truncation)
        row = polars(adopting.read_metadata("transcript")).row(0, named=True)
        assert adopting.resolve_update("transcript").is_empty
        assert adopting.resolve_update("video", samples=videos(("a", "1", "1"))).is_empty

    assert len(row["metaxy_provenance"]) == min(whole, truncation or whole)
    assert len(row["metaxy_provenance_by_field"]["text"]) == min(whole, truncation or whole)
    assert len(row["metaxy_feature_version"]) == (truncation or 64)
    assert len(row["metaxy_snapshot_version"]) == (truncation or 64)


def test_a_new_version_of_a_feature_begins_with_no_records(lake: Lake) -> None:
    """Rows of an older version stay readable by it, and are not current."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
        old = store.feature_version("video")
    with lake.store(graph=films(video="2")).open("write") as store:
        assert update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"))) == [2, 0, 0]

        assert stored(store, "video", "id") == ["a", "b"]
        assert stored(store, "video", "id", feature_version=old, current_only=False) == ["a"]
        assert stored(store, "video", "id", current_only=False) == ["a", "a", "b"]


@pytest.fixture(autouse=True)
def _no_patch_is_left() -> Iterator[None]:
    yield
    patch.stopall()
