"""What differs between the records that a feature had at two moments."""

from collections.abc import Mapping, Sequence
from typing import Final

import narwhals as nw
import polars as pl

from metaxy.errors import MetadataSchemaError
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.alignment import alignment
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.reading import records_read
from metaxy.metadata_store.travel import Moment, version_meant
from metaxy.versioning.id_types import common_id_types, with_id_types
from metaxy.versioning.latest import rows_by_version
from metaxy.versioning.system_columns import FEATURE_VERSION, STAMPS
from metaxy.versioning.types import Increment

_BEFORE: Final = "metaxy_before_"


def records_at(
    store: StoreInterface,
    plan: RecordsPlan,
    moment: Moment,
    *,
    feature_version: str | None,
    older: Mapping[str, RecordsPlan],
) -> pl.LazyFrame | None:
    """One row a current record that a store had at a moment; None where it had no rows.

    Args:
        older: As `records_read` takes it.
    """
    version = version_meant(store, plan.key, moment)
    scan = None if version is None else store.scan_version(plan.key, feature_version, version)
    if scan is None:
        return None
    return records_read(
        scan,
        plan,
        filters=(),
        columns=None,
        latest_only=True,
        across_versions=feature_version is None,
        older=older,
    )


def differences_by_version(
    before: pl.LazyFrame | None,
    after: pl.LazyFrame | None,
    plan: RecordsPlan,
    *,
    older: Mapping[str, RecordsPlan],
) -> Increment:
    """As `differences` across versions; those of `older` have records that are told otherwise."""
    plans: dict[str | None, RecordsPlan] = {None: plan, **older}
    parts = [{} if each is None else rows_by_version(each, older) for each in (before, after)]
    found = [
        differences(*(part.get(version) for part in parts), plan=each, across_versions=True)
        for version, each in plans.items()
    ]
    frames = (
        pl.concat([nw.to_native(getattr(each, kind)) for each in found], how="vertical_relaxed")
        for kind in ("added", "changed", "removed")
    )
    return Increment(*(nw.from_native(each, eager_only=True) for each in frames))


def differences(
    before: pl.LazyFrame | None,
    after: pl.LazyFrame | None,
    plan: RecordsPlan,
    *,
    across_versions: bool,
) -> Increment:
    """Tell which records came, went, or are another.

    A record is another when its versions or any column of the user's differ; stamps (the instant,
    the run, the snapshot) don't count, nor does a column that one side lacks and the other has as
    null. Where a column has types that can't be compared, values other than null differ.

    Args:
        before: One row a record, or None.
        after: The same at a later moment.
        across_versions: A record may be there once with each feature version.

    Returns:
        `added` and `changed` as they were after, `removed` as they were before.

    Raises:
        MetadataSchemaError: The ids can't be compared.
    """
    ids = (*plan.id_columns, *((FEATURE_VERSION,) if across_versions else ()))
    nothing = _like(before, _like(after, pl.LazyFrame(schema=dict.fromkeys(ids, pl.Null()))))
    nothing = pl.LazyFrame(schema=nothing.collect_schema())
    before = nothing if before is None else before
    after = nothing if after is None else after
    before, after = _with_common_ids(before, after, ids, feature=str(plan.key))
    is_another = _difference(before.collect_schema(), after.collect_schema(), ids)
    added = after.join(before.select(ids), on=ids, how="anti", nulls_equal=True)
    removed = before.join(after.select(ids), on=ids, how="anti", nulls_equal=True)
    both = after.join(_beside(before, ids), on=ids, how="inner", nulls_equal=True)
    changed = both.filter(is_another).select(after.collect_schema().names())
    frames = pl.collect_all([added, changed, removed])
    return Increment(*(nw.from_native(each, eager_only=True) for each in frames))


def _like(frame: pl.LazyFrame | None, other: pl.LazyFrame) -> pl.LazyFrame:
    return other if frame is None else frame


def _beside(before: pl.LazyFrame, ids: Sequence[str]) -> pl.LazyFrame:
    """The frame before, with other names for what doesn't name records."""
    return before.select(
        pl.col(name).alias(_renamed(name, ids)) for name in before.collect_schema()
    )


def _renamed(name: str, ids: Sequence[str]) -> str:
    return name if name in ids else f"{_BEFORE}{name}"


def _difference(before: pl.Schema, after: pl.Schema, ids: Sequence[str]) -> pl.Expr:
    """Whether a joined record is another than before."""
    names = [name for name in dict.fromkeys([*after, *before]) if name not in (*ids, *STAMPS)]
    return pl.any_horizontal(
        pl.lit(value=False), *(_differs(name, before, after) for name in names)
    )


def _differs(name: str, before: pl.Schema, after: pl.Schema) -> pl.Expr:
    old, new = pl.col(f"{_BEFORE}{name}"), pl.col(name)
    if name not in before:
        return new.is_not_null()
    if name not in after:
        return old.is_not_null()
    if before[name] == after[name]:
        return new.ne_missing(old)
    merging = alignment(pl.Schema({name: before[name]}), pl.Schema({name: after[name]}))
    if merging.conflicts:
        return new.is_not_null() | old.is_not_null()
    merged = merging.schema[name]
    return new.cast(merged).ne_missing(old.cast(merged))


def _with_common_ids(
    before: pl.LazyFrame, after: pl.LazyFrame, ids: Sequence[str], *, feature: str
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Both frames with ids of one type."""
    old, new = before.collect_schema(), after.collect_schema()
    types, unlike = common_id_types(old, new, ids)
    faults = [f"'{name}' was {old[name]}, and became {new[name]}" for name in unlike]
    if faults:
        raise MetadataSchemaError(
            f"The records of '{feature}' at the two moments can't be compared by their ids",
            faults,
            feature=feature,
        )
    return with_id_types(before, types), with_id_types(after, types)
