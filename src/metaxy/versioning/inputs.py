"""One upstream feature as it enters the join: filtered, renamed, aggregated.

The steps are those of `InputPlan`. What comes out has one row a record (identity, expansion) or a
group (aggregation): the id columns, the carried columns, and a column for each part of a field's
provenance that the upstream gives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from metaxy.errors import ColumnCollisionError, MissingColumnsError
from metaxy.graph.plan import InputPlan, RecordsPlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.filters import filter_expression
from metaxy.versioning.latest import current_children, current_records
from metaxy.versioning.provenance import Part
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.system_columns import DATA_VERSION_BY_FIELD, PREFIX


@dataclass(frozen=True, slots=True)
class StoredRows:
    """What a store holds of one feature version.

    Attributes:
        frame: One row a stored row, superseded ones and tombstones included; None when there is no
            table. Every column of the table, or at least those that the plan needs.
        instants: What the store can tell without reading: the `metaxy_created_at` of each commit
            that has rows of this version, in any order. None when it can't tell, or when two
            commits share one.
    """

    frame: pl.LazyFrame | None
    instants: tuple[datetime, ...] | None = None

    def replaced(self, frame: pl.LazyFrame) -> "StoredRows":
        """Some of the same rows."""
        return StoredRows(frame, self.instants)


NOTHING_STORED: Final = StoredRows(None)


def stored_records(rows: StoredRows, plan: RecordsPlan) -> pl.LazyFrame:
    """One row a current record of a feature, whatever its lineage; of a table that exists."""
    if rows.frame is None:
        raise ValueError(f"'{plan.key}' has no table")
    if plan.expansion_on is None:
        return current_records(rows.frame, id_columns=plan.id_columns, instants=rows.instants)
    return current_children(
        rows.frame, id_columns=plan.id_columns, parent_columns=plan.expansion_on
    )


@dataclass(frozen=True, slots=True)
class PreparedInput:
    """An upstream, ready to be joined.

    Attributes:
        frame: One row a record or group; `plan.id_columns`, `carried`, `versions`.
        carried: The user columns, by their names after renames.
        versions: The column with each part.
    """

    plan: InputPlan
    frame: pl.LazyFrame
    carried: tuple[str, ...]
    versions: dict[Part, str]


def prepared_input(
    records: pl.LazyFrame,
    plan: InputPlan,
    *,
    feature: FeatureKey,
    position: int,
    parts: Sequence[Part],
    hasher: RowHasher,
) -> PreparedInput:
    """Filter, select, rename and group the current records of an upstream.

    Args:
        records: One row a current record, with the upstream's own column names.
        position: Where the input stands in the plan; keeps the version columns of inputs apart.
        parts: What is needed of the fields' versions.
    """
    schema = records.collect_schema()
    _check_columns(plan, schema, needed_by=feature)
    for static_filter in plan.filters:
        records = records.filter(filter_expression(static_filter, schema))
    fields = sorted({field for part in parts for field in part.fields})
    versions = {field: f"{PREFIX}version_{field.column_name}" for field in fields}
    ids = {name: plan.rename.get(name, name) for name in plan.upstream_id_columns}
    names = _carried_names(plan, schema, taken=ids.values())
    renamed = records.select(
        *(pl.col(old).alias(new) for old, new in (ids | names).items()),
        *(_stored_version(field, schema).alias(column) for field, column in versions.items()),
    )
    if plan.lineage.kind != "aggregation":
        # Rows that lack a name (another program's) can't be records; they would be added for ever.
        frame = renamed.drop_nulls(list(ids.values()))
        carried = tuple(names.values())
    else:
        carried = ()
        frame = aggregated_versions(
            renamed,
            on=plan.lineage.on,
            member_ids=tuple(ids.values()),
            versions=tuple(versions.values()),
            hasher=hasher,
        )
    columns = part_columns(parts, position=position)
    values = (
        _part_value([versions[field] for field in part.fields], hasher=hasher).alias(column)
        for part, column in columns.items()
    )
    return PreparedInput(plan, frame.select(*plan.id_columns, *carried, *values), carried, columns)


def absent_input(
    plan: InputPlan,
    *,
    position: int,
    parts: Sequence[Part],
    types: Mapping[str, pl.DataType],
) -> PreparedInput:
    """An input without a table: no rows, and nothing carried, since nothing is known of it.

    Args:
        types: Of the id columns, as they are elsewhere.
    """
    columns = part_columns(parts, position=position)
    ids = {name: types.get(name, pl.String()) for name in plan.id_columns}
    values = {
        column: pl.String() if len(part.fields) == 1 else pl.Binary()
        for part, column in columns.items()
    }
    return PreparedInput(plan, pl.LazyFrame(schema=ids | values), (), columns)


def part_columns(parts: Iterable[Part], *, position: int) -> dict[Part, str]:
    """The columns for the parts of an input; no two inputs share one."""
    return {part: f"{PREFIX}input_{position}_{number}" for number, part in enumerate(parts)}


def _part_value(versions: Sequence[str], *, hasher: RowHasher) -> pl.Expr:
    columns = [pl.col(name) for name in versions]
    return columns[0] if len(columns) == 1 else hasher.digest_bytes(columns)


def qualified(name: str, plan: InputPlan, taken: Iterable[str]) -> str:
    """The name of a carried column, another one where the name is taken, also by case alone.

    Declared columns that collide were refused when the graph was built; only columns that a table
    has beyond its class are left, and they get `<column>__<table name of the upstream>`.
    """
    used = {each.casefold() for each in taken}
    if name.casefold() not in used:
        return name
    longer = f"{name}__{plan.upstream.table_name}"
    if longer.casefold() in used:
        raise ColumnCollisionError(
            f"The column '{name}' of '{plan.upstream}' meets another one of that name, and "
            f"'{longer}', which it would be called instead, is taken too. "
            "Rename it in the dependency, or leave it out with `columns`.",
            columns=[name, longer],
        )
    return longer


def aggregated_versions(
    members: pl.LazyFrame,
    *,
    on: Sequence[str],
    member_ids: Sequence[str],
    versions: Sequence[str],
    hasher: RowHasher,
) -> pl.LazyFrame:
    """One row a group: its `on` columns and, in each version column, the hash of its members.

    Each (member ids, version) pair has a digest of fixed width; the group's hash is over those,
    joined in the order of the member ids, so that the order of rows doesn't matter and any member's
    change, arrival or departure does. A member with null in an `on` column belongs to no group.
    """
    ids = [pl.col(name) for name in member_ids]
    return (
        members.drop_nulls(list(on))
        .with_columns(hasher.digest([*ids, pl.col(name)]).alias(name) for name in versions)
        .sort(member_ids)
        .group_by(list(on))
        .agg(pl.col(name).str.join("") for name in versions)
        .with_columns(hasher.hashed([pl.col(name)]).alias(name) for name in versions)
    )


def _carried_names(plan: InputPlan, schema: pl.Schema, *, taken: Iterable[str]) -> dict[str, str]:
    """The carried columns by their own names, with those after renames."""
    columns = _carried_columns(plan, schema)
    names = {name: plan.rename[name] for name in columns if name in plan.rename}
    for name in columns:
        if name not in names:
            names[name] = qualified(name, plan, [*taken, *names.values()])
    return {name: names[name] for name in columns}


def _carried_columns(plan: InputPlan, schema: pl.Schema) -> list[str]:
    """The upstream's user columns that come along, by their own names, in the table's order."""
    stored = [
        name
        for name in schema.names()
        if not name.startswith(PREFIX) and name not in plan.upstream_id_columns
    ]
    if plan.lineage.kind == "aggregation":
        original = {new: old for old, new in plan.rename.items()}
        on = {original.get(name, name) for name in plan.lineage.on}
        return [name for name in stored if name in on]
    return [name for name in stored if plan.columns is None or name in plan.columns]


def _check_columns(plan: InputPlan, schema: pl.Schema, *, needed_by: FeatureKey) -> None:
    """Refuse a selection, rename or filter of columns that the upstream's table does not have."""
    original = {new: old for old, new in plan.rename.items()}
    needed = {
        *(plan.columns or ()),
        *plan.rename,
        *(column for each in plan.filters for column in each.columns),
        *(original.get(name, name) for name in plan.lineage.on),
        *plan.upstream_id_columns,
    }
    missing = sorted(name for name in needed if name not in schema)
    if missing:
        raise MissingColumnsError(
            needed_by.to_string(),
            plan.upstream.to_string(),
            missing=missing,
            available=[name for name in schema.names() if not name.startswith(PREFIX)],
        )


def _stored_version(field: FieldKey, schema: pl.Schema) -> pl.Expr:
    """The version of a field; null when no row of the table has ever had the field."""
    struct = schema.get(DATA_VERSION_BY_FIELD)
    if isinstance(struct, pl.Struct) and any(
        each.name == field.column_name for each in struct.fields
    ):
        return pl.col(DATA_VERSION_BY_FIELD).struct.field(field.column_name)
    return pl.lit(None, dtype=pl.String)
