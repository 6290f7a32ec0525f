"""A graph as JSON, for programs that draw or check it.

It tells what was worked out (versions, parents, inputs in join order); what restores a graph is
`FeatureGraph.to_snapshot`.
"""

import json

from metaxy.graph.canonical import canonical_filters
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import InputPlan
from metaxy.models.keys import FeatureKey


def render_json(graph: FeatureGraph, *, version_length: int | None = None) -> str:
    """Write the graph as JSON, features in topological order; versions are whole by default."""
    features = [
        _feature(graph, key, version_length=version_length) for key in graph.topological_order()
    ]
    whole = {"snapshot_version": graph.snapshot_version[:version_length], "features": features}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _feature(
    graph: FeatureGraph, key: FeatureKey, *, version_length: int | None
) -> dict[str, object]:
    plan = graph.plan(key)
    return {
        "key": str(key),
        "project": plan.project,
        "feature_version": plan.feature_version[:version_length],
        "id_columns": list(plan.id_columns),
        "fields": [
            {
                "key": str(field.key),
                "version": graph.field_version(key, field.key)[:version_length],
                "code_version": field.code_version,
                "parents": [[str(feature), str(parent)] for feature, parent in field.parents],
            }
            for field in plan.fields
        ],
        "inputs": [_input(each) for each in plan.inputs],
    }


def _input(each: InputPlan) -> dict[str, object]:
    return {
        "feature": str(each.upstream),
        "lineage": {"kind": each.lineage.kind, "on": sorted(each.lineage.on)},
        "columns": None if each.columns is None else sorted(each.columns),
        "rename": dict(each.rename),
        "filters": canonical_filters(each.filters),
        "optional": each.optional,
    }
