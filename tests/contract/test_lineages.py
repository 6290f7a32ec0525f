"""Increments of features whose records are not those of their upstream."""

import polars as pl
import pytest

from films import BY_FIELD, ids, polars, stored, update, videos
from lakes import Lake
from metaxy.errors import MetadataSchemaError
from metaxy.metadata_store.base import MetadataStore


def children(store: MetadataStore, counts: dict[str, int]) -> None:
    """Expand every parent that is asked for into so many chunks."""
    increment = store.resolve_update("chunk")
    parents = pl.concat([polars(increment.added), polars(increment.changed)]).select("id", BY_FIELD)
    numbers = pl.DataFrame(
        [(name, number) for name, count in counts.items() for number in range(count)],
        schema={"id": pl.String, "chunk": pl.Int64},
        orient="row",
    )
    store.write_metadata(
        "chunk", numbers.join(parents, on="id", maintain_order="left"), expanded_parents=parents
    )
    store.delete_metadata("chunk", records=increment.removed)


def test_a_parent_is_offered_until_it_was_expanded(lake: Lake) -> None:
    """Also when it has no children; a changed one is offered again, a gone one removed."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")))
        assert ids(store.resolve_update("chunk").added) == ["a", "b", "c"]
        children(store, {"a": 2, "b": 1})
        assert store.resolve_update("chunk").is_empty
        assert stored(store, "chunk", "id", "chunk") == [("a", 0), ("a", 1), ("b", 0)]

        update(store, "video", videos(("a", "2", "1"), ("b", "1", "1"), ("c", "2", "1")))
        increment = store.resolve_update("chunk")
        assert (ids(increment.added), ids(increment.changed)) == ([], ["a", "c"])
        children(store, {"a": 1, "c": 2})
        assert store.resolve_update("chunk").is_empty
        assert stored(store, "chunk", "id", "chunk") == [("a", 0), ("b", 0), ("c", 0), ("c", 1)]

        update(store, "video", videos(("c", "2", "1")))
        assert sorted(set(ids(store.resolve_update("chunk").removed))) == ["a", "b"]
        children(store, {})
        assert store.resolve_update("chunk").is_empty
        assert stored(store, "chunk", "id") == ["c", "c"]


def test_parents_without_any_children_need_no_frame(lake: Lake) -> None:
    """A write of nothing but parents makes the table; its rows are in no read."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1")))
        added = store.resolve_update("chunk").added
        result = store.write_metadata("chunk", None, expanded_parents=added)

        assert result.rows == 2
        assert store.resolve_update("chunk").is_empty
        assert stored(store, "chunk", "id") == []
        update(store, "video", videos(("a", "2", "1"), ("b", "1", "1")))
        assert ids(store.resolve_update("chunk").changed) == ["a"]
        children(store, {"a": 1})
        assert stored(store, "chunk", "id", "chunk") == [("a", 0)]
        assert store.resolve_update("chunk").is_empty


def test_parents_have_the_types_of_the_table(lake: Lake) -> None:
    """Parents alone are checked like parents with children."""
    versions = pl.Series(BY_FIELD, [{"default": "1"}])
    parents = pl.DataFrame({"id": pl.Series([1], dtype=pl.Int32)}).with_columns(versions)
    wider = parents.with_columns(pl.col("id").cast(pl.Int64) + 1)
    with lake.store().open("write") as store:
        store.write_metadata("chunk", parents.with_columns(chunk=0), expanded_parents=parents)
        with pytest.raises(MetadataSchemaError, match="'id' is Int64, and the table has Int32"):
            store.write_metadata("chunk", None, expanded_parents=wider)

        assert stored(store, "chunk", "id", "chunk") == [(1, 0)]


def test_a_group_follows_its_members(lake: Lake) -> None:
    """A change, an arrival and a departure change the group; the order of members doesn't."""
    rows = [("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")]
    with lake.store().open("write") as store:
        update(store, "video", videos(*rows, day=["mon", "mon", "tue"]))
        assert update(store, "day") == [2, 0, 0]
        assert stored(store, "day", "day") == ["mon", "tue"]
        store.write_metadata("video", videos(*rows[1::-1], day=["mon", "mon"]))
        assert update(store, "day") == [0, 0, 0]
        store.write_metadata("video", videos(("a", "2", "1"), day=["mon"]))
        assert update(store, "day") == [0, 1, 0]
        store.write_metadata("video", videos(("d", "1", "1"), day=["tue"]))
        assert update(store, "day") == [0, 1, 0]
        store.delete_metadata("video", ["id = 'b'"])
        assert update(store, "day") == [0, 1, 0]
        store.delete_metadata("video", ["day = 'mon'"])
        assert update(store, "day") == [0, 0, 1]
        assert update(store, "day") == [0, 0, 0]


def test_an_increment_is_ready_to_write_back(lake: Lake) -> None:
    """With a column of the user's joined to it, from whatever library, lazily or not."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), path=["p", "q"]))
        increment = store.resolve_update("transcript", lazy=True)
        computed = pl.LazyFrame({"id": ["a", "b"], "words": [10, 20]})
        rows = increment.added.to_native().join(computed, on="id")
        assert store.write_metadata("transcript", rows).rows == 2

        assert stored(store, "transcript", "id", "path", "words") == [
            ("a", "p", 10),
            ("b", "q", 20),
        ]
        assert store.resolve_update("transcript").is_empty
        store.write_metadata("video", videos(("a", "2", "1"), path=["p"]))
        changed = store.resolve_update("transcript").changed.to_pandas()
        store.write_metadata("transcript", changed.assign(words=11))
        assert stored(store, "transcript", "id", "words") == [("a", 11), ("b", 20)]
        assert store.resolve_update("transcript").is_empty


def test_only_what_depends_on_a_changed_field_is_changed(lake: Lake) -> None:
    """New frames leave the transcript alone, new audio doesn't."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1")))
        update(store, "transcript")
        store.write_metadata("video", videos(("a", "1", "2")))
        assert store.resolve_update("transcript").is_empty
        store.write_metadata("video", videos(("b", "2", "1")))

        assert ids(store.resolve_update("transcript").changed) == ["b"]
        everything = store.resolve_update("transcript", skip_comparison=True)
        assert (ids(everything.added), len(everything.changed)) == (["a", "b"], 0)


def test_filters_narrow_the_question(lake: Lake) -> None:
    """Records outside are in none of the three frames, least of all among the removed."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")))
        update(store, "transcript")
        update(store, "video", videos(("a", "2", "1"), ("b", "2", "1"), ("d", "1", "1")))
        told = [
            store.resolve_update("transcript", filters={"video": ["id IN ('a', 'c')"]}),
            store.resolve_update("transcript", global_filters=[pl.col("id").is_in(["a", "c"])]),
        ]

        for increment in told:
            assert [ids(increment.added), ids(increment.changed)] == [[], ["a"]]
            assert ids(increment.removed) == ["c"]
