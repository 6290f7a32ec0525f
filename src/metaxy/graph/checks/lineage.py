"""Whether each dependency's lineage fits the upstream that it stands on."""

from collections.abc import Iterator, Mapping

from metaxy.errors import did_you_mean, listed, nearest
from metaxy.graph.inputs import Input, declared_names, known_inputs, renames_of
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey


def lineage_faults(
    definition: FeatureDefinition, graph: Mapping[FeatureKey, FeatureDefinition]
) -> Iterator[str]:
    """Tell of `on` columns that the upstream, after its renames, does not have or identify by."""
    for each in known_inputs(definition.spec, graph):
        owner = f"'{definition.key}', dependency on '{each.key}'"
        if each.lineage.kind == "aggregation":
            yield from _aggregation_faults(owner, each)
        elif each.lineage.kind == "expansion":
            yield from _expansion_faults(owner, each)


def _aggregation_faults(owner: str, each: Input) -> Iterator[str]:
    renames = renames_of(each.dep)
    declared = declared_names(each.upstream)
    after = sorted(renames.get(name, name) for name in declared)
    for name in sorted(set(each.lineage.on) - set(after) - set(renames.values())):
        if name in renames:
            yield (
                f"{owner}: aggregates on {name!r}, which is renamed to {renames[name]!r}. Renames "
                "come first: aggregate on the new name."
            )
        elif nearest(name, after) is not None:
            yield (
                f"{owner}: aggregates on {name!r}, which '{each.key}' does not declare; after "
                f"renames it has {listed(after)}.{did_you_mean(name, after)}"
            )


def _expansion_faults(owner: str, each: Input) -> Iterator[str]:
    if set(each.lineage.on) != set(each.id_columns):
        yield (
            f"{owner}: expands on {listed(sorted(each.lineage.on))}, but one record of "
            f"'{each.key}' is named by {listed(each.id_columns)} (after renames). Write "
            f"Lineage.expansion(on={list(each.id_columns)!r})."
        )
