"""A graph in the language of Mermaid, which Markdown viewers draw."""

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import InputPlan
from metaxy.graph.rendering.labels import VERSION_LENGTH, edge_label, feature_lines


def render_mermaid(graph: FeatureGraph, *, version_length: int = VERSION_LENGTH) -> str:
    """Draw the graph as a flowchart from upstream to downstream; optional ones are dotted."""
    order = graph.topological_order()
    names = {key: f"f{number}" for number, key in enumerate(order)}
    nodes = [
        f'    {names[key]}["{_label(feature_lines(graph, key, version_length=version_length))}"]'
        for key in order
    ]
    edges = [
        f"    {names[each.upstream]} {_arrow(each)} {names[key]}"
        for key in order
        for each in graph.plan(key).inputs
    ]
    return "\n".join(["flowchart TD", *nodes, *edges]) + "\n"


def _label(lines: list[str]) -> str:
    return "<br/>".join(map(_escaped, lines))


def _arrow(each: InputPlan) -> str:
    line, label = "-.->" if each.optional else "-->", edge_label(each)
    return f'{line}|"{_escaped(label)}"|' if label else line


def _escaped(text: str) -> str:
    """Write what Mermaid would take for markup as its entities."""
    marks = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}
    return "".join(marks.get(character, character) for character in text)
