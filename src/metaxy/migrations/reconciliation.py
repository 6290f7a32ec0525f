"""What a migration may carry over, and the rows that it carries.

Graphs in, reasons out; rows in, rows out. Nothing is read here. Why it is done like this is told in
docs/adr/0006-migrations.md.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from metaxy.graph.canonical import filters_text
from metaxy.graph.diff import feature_change
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan, InputPlan, RecordsPlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.latest import (
    current_children,
    current_records,
    is_childless_marker,
    latest_records,
)
from metaxy.versioning.matching import matching_values
from metaxy.versioning.system_columns import (
    CREATED_AT,
    DATA_VERSION_BY_FIELD,
    PREFIX,
    PROVENANCE,
    PROVENANCE_BY_FIELD,
)

STATE: Final = f"{PREFIX}state"
"""What a record of the old feature version is; one of the next three."""
IN_SYNC: Final = "in sync"
OUT_OF_DATE: Final = "out of date"
ORPHANED: Final = "orphaned"

IS_MARKER: Final = f"{PREFIX}is_marker"
"""Whether a row is no record, but says that a parent was expanded to nothing."""

_WANTED: Final = f"{PREFIX}wanted"
_OTHERWISE: Final = f"{PREFIX}otherwise"
_IS_UNDONE: Final = f"{PREFIX}is_undone"
_RESULT_MAY_DIFFER: Final = ("code_version", "id_columns", "lineage")


def affected_features(old: FeatureGraph, new: FeatureGraph) -> tuple[FeatureKey, ...]:
    """The features of both graphs that have another feature version, upstreams first."""
    return tuple(key for key in new.topological_order() if is_affected(key, old, new))


def is_affected(feature: FeatureKey, old: FeatureGraph, new: FeatureGraph) -> bool:
    """Whether both graphs have a feature, in different versions."""
    return (
        feature in old
        and feature in new
        and old.feature_version(feature) != new.feature_version(feature)
    )


def refusals(
    old: FeatureGraph,
    new: FeatureGraph,
    feature: FeatureKey,
    *,
    assume_same_result: bool,
    carried: frozenset[FeatureKey],
) -> tuple[str, ...]:
    """Why the records of a feature can't be carried from one graph to another; empty if they can.

    Args:
        assume_same_result: Take the user's word where nothing can be shown.
        carried: The features that the same migration carries or backfills.
    """
    for graph, which in ((old, "old"), (new, "new")):
        if feature not in graph:
            return (f"'{feature}' is not in the {which} graph, so there is nothing to carry.",)
    found = [
        *_refused_root(old, new, feature),
        *_refused_inputs(old, new, feature, carried=carried),
    ]
    if not assume_same_result:
        found += _refused_changes(old, new, feature)
    return tuple(found)


def _refused_changes(old: FeatureGraph, new: FeatureGraph, feature: FeatureKey) -> Iterator[str]:
    remedy = (
        "Leave the operation out, so that its records are computed again; or, if you know that "
        "the results are the same, say assume_same_result: true."
    )
    for each in feature_change(feature, old, new).changes:
        if each.kind in _RESULT_MAY_DIFFER:
            yield f"The results of '{feature}' may be others now ({each}). {remedy}"
    for change in _changed_matches(old.plan(feature), new.plan(feature)):
        yield f"The results of '{feature}' may be others now ({change}). {remedy}"
    if old.plan(feature).is_root != new.plan(feature).is_root:
        was, now = (
            ("a root", "made from others")
            if old.plan(feature).is_root
            else (
                "made from others",
                "a root",
            )
        )
        yield f"'{feature}' was {was} and is {now} now. {remedy}"


def _changed_matches(old: FeaturePlan, new: FeaturePlan) -> Iterator[str]:
    """Dependencies that give a record other upstream records than before.

    Filters do where several records make one, or where one may be missing. Elsewhere they decide
    which records there are, not what they are made from.
    """
    before = {each.upstream: each for each in old.inputs}
    for now in new.inputs:
        was = before.get(now.upstream)
        if was is None:
            continue
        of = f"dependency on '{now.upstream}'"
        filters = [filters_text(each.filters) or "none" for each in (was, now)]
        decides = now.optional or was.optional or now.lineage.kind == "aggregation"
        if decides and filters[0] != filters[1]:
            yield f"{of}: filters: {filters[0]} -> {filters[1]}"
        names = [_names_by_id(each) for each in (was, now)]
        if any(names[0][name] != names[1][name] for name in names[0].keys() & names[1].keys()):
            renames = [
                ", ".join(f"{own} as {name}" for name, own in each.items()) for each in names
            ]
            yield f"{of}: rename: {renames[0]} -> {renames[1]}"


def _names_by_id(plan: InputPlan) -> dict[str, str]:
    """For each column that an input is joined on, what the upstream calls it, if that stays."""
    original = {now: was for was, now in plan.rename.items()}
    return {name: original.get(name, name) for name in plan.id_columns}


def _refused_root(old: FeatureGraph, new: FeatureGraph, feature: FeatureKey) -> Iterator[str]:
    if not new.plan(feature).is_root:
        return
    before, after = (
        {field.key for field in graph.definition(feature).spec.fields} for graph in (old, new)
    )
    if before != after:
        yield (
            f"The root '{feature}' had the fields {_names(before)} and has {_names(after)} now; "
            "the versions of a root's fields come from its samples, so nobody can tell those of "
            "the new ones. Write a MetadataBackfill that maps the old fields to them."
        )


def _refused_inputs(
    old: FeatureGraph, new: FeatureGraph, feature: FeatureKey, *, carried: frozenset[FeatureKey]
) -> Iterator[str]:
    for each in new.plan(feature).inputs:
        key = each.upstream
        if is_affected(key, old, new) and key not in carried:
            yield (
                f"'{feature}' is made from '{key}', which has another version now and is not "
                "carried by this migration: what is computed again upstream must be computed "
                f"again here. Leave the operation out, or add one for '{key}'."
            )


def _names(fields: set[FieldKey]) -> str:
    return ", ".join(f"'{field}'" for field in sorted(fields))


def current_rows(
    rows: pl.LazyFrame, plan: RecordsPlan, *, instants: Collection[datetime] | None
) -> pl.LazyFrame:
    """One row a current record, and one a parent that was expanded to nothing (`IS_MARKER`).

    Rows that lack a name, which other programs may have written, can't be records.

    Args:
        rows: The stored ones of one feature version.
        instants: As in `metaxy.versioning.inputs.StoredRows`.
    """
    ids, parents = plan.id_columns, plan.expansion_on
    if parents is None:
        records = current_records(rows, id_columns=ids, instants=instants).drop_nulls(list(ids))
        return records.with_columns(pl.lit(value=False).alias(IS_MARKER))
    children = current_children(rows, id_columns=ids, parent_columns=parents)
    newest = latest_records(rows, id_columns=parents).filter(is_childless_marker(ids, parents))
    childless = newest.join(children, on=list(parents), how="anti").drop_nulls(list(parents))
    return pl.concat(
        [
            children.drop_nulls(list(ids)).with_columns(pl.lit(value=False).alias(IS_MARKER)),
            childless.with_columns(pl.lit(value=True).alias(IS_MARKER)),
        ]
    )


def with_states(
    records: pl.DataFrame, expected: pl.DataFrame | None, *, grain: Sequence[str]
) -> pl.DataFrame:
    """Add to each record, in `STATE`, what it is under the definitions that it was made by.

    Args:
        records: One row a stored record.
        expected: One row an expected record: the columns of `grain` and `metaxy_provenance`. None
            for a root: what is stored of it is what its samples said.
    """
    if expected is None:
        return records.with_columns(pl.lit(IN_SYNC).alias(STATE))
    wanted = matching_values(records, expected, on=grain, column=PROVENANCE)
    state = (
        pl.when(wanted.is_null())
        .then(pl.lit(ORPHANED))
        .when(wanted == records.get_column(PROVENANCE))
        .then(pl.lit(IN_SYNC))
        .otherwise(pl.lit(OUT_OF_DATE))
    )
    return records.with_columns(state.alias(STATE))


def without_uncertain(
    records: pl.DataFrame, wanted: pl.DataFrame, otherwise: pl.DataFrame, *, grain: Sequence[str]
) -> pl.DataFrame:
    """Take the records for out of date that are made from upstream records nobody can tell.

    Args:
        records: One row a record of the old version, with its `STATE`.
        wanted: As `carried_records` takes it.
        otherwise: The same with other versions in place of those that aren't known.
    """
    other = matching_values(wanted, otherwise, on=grain, column=PROVENANCE_BY_FIELD)
    uncertain = (
        wanted.with_columns(other.alias(_OTHERWISE))
        .filter(pl.col(PROVENANCE_BY_FIELD).ne_missing(pl.col(_OTHERWISE)))
        .with_columns(pl.lit(value=True).alias(_OTHERWISE))
    )
    found = matching_values(records, uncertain, on=grain, column=_OTHERWISE)
    is_uncertain = pl.lit(found).fill_null(value=False) & (pl.col(STATE) == IN_SYNC)
    state = pl.when(is_uncertain).then(pl.lit(OUT_OF_DATE)).otherwise(pl.col(STATE))
    return records.with_columns(state.alias(STATE))


def not_superseded(
    records: pl.DataFrame, newer: pl.DataFrame, *, grain: Sequence[str], undone: pl.Expr
) -> pl.DataFrame:
    """Drop the records of which the new feature version has a later row, if only a tombstone.

    Args:
        records: One row a stored record, with its `metaxy_created_at`.
        newer: One row a stored row of the new version.
        undone: Whether a row says "as if it had never been carried".
    """
    if newer.is_empty():
        return records
    on = list(grain)
    latest = newer.group_by(on).agg(
        pl.col(CREATED_AT).max(), undone.sort_by(CREATED_AT).last().alias(_IS_UNDONE)
    )
    counting = latest.filter(~pl.col(_IS_UNDONE))
    later = matching_values(records, counting, on=on, column=CREATED_AT)
    written = pl.col(CREATED_AT).max().over(on)
    return records.filter(later.is_null() | (later < records.select(written).to_series()))


def carried_records(
    records: pl.DataFrame,
    wanted: pl.DataFrame | None,
    *,
    grain: Sequence[str],
    fields: Sequence[FieldKey],
) -> pl.DataFrame:
    """The records with the by-field columns that they are to have under the new definitions.

    One that is in sync gets the provenance that is wanted; any other, and one that isn't wanted
    any more (`ORPHANED` from then on), keeps its own. Where it has none because the field is new,
    it gets the provenance of the whole old record, which no field can be expected to have.

    Args:
        records: One row a record of the old version, with its `STATE`.
        wanted: One row a record that is expected under the new definitions: the columns of `grain`
            and `metaxy_provenance_by_field`. None for a root, whose provenance stays.
        fields: Those of the new definition.
    """
    names = sorted(field.column_name for field in fields)
    old_provenance = _texts(PROVENANCE_BY_FIELD, names, records.schema)
    old_versions = _texts(DATA_VERSION_BY_FIELD, names, records.schema)
    kept = {name: pl.coalesce(old_provenance[name], pl.col(PROVENANCE)) for name in names}
    if wanted is None:
        provenance = kept
    else:
        new = matching_values(records, wanted, on=grain, column=PROVENANCE_BY_FIELD)
        is_lost = (pl.col(STATE) == IN_SYNC) & pl.lit(new.is_null())
        state = pl.when(is_lost).then(pl.lit(ORPHANED)).otherwise(pl.col(STATE))
        records = records.with_columns(state.alias(STATE), new.alias(_WANTED))
        is_in_sync = pl.col(STATE) == IN_SYNC
        provenance = {
            name: pl.when(is_in_sync).then(pl.col(_WANTED).struct.field(name)).otherwise(own)
            for name, own in kept.items()
        }
    supplied = [
        pl.when(old_versions[name].ne_missing(old_provenance[name])).then(old_versions[name])
        for name in names
    ]
    return records.with_columns(
        pl.struct(text.alias(name) for name, text in provenance.items()).alias(PROVENANCE_BY_FIELD),
        pl.struct(text.alias(name) for name, text in zip(names, supplied, strict=True)).alias(
            DATA_VERSION_BY_FIELD
        ),
    ).drop(_WANTED, strict=False)


def _texts(column: str, names: Sequence[str], schema: pl.Schema) -> dict[str, pl.Expr]:
    """The texts of fields in a by-field column; null for those that it lacks."""
    struct = schema.get(column)
    known = {each.name for each in struct.fields} if isinstance(struct, pl.Struct) else set[str]()
    return {
        name: pl.col(column).struct.field(name) if name in known else pl.lit(None, dtype=pl.String)
        for name in names
    }
