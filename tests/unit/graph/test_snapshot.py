"""Graphs as data, and what is refused when they are read back."""

import json
from typing import Any

import pytest

from definitions import feature, graph_of
from metaxy.errors import SnapshotError
from metaxy.graph.graph import FeatureGraph
from metaxy.models.fields import FieldSpec

GRAPH = graph_of(feature("b", deps=("a",)), feature("a", columns=("path",)))


def _snapshot() -> dict[str, Any]:
    return json.loads(json.dumps(GRAPH.to_snapshot()))


def test_a_snapshot_has_definitions_with_their_versions() -> None:
    """Sorted by key."""
    data = _snapshot()

    assert data["format"] == 1
    assert data["snapshot_version"] == GRAPH.snapshot_version
    assert [each["feature_version"] for each in data["features"]] == [
        GRAPH.feature_version("a"),
        GRAPH.feature_version("b"),
    ]
    assert data["features"][0]["definition"] == GRAPH.definition("a").to_data()


def test_a_snapshot_of_another_format_is_refused() -> None:
    """Both formats are told."""
    with pytest.raises(SnapshotError, match=r"has format 2, but .* reads format 1"):
        FeatureGraph.from_snapshot(_snapshot() | {"format": 2})


def test_a_snapshot_that_is_none_is_refused() -> None:
    """What is wrong with it is told."""
    with pytest.raises(SnapshotError, match="cannot be read"):
        FeatureGraph.from_snapshot({"format": 1, "features": []})


def test_a_snapshot_that_was_edited_is_refused() -> None:
    """Its definitions no longer give the versions beside them."""
    data = _snapshot()
    edited = graph_of(feature("a", fields=(FieldSpec("default", "2"),))).definition("a")
    data["features"][0]["definition"] = edited.to_data()

    with pytest.raises(SnapshotError, match=r"those of 'a', 'b' differ") as caught:
        FeatureGraph.from_snapshot(data)
    assert caught.value.snapshot_version == GRAPH.snapshot_version


def test_a_snapshot_whose_features_do_not_fit_together_is_refused() -> None:
    """As a graph of classes would be."""
    data = _snapshot()
    del data["features"][0]

    with pytest.raises(SnapshotError, match=r"'b' depends on 'a', which is not in the graph"):
        FeatureGraph.from_snapshot(data)
