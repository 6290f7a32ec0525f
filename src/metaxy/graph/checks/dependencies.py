"""Which feature depends on which: unknown upstreams, upstreams named twice, cycles."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache

from metaxy.errors import did_you_mean
from metaxy.graph.order import cycles
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey


def dependency_faults(graph: Mapping[FeatureKey, FeatureDefinition]) -> Iterator[str]:
    """Tell of dependencies on nothing, on oneself, and of several on one upstream."""
    names = [str(key) for key in graph]

    @cache  # One missing module makes many features miss the same upstream; the search is slow.
    def question(upstream: str) -> str:
        return did_you_mean(upstream, names)

    for key, definition in graph.items():
        for upstream, count in sorted(Counter(dep.feature for dep in definition.spec.deps).items()):
            if upstream == key:
                yield f"'{key}' depends on itself. Take that dependency away."
            elif upstream not in graph:
                yield (
                    f"'{key}' depends on '{upstream}', which is not in the graph. Declare it, or "
                    f"import the module that does.{question(str(upstream))}"
                )
            if count > 1:
                yield (
                    f"'{key}' has {count} dependencies on '{upstream}'. Make them one: columns, "
                    "renames and filters all fit into it."
                )


def cycle_faults(graph: Mapping[FeatureKey, FeatureDefinition]) -> Iterator[str]:
    """Draw each cycle of two features or more as a path; every feature on one is drawn."""
    edges = {
        key: tuple(
            sorted({dep.feature for dep in definition.spec.deps if dep.feature in graph} - {key})
        )
        for key, definition in graph.items()
    }
    for path in cycles(edges):
        yield (
            f"'{path[0]}' depends on itself in a cycle: {' -> '.join(map(str, path))}. Each "
            "depends on the next; take one of these dependencies away."
        )
