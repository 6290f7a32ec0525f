"""How records end, and how a feature does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from definitions import feature, graph_of
from films import BY_FIELD, films, polars, stored, update, videos
from lakes import Lake
from metaxy.errors import StoreError
from metaxy.metadata_store import maintenance, tables
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.maintenance import MaintainedTables
from metaxy.versioning.types import Increment

ABC = videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1"), size=[1, 2, 3])


def test_deleted_records_are_gone_and_stay_in_the_history(lake: Lake) -> None:
    """A tombstone is the record as it was, with the time of its end."""
    with lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        result = store.delete_metadata("video", ["size > 1"], materialization_id="clean-up")
        history = polars(store.read_metadata("video", latest_only=False))

        assert result.rows == 2
        assert stored(store, "video", "id") == ["a"]
    ends = history.filter(pl.col("metaxy_deleted_at").is_not_null()).sort("id")
    assert ends.select("id", "size").rows() == [("b", 2), ("c", 3)]
    assert ends["metaxy_deleted_at"].equals(ends["metaxy_created_at"])
    assert ends["metaxy_materialization_id"].to_list() == ["clean-up"] * 2
    assert history.height == 5


def test_a_deleted_record_can_come_back(lake: Lake) -> None:
    """It is added again, and can be deleted again."""
    with lake.store().open("write") as store:
        update(store, "video", ABC)
        for _ in range(2):
            assert store.delete_metadata("video", ["id = 'a'"]).rows == 1
            assert store.delete_metadata("video", ["id = 'a'"]).rows == 0
            assert update(store, "video", ABC) == [1, 0, 0]
            assert stored(store, "video", "id") == ["a", "b", "c"]


def test_records_may_be_named_by_a_frame(lake: Lake) -> None:
    """Such as what an increment says is to be removed; with filters, those of them."""
    with lake.store().open("write") as store:
        update(store, "video", ABC)
        removed = store.resolve_update("video", samples=ABC.head(1)).removed
        assert store.delete_metadata("video", ["size = 2"], records=removed).rows == 1
        assert store.delete_metadata("video", records=removed).rows == 1

        assert stored(store, "video", "id") == ["a"]
        assert store.delete_metadata("transcript", ["id = 'a'"]).rows == 0


def test_what_downstream_was_made_of_a_deleted_record_is_removed(lake: Lake) -> None:
    """Once; then the increment is empty."""
    with lake.store().open("write") as store:
        update(store, "video", ABC)
        update(store, "transcript")
        store.delete_metadata("video", ["id = 'b'"])

        assert update(store, "transcript") == [0, 0, 1]
        assert update(store, "transcript") == [0, 0, 0]


def test_deletions_are_in_the_log_of_events(lake: Lake) -> None:
    """One that deletes nothing is no event."""
    with lake.store().open("write") as store:
        update(store, "video", ABC)
        store.delete_metadata("video", ["size > 1"])
        store.delete_metadata("video", ["size > 1"])
        events = store.read_events()

    assert events.select("kind", "project", "feature_key", "details").rows() == [
        ("metadata_deleted", "films", "video", '{"rows": 2}')
    ]


def test_a_dropped_feature_is_gone_and_may_begin_anew(versioned_lake: Lake) -> None:
    """With columns of other types; dropping what isn't there does nothing."""
    with versioned_lake.store().open("write") as store:
        store.drop_feature_metadata("video")
        assert store.read_events().is_empty()
        update(store, "video", ABC)
        update(store, "transcript")
        store.drop_feature_metadata("video")

        assert not store.has_feature("video")
        assert [str(key) for key in store.list_features()] == ["transcript"]
        assert len(store.resolve_update("video", samples=ABC).added) == 3
        anew = ABC.head(2).with_columns(size=pl.lit("large"))
        assert update(store, "video", anew) == [2, 0, 0]
        assert update(store, "video", anew) == [0, 0, 0]
        assert stored(store, "video", "id", "size", latest_only=False) == [
            ("a", "large"),
            ("b", "large"),
        ]
        assert update(store, "transcript") == [0, 0, 1]
        assert store.read_events()["kind"].to_list() == ["feature_dropped", "metadata_deleted"]


def test_ids_may_have_another_type_after_a_drop(versioned_lake: Lake) -> None:
    """Nothing of the old table is in the way."""
    with versioned_lake.store().open("write") as store:
        update(store, "video", ABC)
        store.drop_feature_metadata("video")
        numbered = ABC.with_columns(id=pl.Series([1, 2, 3]))

        assert update(store, "video", numbered) == [3, 0, 0]
        assert stored(store, "video", "id") == [1, 2, 3]


def test_history_outlives_a_drop(tmp_path: Path) -> None:
    """Older versions of the table stay readable, and the table is append-only again."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        store.write_metadata("video", ABC)
        store.drop_feature_metadata("video")
        table = DeltaTable(store.table_path("video"))

    assert table.metadata().configuration["delta.appendOnly"] == "true"
    assert pl.scan_delta(store.table_path("video"), version=1).collect().height == 3
    assert pl.scan_delta(store.table_path("video")).collect().height == 0


def _nothing(*arguments: object) -> None:
    del arguments


def test_an_interrupted_drop_leaves_a_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its three commits was the last, it reads, takes rows and can be dropped."""
    store = DeltaMetadataStore(tmp_path, graph=films())
    with store.open("write"):
        store.write_metadata("video", ABC)
        table = DeltaTable(store.table_path("video"))
        table.alter.set_table_properties({"delta.appendOnly": "false"})
        assert stored(store, "video", "id") == ["a", "b", "c"]
        with monkeypatch.context() as patched:
            patched.setattr(MaintainedTables, "_make_append_only", _nothing)
            store.drop_feature_metadata("video")
        assert not store.has_feature("video")
        store.write_metadata("video", ABC.with_columns(size=pl.lit("x")))
        assert stored(store, "video", "size") == ["x", "x", "x"]
        store.drop_feature_metadata("video")

        assert not store.has_feature("video")
    configuration = DeltaTable(store.table_path("video")).metadata().configuration
    assert configuration["delta.appendOnly"] == "true"


def test_a_store_that_only_appends_says_so(lake: Lake) -> None:
    """A store that can't drop refuses, and drops nothing."""
    with lake.store().open("write") as store:
        update(store, "video", ABC)
        if not isinstance(store, DeltaMetadataStore):
            with pytest.raises(StoreError, match="can't drop 'video': a MemoryStore only appends"):
                store.drop_feature_metadata("video")
            with pytest.raises(StoreError, match="can't delete rows of 'video': a MemoryStore"):
                store.delete_metadata("video", ["id = 'a'"], soft=False)
            assert stored(store, "video", "id") == ["a", "b", "c"]


@pytest.mark.parametrize("rewritten", [("a", "2", "1"), ("a", "1", "1")])
def test_a_record_rewritten_before_its_tombstone_lands_stays(
    versioned_lake: Lake, monkeypatch: pytest.MonkeyPatch, rewritten: tuple[str, str, str]
) -> None:
    """A deletion ends what it has looked at; whoever writes in between is asked after first."""
    with versioned_lake.store().open("write") as store:
        update(store, "video", ABC)
        rewrite = partial(_write, versioned_lake, videos(rewritten, size=[9]))
        with monkeypatch.context() as patched:
            _before_the_next_commit(patched, rewrite)
            result = store.delete_metadata("video", ["size < 3"])

        assert result.rows == 1
        assert stored(store, "video", "id", "size") == [("a", 9), ("c", 3)]


def _write(lake: Lake, frame: pl.DataFrame, feature: str = "video") -> None:
    with lake.store().open("write") as another:
        another.write_metadata(feature, frame)


def _before_the_next_commit(patched: pytest.MonkeyPatch, others: Callable[[], None]) -> None:
    """Let somebody else commit after the next commit was worked out and before it is made."""
    write = deltalake.write_deltalake
    waiting = [others]

    def commit(*arguments: Any, **options: Any) -> None:
        if waiting:
            waiting.pop()()
        write(*arguments, **options)

    patched.setattr(tables, "write_deltalake", commit)
    patched.setattr(maintenance, "write_deltalake", commit)


def test_a_hard_deletion_leaves_no_row_of_a_record(versioned_lake: Lake) -> None:
    """Not a superseded one, not a tombstone; what else there is stays as it was."""
    with versioned_lake.store().open("write") as store:
        update(store, "video", ABC)
        update(store, "transcript")
        store.write_metadata("video", videos(("a", "2", "1"), ("c", "2", "1"), size=[5, 6]))
        store.delete_metadata("video", ["id = 'b'"])
        before = polars(store.read_metadata("video", latest_only=False))
        result = store.delete_metadata("video", ["id IN ('a', 'b')"], soft=False)
        after = polars(store.read_metadata("video", latest_only=False))

        assert result.rows == 2
        order = ["id", "metaxy_created_at"]
        assert_frame_equal(after.sort(order), before.filter(pl.col("id") == "c").sort(order))
        assert stored(store, "video", "id", "size") == [("c", 6)]
        assert update(store, "transcript") == [0, 1, 2]
        assert update(store, "video", ABC) == [2, 1, 0]
        assert stored(store, "video", "id", "size") == [("a", 1), ("b", 2), ("c", 3)]


def test_a_hard_deletion_can_be_looked_behind_until_somebody_vacuums(versioned_lake: Lake) -> None:
    """Older versions of the table stay, history names the deletion, the table only appends."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        version = store.history("video")["version"][0]
        result = store.delete_metadata("video", ["size < 3"], soft=False, materialization_id="gdpr")
        history = store.history("video").filter(pl.col("version") == result.version)

        assert stored(store, "video", "id") == ["c"]
        assert stored(store, "video", "id", table_version=version) == ["a", "b", "c"]
        told = history.select("operation", "rows", "materialization_id", "feature_version").rows()
        assert told == [("hard_delete", 2, "gdpr", None)]
        assert [
            len(each) for each in _frames(store.diff("video", version, result.version or 0))
        ] == [
            0,
            0,
            2,
        ]
        assert store.read_events()["details"].to_list() == ['{"rows": 2, "soft": false}']
        assert _delta_table(store).metadata().configuration["delta.appendOnly"] == "true"


def test_a_hard_deletion_of_nothing_commits_nothing(versioned_lake: Lake) -> None:
    """No record, no rows, no table: no new version and no event."""
    with versioned_lake.store().open("write") as store:
        assert store.delete_metadata("video", ["id = 'a'"], soft=False).rows == 0
        store.write_metadata("video", ABC)
        commits = store.history("video").height
        result = store.delete_metadata("video", ["size > 3"], soft=False)

        assert (result.rows, result.version) == (0, None)
        assert store.history("video").height == commits
        assert store.read_events().is_empty()
        store.drop_feature_metadata("video")
        assert store.delete_metadata("video", ["id = 'a'"], soft=False).rows == 0


def test_all_records_may_be_deleted_for_good(versioned_lake: Lake) -> None:
    """The table has its columns still, and takes rows again."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        assert store.delete_metadata("video", records=ABC, soft=False).rows == 3
        assert not store.has_feature("video")
        store.write_metadata("video", ABC.head(1))

        assert stored(store, "video", "id", "size", latest_only=False) == [("a", 1)]


def test_records_of_older_feature_versions_can_be_deleted_for_good(versioned_lake: Lake) -> None:
    """With `current_only=False`; otherwise only those of the current version go."""
    with versioned_lake.store().open("write") as store:
        store.write_metadata("video", ABC)
        old = store.feature_version("video")
    with versioned_lake.store(graph=films(video="2")).open("write") as store:
        store.write_metadata("video", ABC)
        assert store.delete_metadata("video", ["id = 'a'"], soft=False).rows == 1
        of_old = [f"metaxy_feature_version = '{old}'"]
        assert store.delete_metadata("video", of_old, soft=False).rows == 0
        every = {"current_only": False, "latest_only": False}
        assert stored(store, "video", "id", **every) == ["a", "b", "b", "c", "c"]

        assert store.delete_metadata("video", of_old, soft=False, current_only=False).rows == 3
        assert stored(store, "video", "id", **every) == ["b", "c"]
        with pytest.raises(ValueError, match="current_only=False goes with soft=False"):
            store.delete_metadata("video", of_old, current_only=False)


@pytest.mark.parametrize("ids", [("id",), ("name",)])
def test_records_of_an_older_version_are_deleted_by_the_ids_that_it_had(
    versioned_lake: Lake, ids: tuple[str, ...]
) -> None:
    """Those that fulfil a filter, and no others that today's ids would take for the same."""
    rows = pl.DataFrame({"id": ["a", "a", "b"], "part": [1, 2, 1]})
    rows = rows.with_columns(pl.Series(BY_FIELD, [{"default": "1"}] * 3))
    with versioned_lake.store(graph=graph_of(feature("video", ids=("id", "part")))).open(
        "write"
    ) as store:
        store.record_feature_graph_snapshot()
        store.write_metadata("video", rows)
    with versioned_lake.store(graph=graph_of(feature("video", ids=ids))).open("write") as store:
        new = rows.tail(1).with_columns(part=pl.lit(7, pl.Int64), name=pl.lit("c"))
        store.write_metadata("video", new)
        for part, left in ((1, [("a", 2), ("b", 7)]), (7, [("a", 2)])):
            deleted = store.delete_metadata(
                "video", [f"part = {part}"], soft=False, current_only=False
            )
            assert deleted.rows == (2 if part == 1 else 1)
            assert stored(store, "video", "id", "part", current_only=False) == left


@pytest.mark.parametrize("columns", [{}, {"more": ["x", "y"]}])
@pytest.mark.parametrize("soft", [True, False])
def test_what_is_written_during_a_deletion_stays(
    versioned_lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    columns: dict[str, list[str]],
    *,
    soft: bool,
) -> None:
    """A record that was to go, with its history, and a new one; also if they are named by ids."""
    with versioned_lake.store().open("write") as store:
        update(store, "video", ABC)
        rewritten = videos(("a", "2", "1"), ("d", "1", "1"), size=[9, 9], **columns)
        with monkeypatch.context() as patched:
            _before_the_next_commit(patched, partial(_write, versioned_lake, rewritten))
            named = videos(("a", "1", "1"), ("b", "1", "1"), ("d", "1", "1"))
            result = store.delete_metadata("video", records=named, soft=soft)

        assert result.rows == 1
        assert stored(store, "video", "id", "size") == [("a", 9), ("c", 3), ("d", 9)]
        history = stored(store, "video", "id", latest_only=False)
        assert history == ["a", "a", *(["b", "b"] if soft else []), "c", "d"]


def _another_deletes(lake: Lake) -> None:
    with lake.store().open("write") as another:
        assert another.delete_metadata("video", ["id = 'b'"], soft=False).rows == 1


def _another_drops(lake: Lake) -> None:
    with lake.store().open("write") as another:
        another.drop_feature_metadata("video")


def _another_compacts(lake: Lake) -> None:
    with lake.store() as another:
        _delta_table(another).optimize.compact()


@pytest.mark.parametrize(
    ("meanwhile", "deleted", "left"),
    [
        (_another_deletes, 1, ["c"]),
        (_another_drops, 0, []),
        (_another_compacts, 2, ["c"]),
    ],
)
def test_a_hard_deletion_begins_again_when_the_table_is_rewritten(
    versioned_lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Lake], None],
    deleted: int,
    left: list[str],
) -> None:
    """Nothing comes back, and each record is counted once."""
    with versioned_lake.store().open("write") as store:
        for each in range(3):
            store.write_metadata("video", ABC[each])
        with monkeypatch.context() as patched:
            _before_the_next_commit(patched, partial(meanwhile, versioned_lake))
            result = store.delete_metadata("video", ["size < 3"], soft=False)

        assert result.rows == deleted
        assert (stored(store, "video", "id") if store.has_feature("video") else []) == left
        assert _delta_table(store).metadata().configuration["delta.appendOnly"] == "true"


def _delta_table(store: MetadataStore) -> DeltaTable:
    assert isinstance(store, DeltaMetadataStore)
    options = store._storage.delta_options
    return DeltaTable(store.table_path("video"), storage_options=options or None)


def _frames(increment: Increment) -> list[pl.DataFrame]:
    return [polars(each) for each in (increment.added, increment.changed, increment.removed)]
