"""Deletion: tombstones, which are rows that end a record; and what stays after a hard one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.errors import MetadataSchemaError, StoreError, counted, did_you_mean, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.marks import Marks
from metaxy.metadata_store.reading import complete_rows
from metaxy.metadata_store.records import Stamps
from metaxy.metadata_store.writing import EPOCH
from metaxy.versioning.erasing import remaining_children, remaining_rows
from metaxy.versioning.id_types import common_id_types, rows_with_ids_of
from metaxy.versioning.latest import latest_records, rows_by_version
from metaxy.versioning.scope import Condition, fulfilling
from metaxy.versioning.system_columns import (
    CREATED_AT,
    DELETED_AT,
    FEATURE_VERSION,
    INSTANT,
    STAMPS,
)


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
    ending = _chosen(current, plan, filters=filters, records=records)
    return ending.with_columns(
        pl.lit(EPOCH, dtype=INSTANT).alias(DELETED_AT),
        pl.lit(stamps.snapshot_version, dtype=STAMPS["metaxy_snapshot_version"]).alias(
            "metaxy_snapshot_version"
        ),
        pl.lit(stamps.materialization_id, dtype=STAMPS["metaxy_materialization_id"]).alias(
            "metaxy_materialization_id"
        ),
    )


class FirstLook:
    """Records as a deletion has first seen them: what somebody writes later isn't deleted.

    Args:
        names: What names a record.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [*names, CREATED_AT]
        self._seen: pl.DataFrame | None = None

    def unchanged(self, found: pl.DataFrame) -> pl.DataFrame:
        """Those that were there at the first look, and haven't been written since.

        Args:
            found: One row a record, with its newest instant.
        """
        if self._seen is None:
            self._seen = found.select(self._names)
            return found
        return found.join(self._seen, on=self._names, how="semi", nulls_equal=True)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What a hard deletion takes from a table.

    Attributes:
        records: How many; one that has rows of several feature versions counts with each.
        remaining: The rows that stay, with the columns of the table.
    """

    records: int
    remaining: pl.LazyFrame


def erasure(
    rows: pl.LazyFrame,
    plan: FeaturePlan,
    *,
    feature_version: str | None,
    filters: Sequence[Condition],
    records: pl.LazyFrame | None,
    first_look: FirstLook,
) -> Erasure | None:
    """Work out which rows stay when records go for good; None when all do.

    What fulfils the filters is the newest row of a record, of each feature version apart, be it a
    tombstone, which has the columns of the record that it ends.

    Args:
        rows: All stored rows.
        feature_version: The one whose records may go; None for those of all.
    """
    names = rows.collect_schema().names()
    is_of_version = pl.lit(value=True)
    if feature_version is not None:
        is_of_version = pl.col(FEATURE_VERSION).eq_missing(feature_version)
    own = complete_rows(rows.filter(is_of_version), plan.records)
    ids = [*plan.id_columns, FEATURE_VERSION]
    parents = [*(plan.records.expansion_on or ()), FEATURE_VERSION]
    newest = latest_records(own, id_columns=ids)
    chosen = _chosen(newest, plan, filters=filters, records=records)
    told = list(dict.fromkeys([*ids, *parents, CREATED_AT]))
    removed = first_look.unchanged(chosen.select(told).collect())
    if removed.is_empty():
        return None
    kept = _without(own, removed, plan)
    return Erasure(removed.height, pl.concat([rows.filter(~is_of_version), kept.select(names)]))


def erasure_by_versions(
    rows: pl.LazyFrame,
    plans: Mapping[str | None, FeaturePlan],
    *,
    filters: Sequence[Condition],
    first_looks: Mapping[str | None, FirstLook],
) -> Erasure | None:
    """Work out which rows stay when records of all feature versions go; None when all do.

    Args:
        rows: All stored rows.
        plans: How to tell the records of some feature versions, and at None those of all others.
        first_looks: One for each of the plans.
    """
    parts = rows_of_plans(rows, plans)
    found = {
        each: erasure(
            part,
            plans[each],
            feature_version=None,
            filters=filters,
            records=None,
            first_look=first_looks[each],
        )
        for each, part in parts.items()
    }
    return _together(parts, found)


def marked_erasure(
    rows: pl.LazyFrame, plans: Mapping[str | None, FeaturePlan], marks: Marks
) -> Erasure | None:
    """Work out which rows stay when all records with a marked row go; None when all do.

    Args:
        rows: All stored rows.
        plans: As `erasure_by_versions` takes them.
    """
    parts = rows_of_plans(rows, plans)
    return _together(parts, {each: _marked(parts[each], plans[each], marks) for each in parts})


def rows_of_plans(
    rows: pl.LazyFrame, plans: Mapping[str | None, FeaturePlan]
) -> dict[str | None, pl.LazyFrame]:
    """The rows of each feature version that has a plan of its own, and at None all others."""
    return rows_by_version(rows, [each for each in plans if each is not None])


def _together(
    parts: Mapping[str | None, pl.LazyFrame], found: Mapping[str | None, Erasure | None]
) -> Erasure | None:
    erased = [each for each in found.values() if each is not None]
    if not erased:
        return None
    untouched = [part for each, part in parts.items() if found[each] is None]
    remaining = pl.concat([*(each.remaining for each in erased), *untouched])
    return Erasure(sum(each.records for each in erased), remaining)


def _marked(rows: pl.LazyFrame, plan: FeaturePlan, marks: Marks) -> Erasure | None:
    own = complete_rows(rows, plan.records)
    told = [*plan.id_columns, *(plan.records.expansion_on or ()), FEATURE_VERSION]
    marked = marks.marked(own).select(list(dict.fromkeys(told))).collect()
    if marked.is_empty():
        return None
    removed, nameless_rows = marked.unique(), 0
    if plan.records.expansion_on is None:
        # Rows without an id, of versions whose ids nobody knows, have nothing in common but that.
        nameless = pl.any_horizontal(pl.col(name).is_null() for name in plan.id_columns)
        removed, nameless_rows = removed.filter(~nameless), marked.filter(nameless).height
        own = pl.concat([own.filter(~nameless), marks.unmarked(own.filter(nameless))])
    kept = _without(own, removed, plan)
    return Erasure(removed.height + nameless_rows, kept.select(rows.collect_schema().names()))


def named_records(
    rows: pl.LazyFrame | None,
    plan: FeaturePlan,
    *,
    filters: Sequence[Condition],
    records: pl.LazyFrame | None,
) -> pl.DataFrame:
    """One row a record that a purge is about, with its ids.

    Args:
        rows: All stored rows; None without a table.
        filters: What the newest row of a record, of any feature version, fulfils. Without filters
            the records needn't be stored at all.

    Raises:
        MetadataSchemaError: The records lack id columns.
        StoreError: Rows that fulfil the filters have no ids.
    """
    ids = list(plan.id_columns)
    if not filters and records is not None:
        _check_ids(records.collect_schema(), plan)
        return records.select(ids).drop_nulls().unique().collect()
    if rows is None:
        return pl.DataFrame(schema=dict.fromkeys(ids, pl.Null()))
    own = complete_rows(rows, plan.records)
    if plan.records.expansion_on is None:
        nameless = pl.any_horizontal(pl.col(name).is_null() for name in ids)
        _refuse_nameless(fulfilling(own.filter(nameless), filters), plan)
        own = own.filter(~nameless)
    newest = latest_records(own, id_columns=[*ids, FEATURE_VERSION])
    chosen = _chosen(newest, plan, filters=filters, records=records)
    return chosen.select(ids).unique().collect()


def _refuse_nameless(rows: pl.LazyFrame, plan: FeaturePlan) -> None:
    """Refuse to pass over rows that fulfil the conditions of a purge, and have no ids.

    Raises:
        StoreError: There are some.
    """
    found = rows.select(FEATURE_VERSION).collect()[FEATURE_VERSION]
    if found.is_empty():
        return
    versions = sorted(str(version) for version in found.unique())
    raise StoreError(
        f"{counted(found.len(), 'row')} of '{plan.key}' that fulfil the conditions have no "
        f"{listed(plan.id_columns)}, so that nobody can tell which records they are. They "
        f"are of feature versions that were never pushed: {listed(versions)}. Push the code of "
        "that time, or delete them with delete_metadata(soft=False) and vacuum.",
        feature=str(plan.key),
    )


def _without(own: pl.LazyFrame, removed: pl.DataFrame, plan: FeaturePlan) -> pl.LazyFrame:
    ids = [*plan.id_columns, FEATURE_VERSION]
    if plan.records.expansion_on is None:
        return remaining_rows(own, removed, id_columns=ids)
    parents = [*plan.records.expansion_on, FEATURE_VERSION]
    return remaining_children(own, removed, id_columns=ids, parent_columns=parents)


def _chosen(
    rows: pl.LazyFrame,
    plan: FeaturePlan,
    *,
    filters: Sequence[Condition],
    records: pl.LazyFrame | None,
) -> pl.LazyFrame:
    """The rows that fulfil the filters and, if records are given, have the ids of one."""
    chosen = fulfilling(rows, filters)
    if records is None:
        return chosen
    ids = list(plan.id_columns)
    schema = records.collect_schema()
    _check_ids(schema, plan)
    types = rows.collect_schema()
    common, unlike = common_id_types(schema, types, ids)
    faults = [
        f"'{name}' is {schema[name]}, and the stored records have {types[name]}" for name in unlike
    ]
    if faults:
        raise MetadataSchemaError(
            f"The records of '{plan.key}' to delete can't be compared with those stored",
            faults,
            feature=str(plan.key),
        )
    return rows_with_ids_of(chosen, records, common)


def _slips(missing: Sequence[str], schema: pl.Schema) -> str:
    return did_you_mean(missing[0], schema.names()) if len(missing) == 1 else ""


def _check_ids(schema: pl.Schema, plan: FeaturePlan) -> None:
    missing = [name for name in plan.id_columns if name not in schema]
    if missing:
        raise MetadataSchemaError(
            f"The records of '{plan.key}' to delete lack the id columns {listed(missing)}; "
            f"what was given has {listed(schema.names())}.{_slips(missing, schema)}",
            feature=str(plan.key),
        )
