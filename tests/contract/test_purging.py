"""One person's data goes from every version of every table that has it, and nothing else does."""

import io
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from definitions import feature, graph_of
from films import BY_FIELD, films, polars, stored, update, videos
from lakes import Lake, memory_lake
from metaxy.errors import MetadataSchemaError, StoreError, TableVersionNotFoundError
from metaxy.metadata_store import delta
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.purging import PurgeResult
from metaxy.models.feature_spec import FeatureDep

FIRST = videos(("bob", "1", "1"), ("carol", "1", "1"), day=["mon", "tue"])
SECOND = videos(("alice", "1", "1"), ("dave", "1", "1"), day=["mon", "tue"])
ALICE = pl.DataFrame({"id": ["alice"]})


def _expand(store: MetadataStore) -> list[int]:
    """Write two chunks of each video that is to be expanded."""
    increment = store.resolve_update("chunk")
    frames = [polars(increment.added), polars(increment.changed)]
    for frame in frames:
        chunks = frame.join(pl.DataFrame({"chunk": ["1", "2"]}), how="cross")
        store.write_metadata("chunk", chunks, expanded_parents=frame)
    if len(increment.removed):
        store.delete_metadata("chunk", records=increment.removed)
    return [frames[0].height, frames[1].height, len(increment.removed)]


def _update_all(store: MetadataStore) -> list[list[int]]:
    return [update(store, "transcript"), _expand(store), update(store, "day")]


def _fill(store: MetadataStore) -> None:
    """Have one person's data in a lake in every way, after a time without it."""
    store.write_metadata("video", FIRST)
    _update_all(store)
    store.tag("before")
    store.write_metadata("video", SECOND)
    _update_all(store)
    store.tag("with")
    store.write_metadata("video", videos(("alice", "2", "2"), day=["tue"]))
    _update_all(store)
    store.delete_metadata("video", ["id = 'alice'"])
    store.delete_metadata("transcript", ["id = 'alice'"], soft=False)
    assert isinstance(store, DeltaMetadataStore)
    for name in ("video", "chunk"):
        options = store._storage.delta_options or None
        DeltaTable(store.table_path(name), storage_options=options).create_checkpoint()
    store.write_metadata("video", videos(("erin", "1", "1"), day=["wed"]))


def _everything(store: MetadataStore) -> dict[str, str]:
    """All that the files of a lake say, by their names."""
    assert isinstance(store, DeltaMetadataStore)
    files = store._storage.filesystem
    return {
        path.rpartition("/")[2]: _told(path, files.cat_file(path))
        for path in files.find(store.root_path)
    }


def _told(path: str, content: bytes) -> str:
    if path.endswith(".parquet"):
        return str(pl.read_parquet(io.BytesIO(content)).to_dicts())
    return content.decode()


def _names(result: PurgeResult) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    return {str(k): (each.rows, len(each.files), each.tags) for k, each in result.tables.items()}


def test_nothing_of_a_person_is_left(versioned_lake: Lake) -> None:
    """Not in data files, not in checkpoints, not in the statistics of the log."""
    with versioned_lake.store().open("write") as store:
        _fill(store)
        everything = _everything(store)
        assert sum("alice" in told for told in everything.values()) > 10
        planned = store.purge("video", ALICE, dry_run=True)
        assert _everything(store) == everything
        done = store.purge("video", ALICE)

        assert done == planned
        assert _names(done) == {
            "video": (3, 3, ("with",)),
            "chunk": (4, 2, ("with",)),
            "day": (6, 3, ("before", "with")),
            "transcript": (0, 2, ("with",)),
        }
        assert [name for name, told in _everything(store).items() if "alice" in told] == []
        assert store.purge("video", ALICE).tables == {}
        assert store.read_events()["kind"].to_list()[-4:] == ["metadata_purged"] * 4


def test_what_is_not_the_person_s_stays(versioned_lake: Lake) -> None:
    """With its history, and tags that are older; a group is made again from those that stay."""
    with versioned_lake.store().open("write") as store:
        _fill(store)
        commits = store.history("video").height
        store.purge("video", ALICE)

        others = ["bob", "carol", "dave", "erin"]
        assert stored(store, "video", "id") == others
        assert stored(store, "transcript", "id") == ["bob", "carol", "dave"]
        assert stored(store, "video", "id", table_version="before") == ["bob", "carol"]
        view = store.as_of("before")
        assert stored(view, "chunk", "id", "chunk") == [
            (name, chunk) for name in ("bob", "carol") for chunk in ("1", "2")
        ]
        with pytest.raises(TableVersionNotFoundError) as caught:
            polars(store.as_of("with").read_metadata("video"))
        assert caught.value.first == store.history("video")["version"][0] - 1
        assert store.history("video").height > commits
        assert _update_all(store) == [[1, 0, 0], [1, 0, 0], [3, 0, 0]]
        assert _update_all(store) == [[0, 0, 0]] * 3
        assert store.vacuum(retention=timedelta(0)) != {}
        assert stored(store, "video", "id") == others


def test_records_may_be_chosen_by_conditions(versioned_lake: Lake) -> None:
    """On what is known of them last; one that finds nothing removes nothing."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", FIRST)
        update(store, "transcript")
        versions = store.history("video").height
        assert store.purge("video", filters=["day = 'sun'"]).tables == {}
        assert store.purge("transcript", pl.DataFrame({"id": ["zoe"]})).tables == {}
        assert store.history("video").height == versions
        done = store.purge("video", filters=["day = 'mon'"])

        assert _names(done) == {"video": (1, 1, ()), "transcript": (1, 1, ())}
        assert stored(store, "video", "id") == stored(store, "transcript", "id") == ["carol"]
        with pytest.raises(ValueError, match="Say which records"):
            store.purge("video")
        with pytest.raises(MetadataSchemaError, match="lack the id columns 'id'"):
            store.purge("video", pl.DataFrame({"name": ["bob"]}))


def _parts_and_names(lake: Lake, *, is_pushed: bool) -> MetadataStore:
    """A store of videos that are told by their names, and were once told by id and part."""
    before = graph_of(feature("video", ids=("id", "part")))
    with lake.store(graph=before).open("write") as store:
        if is_pushed:
            store.record_feature_graph_snapshot()
        rows = pl.DataFrame({"id": ["a", "a", "b"], "part": [1, 2, 1]})
        store.write_metadata("video", rows.with_columns(_version()))
    store = lake.store(graph=graph_of(feature("video", ids=("name",))))
    with store.open("write"):
        names = pl.DataFrame({"name": ["c", "d"], "id": ["a", "z"]})
        store.write_metadata("video", names.with_columns(_version()))
    return store


def _version() -> pl.Expr:
    return pl.struct(default=pl.lit("1")).alias(BY_FIELD)


def test_records_of_an_older_version_are_purged_by_the_ids_that_it_had(
    versioned_lake: Lake,
) -> None:
    """Those that conditions choose, and those with today's ids; none beside them."""
    with _parts_and_names(versioned_lake, is_pushed=True).open("write") as store:

        def left() -> list[tuple[str, int | None, str | None]]:
            rows = polars(store.read_metadata("video", current_only=False))
            return sorted(rows.select("id", "part", "name").rows(), key=str)

        told = store.purge("video", filters=["part = 1 AND id = 'b'"])
        assert _names(told) == {"video": (1, 1, ())}
        assert left() == [("a", 1, None), ("a", 2, None), ("a", None, "c"), ("z", None, "d")]

        # In the file that it was written in, and in that of the purge before.
        told = store.purge("video", pl.DataFrame({"name": ["d"]}))
        assert _names(told) == {"video": (1, 2, ())}
        assert left() == [("a", 1, None), ("a", 2, None), ("a", None, "c")]

        store.purge("video", filters=["id = 'a' AND part IS NULL"])
        assert left() == [("a", 1, None), ("a", 2, None)]


def test_rows_whose_ids_nobody_knows_are_not_passed_over(versioned_lake: Lake) -> None:
    """A purge that can't tell which records they are says so, and removes nothing."""
    with _parts_and_names(versioned_lake, is_pushed=False).open("write") as store:
        versions = store.history("video").height
        with pytest.raises(StoreError, match=r"2 rows of 'video' that fulfil the conditions"):
            store.purge("video", filters=["part = 1"])
        assert store.history("video").height == versions
        store.purge("video", filters=["id = 'z'"])
        assert stored(store, "video", "name") == ["c"]


def test_what_was_dropped_is_purged_too(versioned_lake: Lake) -> None:
    """Its rows are in older versions of the table, whatever it has become since."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", SECOND)
        update(store, "transcript")
        store.drop_feature_metadata("video")
        store.write_metadata("video", videos(("7", "1", "1")).with_columns(id=pl.lit(7)))
        done = store.purge("video", ALICE)

        assert _names(done) == {"video": (0, 1, ()), "transcript": (1, 1, ())}
        assert [name for name, told in _everything(store).items() if "alice" in told] == []
        assert stored(store, "video", "id") == [7]


def test_renamed_ids_are_followed(tmp_path: Path) -> None:
    """Down to what only a feature in between knows."""
    graph = graph_of(
        feature("person", ids=("name",)),
        feature("face", ids=("who",), deps=[FeatureDep("person", rename={"name": "who"})]),
        feature("album", ids=("owner",), deps=[FeatureDep("face", rename={"who": "owner"})]),
    )
    with DeltaMetadataStore(tmp_path, graph=graph).open("write") as store:
        names = pl.DataFrame({"name": ["alice", "bob"]})
        by_field = pl.DataFrame({"default": ["1", "1"]}).to_struct("metaxy_provenance_by_field")
        store.write_metadata("person", names.with_columns(by_field))
        for each in ("face", "album"):
            store.write_metadata(each, store.resolve_update(each).added)
        store.drop_feature_metadata("face")
        done = store.purge("person", filters=["name = 'alice'"])

        assert _names(done) == {"person": (1, 1, ()), "face": (0, 1, ()), "album": (1, 1, ())}
        assert stored(store, "album", "owner") == ["bob"]


def test_a_purge_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that was: before the log was scrubbed, before files went, between two tables."""

    class _CutOffError(Exception):
        pass

    def cut_off(*_: object, **__: object) -> None:
        raise _CutOffError

    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        _fill(store)
        for place, name in (
            (delta, "scrub_log"),
            (delta.TableFiles, "remove"),
            (delta.TableFiles, "overwrite"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(place, name, cut_off)
                with pytest.raises(_CutOffError):
                    store.purge("video", ALICE)
            assert (
                stored(store, "chunk", "id", table_version="before") == ["bob"] * 2 + ["carol"] * 2
            )
        assert next(map(str, store.purge("video", ALICE).tables)) == "video"

        assert [name for name, told in _everything(store).items() if "alice" in told] == []


def test_files_that_may_still_be_committed_stay_and_are_told(tmp_path: Path) -> None:
    """A vacuum removes them when they are old."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", FIRST)
        folder = Path(store.table_path("video"))
        SECOND.write_parquet(folder / "part-at-work.parquet")
        (folder / "part-half.parquet").write_bytes(b"PAR1 half")
        done = store.purge("video", ALICE)

        (purged,) = done.tables.values()
        assert (purged.rows, purged.files) == (0, ())
        assert purged.uncommitted == ("part-at-work.parquet", "part-half.parquet")
        assert (folder / "part-at-work.parquet").exists()
        assert stored(store, "video", "id") == ["bob", "carol"]


def test_tables_that_the_graph_does_not_know_are_told(tmp_path: Path) -> None:
    """Nobody can tell what is in them."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        _fill(store)
    graph = graph_of(feature("video"))
    with DeltaMetadataStore(tmp_path, graph=graph) as store:
        told = store.purge("video", ALICE, dry_run=True)

        assert list(map(str, told.tables)) == ["video"]
        assert list(map(str, told.untraced)) == ["chunk", "day", "transcript"]


def test_a_store_that_only_appends_refuses() -> None:
    """Rather than leave data behind."""
    with memory_lake().store().open("write") as store:
        store.write_metadata("video", FIRST)
        with pytest.raises(StoreError, match="can't purge 'video': a MemoryStore only appends"):
            store.purge("video", ALICE)
