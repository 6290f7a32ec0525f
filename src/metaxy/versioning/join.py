"""Prepared inputs, joined into the records that are expected.

The inputs stand in the plan's join order, so that each one shares an id column with those before
it. Required inputs keep the records that all of them have; an optional one keeps records that it
lacks; when all are optional, a record needs only one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from metaxy.errors import MetadataSchemaError, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.inputs import PreparedInput
from metaxy.versioning.provenance import ParentVersion
from metaxy.versioning.system_columns import PREFIX

_PRESENT: Final = f"{PREFIX}present_"


@dataclass(frozen=True, slots=True)
class JoinedInputs:
    """One row an expected record: id columns, carried columns, the inputs' version columns."""

    frame: pl.LazyFrame
    carried: tuple[str, ...]
    versions: Mapping[tuple[FeatureKey, FieldKey], ParentVersion]


def joined_inputs(inputs: Sequence[PreparedInput], plan: FeaturePlan) -> JoinedInputs:
    """Join the inputs of a feature on the id columns that they share."""
    inputs = with_equal_id_types(with_distinct_columns(inputs), feature=plan.key)
    first, *rest = (_with_presence(each, position) for position, each in enumerate(inputs))
    frame, ids = first.frame, set(first.plan.id_columns)
    for each in rest:
        shared = sorted(ids.intersection(each.plan.id_columns))
        how = "full" if plan.joins_full_outer else "left" if each.plan.optional else "inner"
        frame = frame.join(each.frame, on=shared, how=how, coalesce=True)
        ids.update(each.plan.id_columns)
    versions = {
        (each.plan.upstream, field): ParentVersion(
            column, f"{_PRESENT}{position}" if each.plan.optional else None
        )
        for position, each in enumerate(inputs)
        for field, column in each.versions.items()
    }
    carried = tuple(name for each in inputs for name in each.carried)
    return JoinedInputs(frame, carried, versions)


def with_versions_joined(
    records: pl.LazyFrame, inputs: Sequence[PreparedInput], plan: FeaturePlan
) -> JoinedInputs:
    """Attach the inputs' versions to records that were chosen otherwise (by `load_input`).

    Every input is joined on its own id columns; a record that it lacks has no version of it.
    """
    schema = records.collect_schema()
    for position, each in enumerate(inputs):
        ids = list(each.plan.id_columns)
        missing = [name for name in ids if name not in schema]
        if missing:
            raise MetadataSchemaError(
                f"load_input of '{plan.key}' gave no column {listed(missing)}, which names the "
                f"records of '{each.plan.upstream}'. It gave: {listed(schema.names())}. "
                "Keep the id columns of every upstream in the frame that load_input returns."
            )
        present = each.frame.select(
            *(pl.col(name).cast(schema[name]) for name in ids),
            *each.versions.values(),
            pl.lit(value=True).alias(f"{_PRESENT}{position}"),
        )
        records = records.join(present, on=ids, how="left")
    versions = {
        (each.plan.upstream, field): ParentVersion(column, f"{_PRESENT}{position}")
        for position, each in enumerate(inputs)
        for field, column in each.versions.items()
    }
    ids = set(plan.grain)
    carried = tuple(
        name for name in schema.names() if name not in ids and not name.startswith(PREFIX)
    )
    return JoinedInputs(records, carried, versions)


def with_distinct_columns(inputs: Sequence[PreparedInput]) -> list[PreparedInput]:
    """Qualify columns that several inputs carry under one name.

    The first input keeps the name, each later one gets `<column>__<table name of the upstream>`.
    Declared columns that collide were refused when the graph was built; here only columns are left
    that some table has beyond its class.
    """
    taken = {name for each in inputs for name in each.plan.id_columns}
    distinct: list[PreparedInput] = []
    for each in inputs:
        renames = {
            name: f"{name}__{each.plan.upstream.table_name}"
            for name in each.carried
            if name in taken
        }
        carried = tuple(renames.get(name, name) for name in each.carried)
        taken.update(carried)
        frame = each.frame.rename(renames) if renames else each.frame
        distinct.append(PreparedInput(each.plan, frame, carried, each.versions))
    return distinct


def with_equal_id_types(
    inputs: Sequence[PreparedInput], *, feature: FeatureKey
) -> list[PreparedInput]:
    """Give id columns of one name one type: integers of several widths become Int64."""
    types: dict[str, dict[pl.DataType, list[str]]] = {}
    for each in inputs:
        schema = each.frame.collect_schema()
        for name in each.plan.id_columns:
            types.setdefault(name, {}).setdefault(schema[name], []).append(str(each.plan.upstream))
    faults = [
        f"'{name}' is " + ", ".join(f"{dtype} in {listed(who)}" for dtype, who in found.items())
        for name, found in types.items()
        if len(found) > 1 and not all(dtype.is_integer() for dtype in found)
    ]
    if faults:
        raise MetadataSchemaError(
            f"The upstreams of '{feature}' can't be joined: " + "; ".join(sorted(faults)) + ". "
            "Write the id column with one type in all of them."
        )
    widened = {name for name, found in types.items() if len(found) > 1}
    return [
        PreparedInput(
            each.plan,
            each.frame.with_columns(
                pl.col(name).cast(pl.Int64) for name in each.plan.id_columns if name in widened
            ),
            each.carried,
            each.versions,
        )
        for each in inputs
    ]


def _with_presence(prepared: PreparedInput, position: int) -> PreparedInput:
    """Mark the rows of an optional input, so that a missing record differs from a null version."""
    if not prepared.plan.optional:
        return prepared
    marked = prepared.frame.with_columns(pl.lit(value=True).alias(f"{_PRESENT}{position}"))
    return PreparedInput(prepared.plan, marked, prepared.carried, prepared.versions)
