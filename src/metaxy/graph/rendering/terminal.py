"""A graph as plain text: a block a feature, each after all that it depends on."""

from collections.abc import Iterable

from metaxy.graph.canonical import filters_text
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FieldPlan, InputPlan
from metaxy.graph.rendering.labels import VERSION_LENGTH, edge_label
from metaxy.models.keys import FeatureKey


def render_terminal(
    graph: FeatureGraph,
    keys: Iterable[FeatureKey] | None = None,
    *,
    version_length: int = VERSION_LENGTH,
    colour: bool = False,
) -> str:
    """Draw the graph, or the given features of it, for people.

    A field is followed by the fields that it is made of. With `colour`, ANSI sequences make keys
    bold and versions faint.
    """
    style = _Style(graph, version_length=version_length, colour=colour)
    blocks = [style.block(key) for key in graph.topological_order(keys)]
    return "\n\n".join(blocks) + "\n" if blocks else "The graph has no features.\n"


class _Style:
    """How the parts of a block are written."""

    def __init__(self, graph: FeatureGraph, *, version_length: int, colour: bool) -> None:
        self._graph = graph
        self._version_length = version_length
        self._colour = colour

    def block(self, key: FeatureKey) -> str:
        plan = self._graph.plan(key)
        lines = [
            f"id: {', '.join(plan.id_columns)}",
            *(self._input(each) for each in plan.inputs),
            *(self._field(key, field) for field in plan.fields),
        ]
        *others, last = lines
        head = f"{self._marked(str(key), '1')} {self._version(plan.feature_version)}"
        return "\n".join(
            [f"{head} ({plan.project})", *(f"├─ {line}" for line in others), f"└─ {last}"]
        )

    def _input(self, each: InputPlan) -> str:
        label = edge_label(each)
        parts = [f"from {each.upstream}", *([label] if label else [])]
        parts.extend(f"{old} as {new}" for old, new in each.rename.items())
        if each.filters:
            parts.append(f"where {filters_text(each.filters)}")
        return ", ".join(parts)

    def _field(self, key: FeatureKey, field: FieldPlan) -> str:
        version = self._version(self._graph.field_version(key, field.key))
        parents = ", ".join(f"{feature}.{parent}" for feature, parent in field.parents)
        made_of = f" <- {parents}" if parents else ""
        return f"{field.key} {version}, code {field.code_version}{made_of}"

    def _version(self, version: str) -> str:
        return self._marked(version[: self._version_length], "2")

    def _marked(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text
