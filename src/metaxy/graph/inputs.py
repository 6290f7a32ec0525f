"""How an upstream feature enters the join of another: its names after selection, renames, lineage.

The checks and the plans both ask here, so that what is checked is what will be done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.keys import FeatureKey
from metaxy.models.lineage import Lineage


@dataclass(frozen=True, slots=True)
class Input:
    """One dependency beside its upstream.

    Attributes:
        id_columns: As they enter the join, sorted: the upstream's ids after renames, or the `on`
            of an aggregation.
        carried: The other columns that are known to come along, new name to upstream name, sorted:
            declared ones unless a selection leaves them out, and those that the dependency names.
            Nothing besides `on` comes out of an aggregation.
    """

    dep: FeatureDep
    upstream: FeatureDefinition
    lineage: Lineage
    id_columns: tuple[str, ...]
    carried: tuple[tuple[str, str], ...] = field(default=())

    @property
    def key(self) -> FeatureKey:
        """The upstream's key."""
        return self.dep.feature


def known_inputs(
    spec: FeatureSpec, graph: Mapping[FeatureKey, FeatureDefinition]
) -> tuple[Input, ...]:
    """The dependencies whose upstream is in the graph, sorted by upstream, each upstream once."""
    deps = {dep.feature: dep for dep in spec.deps if dep.feature in graph}
    return tuple(_input_of(spec, deps[key], graph[key]) for key in sorted(deps))


def renames_of(dep: FeatureDep) -> dict[str, str]:
    """Upstream name to new name, without the entries that change nothing, sorted."""
    return {old: new for old, new in sorted(dep.rename.items()) if old != new}


def declared_names(definition: FeatureDefinition) -> tuple[str, ...]:
    """The columns of the class, and the ids where the class leaves them out; sorted.

    Empty for a class that declares none: then nothing can be said of its table.
    """
    if not definition.columns:
        return ()
    return tuple(sorted({*(column.name for column in definition.columns), *id_names(definition)}))


def id_names(definition: FeatureDefinition) -> tuple[str, ...]:
    """The id columns, sorted, so that nothing made of them depends on the order of the spec."""
    return tuple(sorted(definition.spec.id_columns))


def join_order(inputs: Sequence[Input]) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
    """Put inputs in an order in which each shares an id column with those before it.

    Required inputs come first, optional ones last; where there is a choice, the smaller key.

    Returns:
        The ordered inputs, and those that share no id column with them.
    """
    waiting = sorted(inputs, key=lambda each: (each.dep.optional, each.key))
    ordered = waiting[:1]
    seen = {name for each in ordered for name in each.id_columns}
    del waiting[:1]
    while found := _first_sharing(waiting, seen):
        ordered.append(found)
        seen.update(found.id_columns)
        waiting.remove(found)
    return tuple(ordered), tuple(waiting)


def provided_ids(inputs: Iterable[Input]) -> set[str]:
    """All columns on which the inputs can be joined."""
    return {name for each in inputs for name in each.id_columns}


def _first_sharing(waiting: Iterable[Input], seen: set[str]) -> Input | None:
    return next((each for each in waiting if not seen.isdisjoint(each.id_columns)), None)


def _input_of(spec: FeatureSpec, dep: FeatureDep, upstream: FeatureDefinition) -> Input:
    lineage = spec.lineage_of(dep)
    renames = renames_of(dep)
    ids = (
        lineage.on
        if lineage.kind == "aggregation"
        else [renames.get(name, name) for name in upstream.spec.id_columns]
    )
    carried = () if lineage.kind == "aggregation" else _carried(dep, upstream, renames)
    return Input(
        dep=dep, upstream=upstream, lineage=lineage, id_columns=tuple(sorted(ids)), carried=carried
    )


def _carried(
    dep: FeatureDep, upstream: FeatureDefinition, renames: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    chosen = declared_names(upstream) if dep.columns is None else dep.columns
    sources = {*chosen, *renames} - set(upstream.spec.id_columns)
    return tuple(sorted((renames.get(name, name), name) for name in sources))
