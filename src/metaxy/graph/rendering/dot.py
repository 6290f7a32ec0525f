"""A graph in the language of Graphviz."""

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import InputPlan
from metaxy.graph.rendering.labels import VERSION_LENGTH, edge_label, feature_lines


def render_dot(graph: FeatureGraph, *, version_length: int = VERSION_LENGTH) -> str:
    """Draw the graph from upstream to downstream; optional dependencies are dashed."""
    order = graph.topological_order()
    nodes = [
        f"    {_quoted(str(key))} "
        f"[label={_quoted(*feature_lines(graph, key, version_length=version_length))}];"
        for key in order
    ]
    edges = [
        f"    {_quoted(str(each.upstream))} -> {_quoted(str(key))}{_attributes(each)};"
        for key in order
        for each in graph.plan(key).inputs
    ]
    return "\n".join(["digraph features {", "    node [shape=box];", *nodes, *edges, "}"]) + "\n"


def _attributes(each: InputPlan) -> str:
    label = edge_label(each)
    style = ["style=dashed"] if each.optional else []
    attributes = [*([f"label={_quoted(label)}"] if label else []), *style]
    return f" [{', '.join(attributes)}]" if attributes else ""


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
