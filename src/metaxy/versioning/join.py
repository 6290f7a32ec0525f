"""Prepared inputs, joined into the records that are expected.

The inputs stand in the plan's join order, so that each one shares an id column with those before
it. Required inputs keep the records that all of them have; an optional one keeps records that it
lacks; when all are optional, a record needs only one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from metaxy.errors import MetadataSchemaError
from metaxy.graph.plan import FeaturePlan
from metaxy.models.keys import FeatureKey
from metaxy.versioning.id_types import common_id_type, with_id_types
from metaxy.versioning.inputs import PreparedInput, qualified
from metaxy.versioning.provenance import Part, PartVersion
from metaxy.versioning.system_columns import PREFIX

_PRESENT: Final = f"{PREFIX}present_"


@dataclass(frozen=True, slots=True)
class JoinedInputs:
    """One row an expected record: id columns, carried columns, the inputs' parts."""

    frame: pl.LazyFrame
    carried: tuple[str, ...]
    versions: Mapping[Part, PartVersion]


def joined_inputs(inputs: Sequence[PreparedInput], plan: FeaturePlan) -> JoinedInputs:
    """Join the inputs of a feature on the id columns that they share."""
    inputs = with_equal_id_types(with_distinct_columns(inputs, plan), feature=plan.key)
    first, *rest = (_with_presence(each, position) for position, each in enumerate(inputs))
    frame, ids = first.frame, set(first.plan.id_columns)
    for each in rest:
        shared = sorted(ids.intersection(each.plan.id_columns))
        how = "full" if plan.joins_full_outer else "left" if each.plan.optional else "inner"
        frame = frame.join(each.frame, on=shared, how=how, coalesce=True)
        ids.update(each.plan.id_columns)
    carried = tuple(name for each in inputs for name in each.carried)
    return JoinedInputs(frame, carried, _part_versions(inputs, chosen=False))


def with_versions_joined(
    records: pl.LazyFrame, inputs: Sequence[PreparedInput], plan: FeaturePlan
) -> JoinedInputs:
    """Attach the inputs' versions to records that were chosen otherwise (by `load_input`).

    Every input is joined on its own id columns; a record that it lacks has no version of it.

    Args:
        records: One row a record, with the id columns of the feature and of every input.
    """
    schema = records.collect_schema()
    for position, each in enumerate(inputs):
        present = each.frame.select(
            *each.plan.id_columns,
            *each.versions.values(),
            pl.lit(value=True).alias(f"{_PRESENT}{position}"),
        )
        types = {
            name: _id_type(name, [schema[name], dtype], plan)
            for name, dtype in present.collect_schema().items()
            if name in each.plan.id_columns
        }
        records = with_id_types(records, types).join(
            with_id_types(present, types), on=list(each.plan.id_columns), how="left"
        )
    named = {*plan.grain, *plan.id_columns}
    carried = tuple(
        name for name in schema.names() if name not in named and not name.startswith(PREFIX)
    )
    return JoinedInputs(records, carried, _part_versions(inputs, chosen=True))


def _id_type(name: str, types: Sequence[pl.DataType], plan: FeaturePlan) -> pl.DataType:
    common = common_id_type(types)
    if common is None:
        raise MetadataSchemaError(
            f"load_input of '{plan.key}' gave '{name}' as {types[0]}; in the upstream it is "
            f"{types[1]}. Keep the type of the id columns."
        )
    return common


def _part_versions(inputs: Sequence[PreparedInput], *, chosen: bool) -> dict[Part, PartVersion]:
    """Where each part of a field's provenance is.

    Args:
        chosen: Whether the records come from `load_input`, so that any input may lack them.
    """
    return {
        part: PartVersion(
            column,
            f"{_PRESENT}{position}" if each.plan.optional or chosen else None,
            optional=each.plan.optional,
        )
        for position, each in enumerate(inputs)
        for part, column in each.versions.items()
    }


def with_distinct_columns(
    inputs: Sequence[PreparedInput], plan: FeaturePlan
) -> list[PreparedInput]:
    """Qualify columns that several inputs carry under one name, or that are called as an id is.

    The first input keeps the name; see `qualified` for the others.
    """
    taken = [*plan.id_columns, *(name for each in inputs for name in each.plan.id_columns)]
    distinct: list[PreparedInput] = []
    for each in inputs:
        carried = {name: qualified(name, each.plan, taken) for name in each.carried}
        renames = {old: new for old, new in carried.items() if old != new}
        taken.extend(carried.values())
        frame = each.frame.rename(renames) if renames else each.frame
        distinct.append(replace(each, frame=frame, carried=tuple(carried.values())))
    return distinct


def with_equal_id_types(
    inputs: Sequence[PreparedInput], *, feature: FeatureKey
) -> list[PreparedInput]:
    """Give id columns of one name one type."""
    found: dict[str, dict[str, pl.DataType]] = {}
    for each in inputs:
        schema = each.frame.collect_schema()
        for name in each.plan.id_columns:
            found.setdefault(name, {})[str(each.plan.upstream)] = schema[name]
    common = {name: common_id_type(types.values()) for name, types in found.items()}
    faults = [
        f"'{name}' is "
        + ", ".join(f"{dtype} in '{upstream}'" for upstream, dtype in found[name].items())
        for name, dtype in sorted(common.items())
        if dtype is None
    ]
    if faults:
        raise MetadataSchemaError(
            f"The upstreams of '{feature}' can't be joined on id columns of different types",
            [f"{each}: write it with one type in all of them" for each in faults],
            feature=str(feature),
        )
    types = {name: dtype for name, dtype in common.items() if dtype is not None}
    return [replace(each, frame=with_id_types(each.frame, types)) for each in inputs]


def _with_presence(prepared: PreparedInput, position: int) -> PreparedInput:
    """Mark the rows of an optional input, so that a missing record differs from a null version."""
    if not prepared.plan.optional:
        return prepared
    marked = prepared.frame.with_columns(pl.lit(value=True).alias(f"{_PRESENT}{position}"))
    return replace(prepared, frame=marked)
