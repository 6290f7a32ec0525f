"""The provenance of a record: what it was, or would be, computed from.

Everything here builds expressions over the columns of joined inputs. What is hashed, as specified
in docs/format.md ("Row hashes"):

- a field's provenance: the row of a header (the field's name, its code version and the full names
  of its parent fields, as JSON) and the version of each parent field;
- a record's provenance: the row of a header (the sorted names of its fields) and their values.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.graph.plan import FieldPlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.system_columns import (
    DATA_VERSION,
    DATA_VERSION_BY_FIELD,
    PROVENANCE,
    PROVENANCE_BY_FIELD,
)


@dataclass(frozen=True, slots=True)
class ParentVersion:
    """Where the joined frame has the version of a parent field.

    Attributes:
        column: The column with the version; null where the upstream's record has a null version.
        present: The column that is null where the upstream has no record; None when it always has.
        optional: Whether the definition lets the upstream lack records.
    """

    column: str
    present: str | None = None
    optional: bool = False


def field_provenance(
    field: FieldPlan,
    versions: Mapping[tuple[FeatureKey, FieldKey], ParentVersion],
    *,
    hasher: RowHasher,
) -> pl.Expr:
    """The version of what one field is computed from.

    A parent that may be missing has two values, whether it is there and its version, so that a
    missing record, a null version and an empty text all differ. For one that the definition
    requires, but records chosen by `load_input` lack, the header says so instead: then a hook that
    gives the same records as the join gives them the same versions.
    """
    names: list[tuple[str, pl.Expr | None]] = []
    values: list[pl.Expr] = []
    for feature, parent in field.parents:
        where = versions[feature, parent]
        present = None if where.present is None else pl.col(where.present)
        name = f"{feature.to_string()}.{parent.to_string()}"
        if present is not None and where.optional:
            names.append((f"{name}?", None))
            values.append(present)
        else:
            names.append((name, present))
        values.append(pl.col(where.column))
    header = _field_header(field, names)
    return hasher.hashed([header, *values])


def _field_header(field: FieldPlan, parents: Sequence[tuple[str, pl.Expr | None]]) -> pl.Expr:
    """A field's header; a parent with a condition has `!` after its name where that is null."""
    opening = f"[{_json(field.key.to_string())},{_json(field.code_version)},["
    if all(present is None for _, present in parents):
        return pl.lit(opening + ",".join(_json(name) for name, _ in parents) + "]]")
    named = [
        pl.lit(_json(name))
        if present is None
        else pl.when(present).then(pl.lit(_json(name))).otherwise(pl.lit(_json(f"{name}!")))
        for name, present in parents
    ]
    return pl.concat_str(pl.lit(opening), pl.concat_str(named, separator=","), pl.lit("]]"))


def record_version(by_field: Mapping[FieldKey, pl.Expr], *, hasher: RowHasher) -> pl.Expr:
    """The version of a whole record from the versions of its fields."""
    fields = sorted(by_field)
    header = pl.lit(_json([field.to_string() for field in fields]))
    return hasher.hashed([header, *(by_field[field] for field in fields)])


def _json(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def by_field_struct(by_field: Mapping[FieldKey, pl.Expr]) -> pl.Expr:
    """The struct of a by-field column: one text a field, sorted by column name."""
    named = {field.column_name: version for field, version in by_field.items()}
    return pl.struct(named[name].alias(name) for name in sorted(named))


def struct_fields(column: str, fields: Sequence[FieldKey]) -> dict[FieldKey, pl.Expr]:
    """The texts in a by-field column."""
    return {field: pl.col(column).struct.field(field.column_name) for field in fields}


def with_record_provenance(
    frame: pl.LazyFrame, fields: Sequence[FieldKey], *, hasher: RowHasher
) -> pl.LazyFrame:
    """Add `metaxy_provenance` to a frame that has `metaxy_provenance_by_field`."""
    by_field = struct_fields(PROVENANCE_BY_FIELD, fields)
    return frame.with_columns(
        by_field_struct(by_field).alias(PROVENANCE_BY_FIELD),
        record_version(by_field, hasher=hasher).alias(PROVENANCE),
    )


def with_data_versions(
    frame: pl.LazyFrame,
    fields: Sequence[FieldKey],
    *,
    supplied: Sequence[FieldKey],
    hasher: RowHasher,
) -> pl.LazyFrame:
    """Add what downstream features consume: the supplied versions, else the provenance.

    Args:
        frame: Has `metaxy_provenance_by_field` and `metaxy_provenance`; and, when `supplied` is not
            empty, `metaxy_data_version_by_field` with those fields. A null there, of the field or
            of the whole struct, falls back to the field's provenance.
    """
    if not supplied:
        return frame.with_columns(
            pl.col(PROVENANCE_BY_FIELD).alias(DATA_VERSION_BY_FIELD),
            pl.col(PROVENANCE).alias(DATA_VERSION),
        )
    provenance = struct_fields(PROVENANCE_BY_FIELD, fields)
    given = struct_fields(DATA_VERSION_BY_FIELD, supplied)
    by_field = {
        field: pl.coalesce(given[field], provenance[field]) if field in given else provenance[field]
        for field in fields
    }
    return frame.with_columns(
        by_field_struct(by_field).alias(DATA_VERSION_BY_FIELD),
        record_version(by_field, hasher=hasher).alias(DATA_VERSION),
    )
