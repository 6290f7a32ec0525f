"""The `load_input` hook."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from definitions import feature, graph_of
from lake_rows import expected, ids, record, resolved, stored
from metaxy.errors import MetadataSchemaError
from metaxy.graph.graph import FeatureGraph
from metaxy.models.feature_spec import FeatureDep
from reference.row_bytes import header, row_text

Upstream = Mapping[str, nw.LazyFrame[Any]]

LAKE = {
    "a": stored(record(id=1, x="p"), record(id=2, x="q")),
    "b": stored(record(id=2), record(id=3)),
}


def _graph(hook: Callable[..., object] | None = None) -> FeatureGraph:
    both = feature("both", deps=[FeatureDep("a"), FeatureDep("b")])
    return graph_of(feature("a"), feature("b"), replace(both, load_input=hook))


def test_a_hook_that_joins_as_the_plan_does_changes_nothing() -> None:
    """Neither which records are expected nor their provenance."""

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> nw.LazyFrame[Any]:
        del current
        return upstream["a"].join(upstream["b"], on="id")

    assert expected(_graph(hook), "both", LAKE) == expected(_graph(), "both", LAKE)


def test_a_record_that_a_required_upstream_lacks_has_a_provenance_of_its_own() -> None:
    """Its header says which parents are missing."""

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> pl.LazyFrame:
        del current
        frames = [nw.to_native(each.select("id")) for each in upstream.values()]
        return pl.concat(frames).unique()

    versions = {
        row["id"]: row["metaxy_provenance_by_field"]["default"]
        for row in expected(_graph(hook), "both", LAKE)
    }

    headers = {
        1: '"a.default","b.default!"',
        2: '"a.default","b.default"',
        3: '"a.default!","b.default"',
    }
    values = {1: ["1", None], 2: ["1", "1"], 3: [None, "1"]}
    assert versions == {
        number: row_text(
            [header(f'["default","1",[{names}]]'), *values[number]], algorithm="xxhash64"
        )
        for number, names in headers.items()
    }


def test_a_hook_chooses_the_columns_that_come_along() -> None:
    """Eager frames and ids of other widths are fine."""

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> pl.DataFrame:
        del current, upstream
        return pl.DataFrame({"id": [2], "made_up": [True]}, schema_overrides={"id": pl.Int8})

    (row,) = expected(_graph(hook), "both", LAKE)

    assert row["made_up"] is True
    assert row["id"] == 2
    assert row["metaxy_provenance"] == expected(_graph(), "both", LAKE)[0]["metaxy_provenance"]


def test_a_hook_sees_the_current_records() -> None:
    """None at first, with the types of the ids."""
    seen: list[pl.DataFrame] = []

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> nw.LazyFrame[Any]:
        seen.append(nw.to_native(current).collect())
        return upstream["a"].select("id")

    resolved(_graph(hook), "both", LAKE).collect()
    stored_too = LAKE | {
        "both": stored(record(id=1, at=1), record(id=9, at=1), record(id=9, at=2, gone=True))
    }
    resolved(_graph(hook), "both", stored_too).collect()

    assert [frame["id"].to_list() for frame in seen] == [[], [1]]
    assert seen[0].schema == {"id": pl.Int64}


def test_records_that_a_hook_repeats_do_not_hide_what_is_gone() -> None:
    """They are refused when they are written."""

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> pl.LazyFrame:
        del current
        frame = nw.to_native(upstream["a"])
        return pl.concat([frame, frame]).filter(pl.col("id") == 2)

    lake = LAKE | {"both": stored(record(id=2), record(id=7))}

    assert ids(resolved(_graph(hook), "both", lake)) == ([], [2, 2], [7])


def test_a_filter_does_not_narrow_what_a_hook_sees() -> None:
    """What it gives may depend on all records, as a rank does."""

    def hook(current: nw.LazyFrame[Any], upstream: Upstream) -> pl.LazyFrame:
        del current
        return nw.to_native(upstream["a"]).with_columns(pl.len().alias("of"))

    found = resolved(_graph(hook), "both", LAKE, filters={"a": nw.col("id") == 2}).collect()

    assert found.added.to_native().select("id", "of").rows() == [(2, 2)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "load_input of 'both' gave a list. Return a Polars or Narwhals frame"),
        (
            pl.DataFrame({"no": [1]}),
            "load_input of 'both' gave a frame without 'id'. It gave: 'no'",
        ),
        (pl.DataFrame({"id": ["1"]}), "gave 'id' as String; in the upstream it is Int64"),
    ],
)
def test_what_is_no_frame_of_records_is_refused(given: object, message: str) -> None:
    """With what was given and what is wanted."""

    def hook(*_: object) -> object:
        return given

    with pytest.raises(MetadataSchemaError) as error:
        resolved(_graph(hook), "both", LAKE)

    assert message in str(error.value)
