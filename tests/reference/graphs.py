"""Graphs that have what generated ones seldom come to: deep, joined, filtered on contents."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from metaxy.graph.graph import FeatureGraph
from metaxy.models.columns import ColumnSpec
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.lineage import Lineage
from strategies import feature_graphs


def graphs() -> st.SearchStrategy[FeatureGraph]:
    """A graph with at least one feature that depends on another."""
    generated = feature_graphs(max_size=5).filter(lambda graph: len(graph.roots) < len(graph))
    return generated | st.sampled_from([_joins(), expansions(), _groups()])


def _feature(
    key: str,
    ids: Sequence[str],
    *deps: FeatureDep,
    fields: Sequence[FieldSpec | str] = ("default",),
    columns: Sequence[str] = (),
    lineage: Any = None,
) -> FeatureDefinition:
    spec = FeatureSpec(key, id_columns=tuple(ids), deps=deps, fields=fields, lineage=lineage)
    declared = tuple(
        ColumnSpec(name, "int64" if name.startswith("n_") else "string") for name in columns
    )
    return FeatureDefinition(spec, "films", declared)


def _joins() -> FeatureGraph:
    """Three and more upstreams, of two grains, some optional, filtered on what is in them."""
    return FeatureGraph.from_definitions(
        [
            _feature("video", ["v"], fields=["audio", "picture"], columns=["n_height", "codec"]),
            _feature("frame", ["v", "f"], fields=["picture"], columns=["n_sharpness"]),
            _feature("label", ["l_v"], columns=["label"]),
            _feature("note", ["v"], columns=["note"]),
            _feature(
                "scored",
                ["f", "v"],
                FeatureDep("video", columns=["codec"], filters=["n_height > 1 OR codec IS NULL"]),
                FeatureDep("frame", rename={"n_sharpness": "n_sharp"}),
                FeatureDep("label", rename={"l_v": "v"}, columns=(), optional=True),
                FeatureDep("note", optional=True, filters=["note NOT IN ('b')"]),
                fields=[
                    "picture",
                    FieldSpec("sound", deps=[FieldDep("video", ["audio"]), FieldDep("label")]),
                    FieldSpec("fixed", deps=[]),
                ],
            ),
            _feature(
                "any",
                ["v"],
                FeatureDep("video", columns=(), optional=True),
                FeatureDep("label", rename={"l_v": "v"}, optional=True),
                FeatureDep("note", optional=True),
                columns=["word"],
            ),
            _feature(
                "self/similar",
                ["v"],
                FeatureDep("video"),
                FeatureDep("any", filters=["word LIKE '%a%' OR word IS NULL"]),
                fields=["default", "audio"],
            ),
        ]
    )


def expansions() -> FeatureGraph:
    """1:N twice over, the child's ids alone or beside its parent's, and back N:1."""
    return FeatureGraph.from_definitions(
        [
            _feature("video", ["v"], fields=["audio", "picture"], columns=["n_height"]),
            _feature(
                "frame",
                ["v", "f"],
                FeatureDep("video", lineage=Lineage.expansion(["v"]), filters=["n_height >= 1"]),
                fields=["picture"],
            ),
            _feature(
                "face",
                ["face"],
                FeatureDep("frame", lineage=Lineage.expansion(["v", "f"]), columns=()),
                columns=["n_size"],
            ),
            _feature("name", ["face"], FeatureDep("face", filters=["n_size <> 2"])),
            _feature(
                "summary",
                ["v"],
                FeatureDep("video"),
                FeatureDep("frame", lineage=Lineage.aggregation(["v"]), optional=True),
            ),
        ]
    )


def _groups() -> FeatureGraph:
    """N:1 by id columns and by others, optional, filtered, renamed."""
    return FeatureGraph.from_definitions(
        [
            _feature("take", ["v", "t"], fields=["audio", "picture"], columns=["who", "n_loud"]),
            _feature("person", ["person"], columns=["n_age"]),
            _feature(
                "voice",
                ["person"],
                FeatureDep(
                    "take",
                    rename={"who": "person"},
                    lineage=Lineage.aggregation(["person"]),
                    filters=["n_loud > 0"],
                ),
            ),
            _feature(
                "portrait",
                ["person"],
                FeatureDep("person"),
                FeatureDep(
                    "take",
                    rename={"who": "person"},
                    lineage=Lineage.aggregation(["person"]),
                    optional=True,
                ),
            ),
            _feature(
                "video",
                ["v"],
                FeatureDep("take", lineage=Lineage.aggregation(["v"])),
                fields=["audio", "picture"],
            ),
            _feature("reel", ["v", "t"], FeatureDep("take"), FeatureDep("video")),
        ]
    )
