"""Soft deletion: tombstones, which are rows that end a record."""

from collections.abc import Sequence

import polars as pl

from metaxy.errors import MetadataSchemaError, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.records import Stamps
from metaxy.metadata_store.writing import EPOCH
from metaxy.versioning.id_types import common_id_type
from metaxy.versioning.scope import Condition, fulfilling
from metaxy.versioning.system_columns import DELETED_AT, INSTANT, STAMPS


def tombstones(
    current: pl.LazyFrame,
    plan: FeaturePlan,
    stamps: Stamps,
    *,
    filters: Sequence[Condition],
    records: pl.LazyFrame | None,
) -> pl.LazyFrame:
    """One row a current record that is to end: the record as it was, but for its stamps.

    Args:
        current: One row a current record, with all stored columns.
        filters: Which records to end; with `records`, which of those.
        records: Frames with the columns that name records, such as `Increment.removed`.
    """
    ending = fulfilling(current, filters)
    if records is not None:
        ids = list(plan.id_columns)
        schema = records.collect_schema()
        missing = [name for name in ids if name not in schema]
        if missing:
            raise MetadataSchemaError(
                f"The records of '{plan.key}' to delete lack the id columns {listed(missing)}; "
                f"the frame has {listed(schema.names())}.",
                feature=str(plan.key),
            )
        types = current.collect_schema()
        common = {name: common_id_type([schema[name], types[name]]) for name in ids}
        faults = [
            f"'{name}' is {schema[name]}, and the stored records have {types[name]}"
            for name, dtype in common.items()
            if dtype is None
        ]
        if faults:
            raise MetadataSchemaError(
                f"The records of '{plan.key}' to delete can't be compared with those stored",
                faults,
                feature=str(plan.key),
            )
        named = records.select(pl.col(name).cast(common[name] or types[name]) for name in ids)
        keys = [pl.col(name).cast(common[name] or types[name]) for name in ids]
        ending = ending.join(named, left_on=keys, right_on=ids, how="semi")
    return ending.with_columns(
        pl.lit(EPOCH, dtype=INSTANT).alias(DELETED_AT),
        pl.lit(stamps.snapshot_version, dtype=STAMPS["metaxy_snapshot_version"]).alias(
            "metaxy_snapshot_version"
        ),
        pl.lit(stamps.materialization_id, dtype=STAMPS["metaxy_materialization_id"]).alias(
            "metaxy_materialization_id"
        ),
    )
