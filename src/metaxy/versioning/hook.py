"""The `load_input` hook: records that the feature's class chooses, instead of its inputs' join."""

from collections.abc import Sequence

import narwhals as nw
import polars as pl

from metaxy.errors import MetadataSchemaError, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.versioning.id_types import common_id_type, with_id_types
from metaxy.versioning.inputs import PreparedInput


def records_chosen(
    plan: FeaturePlan, inputs: Sequence[PreparedInput], current: pl.LazyFrame | None
) -> pl.LazyFrame:
    """One row a record that the class expects, as it gives them.

    Neither nulls nor repetitions among the ids are looked for, since that would mean to read them:
    such records are offered as they are, and refused when they are written.

    Raises:
        MetadataSchemaError: The hook gave no frame, or one that lacks id columns.
    """
    upstream = {
        str(each.plan.upstream): nw.from_native(
            each.frame.select(*each.plan.id_columns, *each.carried)
        )
        for each in inputs
    }
    if current is None:
        current = _no_records(plan, inputs)
    assert plan.load_input is not None  # noqa: S101 -- narrows the type; the caller has looked
    chosen = plan.load_input(nw.from_native(current), upstream)
    frame = _lazy(chosen, plan)
    schema = frame.collect_schema()
    needed = {*plan.grain, *(name for each in inputs for name in each.plan.id_columns)}
    if missing := sorted(needed.difference(schema)):
        raise MetadataSchemaError(
            f"load_input of '{plan.key}' gave a frame without {listed(missing)}. It gave: "
            f"{listed(schema.names())}. Keep the id columns of the feature and of every upstream, "
            f"{listed(sorted(needed))}."
        )
    # Categories become text, for one; what differs from the upstreams is settled when they join.
    plain = {name: common_id_type([schema[name]]) or schema[name] for name in needed}
    return with_id_types(frame, plain)


def _lazy(chosen: object, plan: FeaturePlan) -> pl.LazyFrame:
    native = nw.to_native(chosen, pass_through=True)
    if isinstance(native, pl.LazyFrame):
        return native
    if isinstance(native, pl.DataFrame):
        return native.lazy()
    raise MetadataSchemaError(
        f"load_input of '{plan.key}' gave a {type(chosen).__name__}. "
        "Return a Polars or Narwhals frame made from the frames that it was given."
    )


def _no_records(plan: FeaturePlan, inputs: Sequence[PreparedInput]) -> pl.LazyFrame:
    """A frame without rows, its ids of the types that they have in the inputs."""
    types: dict[str, pl.DataType] = dict.fromkeys(plan.id_columns, pl.String())
    for each in inputs:
        schema = each.frame.collect_schema()
        types |= {name: schema[name] for name in each.plan.id_columns if name in types}
    return pl.LazyFrame(schema=types)
