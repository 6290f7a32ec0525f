"""Whether a feature's inputs, joined on the id columns that they share, give one row a record."""

from collections.abc import Iterator, Mapping, Sequence

from metaxy.errors import listed
from metaxy.graph.inputs import Input, join_order, known_inputs, provided_ids
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey


def join_faults(
    definition: FeatureDefinition, graph: Mapping[FeatureKey, FeatureDefinition]
) -> Iterator[str]:
    """Tell of id columns that no input gives, or too many give, and of inputs that don't join.

    Nothing is said while an upstream is missing: it might have given what the others lack.
    """
    inputs = known_inputs(definition.spec, graph)
    if not inputs or any(dep.feature not in graph for dep in definition.spec.deps):
        return
    yield from _missing_id_faults(definition, inputs)
    yield from _unjoined_faults(definition, inputs)
    yield from _optional_faults(definition, inputs)


def forgotten_aggregation(definition: FeatureDefinition, inputs: Sequence[Input]) -> Input | None:
    """Give the input whose ordinary columns name the records, where no lineage says how.

    `join_faults` tells of it; that the columns also collide with the ids needs no second sentence.
    """
    if any(each.lineage.kind == "expansion" for each in inputs):
        return None
    missing = set(definition.spec.id_columns) - provided_ids(inputs)
    if not missing or len(inputs) < len({dep.feature for dep in definition.spec.deps}):
        return None
    return next(
        (
            each
            for each in inputs
            if each.lineage.kind == "identity" and missing <= {name for name, _ in each.carried}
        ),
        None,
    )


def _missing_id_faults(definition: FeatureDefinition, inputs: Sequence[Input]) -> Iterator[str]:
    """Either an id column is missing, or an input has one too many: one slip, one sentence."""
    ids = definition.spec.id_columns
    provided = provided_ids(inputs)
    missing = sorted(set(ids) - provided)
    expanded = provided_ids(each for each in inputs if each.lineage.kind == "expansion")
    if missing and not expanded:
        yield _missing_id_fault(definition, inputs, missing)
        return
    allowed = {*ids, *expanded} if missing else set(ids)
    for each in inputs:
        if extra := sorted(set(each.id_columns) - allowed):
            yield _extra_id_fault(definition, each, extra)


def _missing_id_fault(
    definition: FeatureDefinition, inputs: Sequence[Input], missing: Sequence[str]
) -> str:
    if (grouped := forgotten_aggregation(definition, inputs)) is not None:
        return (
            f"'{definition.key}': no dependency gives its id {_columns(missing)} as an id, but "
            f"'{grouped.key}' has it as an ordinary column. To put the records of '{grouped.key}' "
            f"together by it, declare lineage=Lineage.aggregation(on={list(missing)!r}) on the "
            "dependency."
        )
    provided = sorted(provided_ids(inputs))
    way_out = "Aggregate on it, or take it out of id_columns."
    if any(each.lineage.kind == "identity" for each in inputs):
        way_out = (
            "Rename an upstream's id column to it or, when one upstream record makes several of "
            f"this feature's, declare lineage=Lineage.expansion(on={provided!r}) on the dependency."
        )
    return (
        f"'{definition.key}': no dependency gives its id {_columns(missing)}; they give "
        f"{listed(provided)}. {way_out}"
    )


def _extra_id_fault(definition: FeatureDefinition, each: Input, extra: Sequence[str]) -> str:
    owner = f"'{definition.key}', dependency on '{each.key}'"
    kept = [name for name in each.id_columns if name not in extra]
    if each.lineage.kind == "aggregation":
        return (
            f"{owner}: aggregates on {listed(extra)}, not among the feature's id columns "
            f"{listed(definition.spec.id_columns)}. Aggregate on those alone, or add it to "
            "id_columns."
        )
    group = f"lineage=Lineage.aggregation(on={kept!r})" if kept else "a lineage"
    return (
        f"{owner}: the upstream's id {_columns(extra)} would give several rows for one record, "
        f"which is named by {listed(definition.spec.id_columns)}. Declare {group} to put them "
        "together, rename the column, or add it to id_columns."
    )


def _unjoined_faults(definition: FeatureDefinition, inputs: Sequence[Input]) -> Iterator[str]:
    joined, apart = join_order(inputs)
    others = listed(sorted(provided_ids(joined)))
    for each in apart:
        yield (
            f"'{definition.key}', dependency on '{each.key}': joins on {listed(each.id_columns)}, "
            f"but those before it on {others}. Every pair of rows would match: rename an id "
            "column so that they share one."
        )


def _optional_faults(definition: FeatureDefinition, inputs: Sequence[Input]) -> Iterator[str]:
    required = [each for each in inputs if not each.dep.optional]
    if not required:
        if len({each.id_columns for each in inputs}) > 1:
            given = "; ".join(f"'{each.key}' by {listed(each.id_columns)}" for each in inputs)
            yield (
                f"'{definition.key}': all its dependencies are optional, so any of them may be "
                f"the only one to name a record, but they name it differently: {given}. Make one "
                "required, or let all have the same id columns."
            )
        return
    for each in inputs:
        if lone := sorted(set(each.id_columns) - provided_ids(required)):
            yield (
                f"'{definition.key}', dependency on '{each.key}': is optional, but no required "
                f"one gives the id {_columns(lone)}, which would be null where it lacks a record. "
                "Make it required."
            )


def _columns(names: Sequence[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {listed(names)}"
