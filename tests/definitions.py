"""Short ways to write feature definitions and graphs in tests."""

from typing import Any

from metaxy.graph.checks import faults
from metaxy.graph.graph import FeatureGraph
from metaxy.models.columns import ColumnSpec
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec


def feature(
    key: str,
    *,
    ids: tuple[str, ...] = ("id",),
    columns: tuple[str, ...] = (),
    project: str = "films",
    **spec: Any,
) -> FeatureDefinition:
    """A definition with text columns of the given names; `spec` goes to `FeatureSpec`."""
    return FeatureDefinition(
        FeatureSpec(key, id_columns=ids, **spec),
        project,
        columns=tuple(ColumnSpec(name, "string") for name in columns),
    )


def graph_of(*definitions: FeatureDefinition) -> FeatureGraph:
    """A checked graph."""
    return FeatureGraph.from_definitions(definitions)


def faults_of(*definitions: FeatureDefinition) -> list[str]:
    """What is wrong with a graph."""
    return list(faults(definitions))
