"""Whether features fit together: every fault of a whole graph, each with the way out.

What is wrong with a definition by itself has been refused by `metaxy.models`. Names of columns are
checked as far as classes declare them; a table may have more, which only an increment can see.
"""

from collections.abc import Iterable

from metaxy.graph.checks.columns import column_faults
from metaxy.graph.checks.dependencies import cycle_faults, dependency_faults
from metaxy.graph.checks.fields import field_faults
from metaxy.graph.checks.joins import join_faults
from metaxy.graph.checks.keys import key_faults, name_faults
from metaxy.graph.checks.lineage import lineage_faults
from metaxy.models.definition import FeatureDefinition

__all__ = ["faults"]


def faults(definitions: Iterable[FeatureDefinition]) -> tuple[str, ...]:
    """Tell all that is wrong with a graph, sorted; nothing for a sound one.

    Each sentence begins with the feature at fault. Where a feature depends on one that is not
    there, only what can be said without it is checked.
    """
    ordered = sorted(definitions, key=lambda definition: definition.key)
    graph = {definition.key: definition for definition in ordered}
    found = {*key_faults(ordered), *cycle_faults(graph), *dependency_faults(graph)}
    for definition in graph.values():
        found.update(name_faults(definition))
        found.update(field_faults(definition, graph))
        found.update(column_faults(definition, graph))
        found.update(lineage_faults(definition, graph))
        found.update(join_faults(definition, graph))
    return tuple(sorted(found))
