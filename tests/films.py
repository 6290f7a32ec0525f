"""A small graph of features, and frames of its records, for tests of stores."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import polars as pl

from definitions import feature, graph_of
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.lineage import Lineage

Row = tuple[str, str, str]
"""A video: its id, and the versions of its audio and of its frames."""

BY_FIELD = "metaxy_provenance_by_field"


def films(**versions: str) -> FeatureGraph:
    """Videos; of each a transcript, from its audio only, and a number of chunks; days of videos.

    Args:
        versions: Of fields, by feature: the code version, "1" by default.
    """
    return graph_of(
        feature(
            "video",
            fields=[
                FieldSpec("audio", code_version=versions.get("video", "1")),
                FieldSpec("frames"),
            ],
        ),
        feature(
            "transcript",
            deps=["video"],
            fields=[
                FieldSpec(
                    "text",
                    code_version=versions.get("transcript", "1"),
                    deps=[FieldDep("video", fields=["audio"])],
                )
            ],
        ),
        feature(
            "chunk",
            ids=("id", "chunk"),
            deps=[FeatureDep("video", lineage=Lineage.expansion(on=["id"]))],
        ),
        feature(
            "day", ids=("day",), deps=[FeatureDep("video", lineage=Lineage.aggregation(on=["day"]))]
        ),
    )


def videos(*rows: Row, **columns: list[Any]) -> pl.DataFrame:
    """Records of `video`, with further columns."""
    versions = [{"audio": audio, "frames": frames} for _, audio, frames in rows]
    types = {"audio": pl.String, "frames": pl.String}
    return pl.DataFrame(
        {
            "id": pl.Series([each[0] for each in rows], dtype=pl.String),
            **columns,
            BY_FIELD: pl.Series(versions, dtype=pl.Struct(types)),
        }
    )


def stored(store: MetadataStore, feature_key: str, *columns: str, **options: Any) -> list[Any]:
    """The values of some columns of what `read_metadata` gives, sorted."""
    rows = polars(store.read_metadata(feature_key, **options)).select(columns).rows()
    return sorted(rows if len(columns) > 1 else [value for (value,) in rows])


def polars(frame: nw.LazyFrame[Any] | nw.DataFrame[Any]) -> pl.DataFrame:
    """A frame of metaxy's as an eager one of Polars."""
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_polars()


def ids(frame: nw.DataFrame[Any]) -> list[str]:
    """The ids of a frame of an increment, sorted."""
    return sorted(polars(frame)["id"].to_list())


def update(
    store: MetadataStore, feature_key: str, samples: pl.DataFrame | None = None
) -> list[int]:
    """Ask for an increment, write and delete accordingly; how many were added, changed, removed."""
    increment = store.resolve_update(feature_key, samples=samples)
    counts = [len(increment.added), len(increment.changed), len(increment.removed)]
    for frame in (increment.added, increment.changed):
        store.write_metadata(feature_key, frame)
    if counts[2]:
        store.delete_metadata(feature_key, records=increment.removed)
    return counts


def versions_by_id(frame: pl.DataFrame, column: str = BY_FIELD) -> Mapping[str, dict[str, str]]:
    """A by-field column, by id."""
    return dict(frame.select("id", column).iter_rows())
