"""Tables that have less, or more, than the feature as it is declared now."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from definitions import feature, graph_of
from films import BY_FIELD, polars, stored, videos
from lakes import Lake
from metaxy import (
    ColumnSpec,
    DeltaMetadataStore,
    FeatureDep,
    UnreadableTableError,
)


def test_a_column_declared_later_is_null_in_older_rows(tmp_path: Path) -> None:
    """It can be read, and a dependent can select it and filter by it, before any row has it."""
    video = feature("v")
    with DeltaMetadataStore(tmp_path, graph=graph_of(video)).open("write") as store:
        store.write_metadata("v", pl.DataFrame({"id": ["1"], BY_FIELD: [{"default": "1"}]}))
    wider = replace(
        video, columns=(ColumnSpec("id", "string"), ColumnSpec("lang", "string", nullable=True))
    )
    speech = feature("w", deps=[FeatureDep("v", columns=["lang"], filters=["lang IS NULL"])])

    with DeltaMetadataStore(tmp_path, graph=graph_of(wider, speech)).open("write") as store:
        assert polars(store.read_metadata("v", columns=["lang"]))["lang"].to_list() == [None]
        added = polars(store.resolve_update("w").added)
        assert (added["id"].to_list(), added["lang"].to_list()) == (["1"], [None])
        assert added.schema["lang"] == pl.String
        store.write_metadata("w", added)
        assert store.resolve_update("w").is_empty


def test_what_is_read_can_be_written_back_after_a_field_left(tmp_path: Path) -> None:
    """A read gives by-field structs of the fields that the feature has now."""
    with DeltaMetadataStore(tmp_path, graph=graph_of(feature("v", fields=["a", "b"]))).open(
        "write"
    ) as store:
        store.write_metadata("v", pl.DataFrame({"id": ["1"], BY_FIELD: [{"a": "1", "b": "2"}]}))

    with DeltaMetadataStore(tmp_path, graph=graph_of(feature("v", fields=["a"]))).open(
        "write"
    ) as store:
        store.write_metadata("v", pl.DataFrame({"id": ["1"], BY_FIELD: [{"a": "1"}]}))
        read = polars(store.read_metadata("v"))
        assert read[BY_FIELD].to_list() == [{"a": "1"}]
        assert store.write_metadata("v", read).rows == 1


def test_deleting_from_a_table_of_childless_parents_deletes_nothing(lake: Lake) -> None:
    """It has no column for the names of children yet."""
    with lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1"), day=["x"]))
        added = store.resolve_update("chunk").added
        store.write_metadata("chunk", None, expanded_parents=added)

        increment = store.resolve_update("chunk")
        assert store.delete_metadata("chunk", records=increment.removed).rows == 0


def test_a_filter_that_compares_records_compares_current_ones(lake: Lake) -> None:
    """Deleted records, and superseded rows, have no part in it."""
    with lake.store().open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), day=["x", "x"]))
        store.delete_metadata("video", ["id = 'b'"])

        greatest = pl.col("id") == pl.col("id").max()
        assert stored(store, "video", "id", filters=[greatest]) == ["a"]


def test_text_in_a_sql_filter_may_stand_for_a_date(lake: Lake) -> None:
    """As in the static filter of a dependency."""
    with lake.store().open("write") as store:
        days = [date(2020, 1, 1), date(2021, 1, 1)]
        store.write_metadata("video", videos(("a", "1", "1"), ("b", "1", "1"), day=days))

        assert stored(store, "video", "id", filters=["day >= '2020-06-01'"]) == ["b"]


def test_a_lake_of_another_format_is_refused(tmp_path: Path) -> None:
    """What a later format means is not guessed; both versions are named."""
    store = DeltaMetadataStore(tmp_path, graph=graph_of(feature("v")))
    with store.open("write"):
        store.write_metadata("v", pl.DataFrame({"id": ["1"], BY_FIELD: [{"default": "1"}]}))
    DeltaTable(tmp_path / "metaxy-system" / "lake.delta").alter.set_table_properties(
        {"metaxy.format_version": "2"}, raise_if_not_exists=False
    )

    with (
        pytest.raises(UnreadableTableError, match=r"has format 2, and this metaxy .* format 1"),
        DeltaMetadataStore(tmp_path),
    ):
        pass
