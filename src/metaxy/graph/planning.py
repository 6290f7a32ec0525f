"""How a feature's plan follows from a checked graph."""

from collections.abc import Iterable, Mapping

from metaxy.graph.field_graph import FieldGraph
from metaxy.graph.inputs import (
    Input,
    declared_names,
    id_names,
    join_order,
    known_inputs,
    provided_ids,
    renames_of,
)
from metaxy.graph.plan import FeaturePlan, FieldPlan, InputPlan, RecordsPlan
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey

_Graph = Mapping[FeatureKey, FeatureDefinition]


def feature_plan(
    definition: FeatureDefinition, *, graph: _Graph, fields: FieldGraph
) -> FeaturePlan:
    """Work out the plan of one feature of a checked graph."""
    spec = definition.spec
    inputs, _ = join_order(known_inputs(spec, graph))
    return FeaturePlan(
        key=spec.key,
        project=definition.project,
        feature_version=fields.feature_versions[spec.key],
        records=_records_plan(definition, graph=graph, fields=fields),
        id_columns=spec.id_columns,
        fields=tuple(
            FieldPlan(each.key, each.code_version, fields.parents[spec.key, each.key])
            for each in sorted(spec.fields, key=lambda each: each.key)
        ),
        inputs=tuple(_input_plan(each, graph=graph, fields=fields) for each in inputs),
        grain=_grain(definition, inputs),
        contract=definition.contract,
        load_input=definition.load_input,
    )


def _records_plan(
    definition: FeatureDefinition, *, graph: _Graph, fields: FieldGraph
) -> RecordsPlan:
    spec = definition.spec
    inputs = known_inputs(spec, graph)
    expands = bool(inputs) and not provided_ids(inputs).issuperset(spec.id_columns)
    return RecordsPlan(
        key=spec.key,
        feature_version=fields.feature_versions[spec.key],
        id_columns=spec.id_columns,
        expansion_on=_grain(definition, inputs) if expands else None,
    )


def _grain(definition: FeatureDefinition, inputs: Iterable[Input]) -> tuple[str, ...]:
    """All id columns that inputs give, those of the feature first; for a root, its own."""
    ids = definition.spec.id_columns
    provided = provided_ids(inputs)
    if not provided:
        return ids
    return (*(name for name in ids if name in provided), *sorted(provided.difference(ids)))


def _input_plan(each: Input, *, graph: _Graph, fields: FieldGraph) -> InputPlan:
    return InputPlan(
        upstream=each.key,
        upstream_records=_records_plan(each.upstream, graph=graph, fields=fields),
        upstream_id_columns=id_names(each.upstream),
        id_columns=each.id_columns,
        columns=each.dep.columns,
        declared_columns=declared_names(each.upstream),
        rename=renames_of(each.dep),
        lineage=each.lineage,
        filters=each.dep.filters,
        optional=each.dep.optional,
        upstream_fields=tuple(sorted(field.key for field in each.upstream.spec.fields)),
    )
