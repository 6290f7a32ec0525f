"""The provenance of a record: what it was, or would be, computed from.

Everything here builds expressions over the columns of joined inputs. What is hashed, as specified
in docs/format.md ("Row hashes"):

- a field's provenance: the row of a header (the field's name, its code version and the full names
  of its parent fields) and the versions of the parent fields, an upstream at a time (`Part`);
- a record's provenance: the row of a header (the sorted names of its fields) and their values.

A header enters as a short digest of its JSON: it is the same in every row, but would be hashed in
every row, and the names of many parents are longer than their versions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import polars as pl
import polars_hash as plh

from metaxy.graph.plan import FieldPlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.system_columns import (
    DATA_VERSION,
    DATA_VERSION_BY_FIELD,
    PROVENANCE,
    PROVENANCE_BY_FIELD,
)

_HEADER_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Part:
    """What one upstream gives to a field's provenance as one value.

    A field with parents in several upstreams has a part of each: the upstream's version where it
    has one parent there, else the digest of the row of its parents' versions. A digest of versions
    is made before the join, where they lie one after the other in memory: joined rows have them
    all over it, and would be hashed several times slower. A field with all its parents in one
    upstream has them one by one.

    Attributes:
        fields: Sorted; several are hashed.
    """

    upstream: FeatureKey
    fields: tuple[FieldKey, ...]


@dataclass(frozen=True, slots=True)
class PartVersion:
    """Where the joined frame has a part.

    Attributes:
        column: The column with the value; a version is null where the upstream's record has none.
        present: The column that is null where the upstream has no record; None when it always has.
        optional: Whether the definition lets the upstream lack records.
    """

    column: str
    present: str | None = None
    optional: bool = False


def field_parts(field: FieldPlan) -> list[Part]:
    """The parts of a field's provenance, in the order in which they are hashed."""
    by_upstream = {
        upstream: tuple(parent for _, parent in parents)
        for upstream, parents in groupby(field.parents, key=itemgetter(0))
    }
    if len(by_upstream) == 1:
        return [Part(upstream, (parent,)) for upstream, parent in field.parents]
    return [Part(upstream, fields) for upstream, fields in by_upstream.items()]


def field_provenance(
    field: FieldPlan, versions: Mapping[Part, PartVersion], *, hasher: RowHasher
) -> pl.Expr:
    """The version of what one field is computed from.

    An upstream that may be missing has one value more, in front: whether it is there, so that a
    missing record, a null version and an empty text all differ. For one that the definition
    requires, but records chosen by `load_input` lack, the header says so instead: then a hook that
    gives the same records as the join gives them the same versions.
    """
    names: list[tuple[str, pl.Expr | None]] = []
    values: list[pl.Expr] = []
    told: set[FeatureKey] = set()
    for part in field_parts(field):
        where = versions[part]
        present = None if where.present is None else pl.col(where.present)
        if present is not None and where.optional and part.upstream not in told:
            told.add(part.upstream)
            values.append(present)
        values.append(pl.col(where.column))
        for parent in part.fields:
            name = f"{part.upstream.to_string()}.{parent.to_string()}"
            names.append((f"{name}?", None) if where.optional else (name, present))
    header = _field_header(field, names)
    return hasher.hashed([header, *values])


def _field_header(field: FieldPlan, parents: Sequence[tuple[str, pl.Expr | None]]) -> pl.Expr:
    """A field's header; a parent with a condition has `!` after its name where that is null."""
    opening = f"[{_json(field.key.to_string())},{_json(field.code_version)},["
    if all(present is None for _, present in parents):
        return _header(opening + ",".join(_json(name) for name, _ in parents) + "]]")
    named = [
        pl.lit(_json(name))
        if present is None
        else pl.when(present).then(pl.lit(_json(name))).otherwise(pl.lit(_json(f"{name}!")))
        for name, present in parents
    ]
    text = pl.concat_str(pl.lit(opening), pl.concat_str(named, separator=","), pl.lit("]]"))
    return plh.CryptographicHashingNameSpace(text).sha2_256().str.slice(0, _HEADER_DIGITS)


def record_version(by_field: Mapping[FieldKey, pl.Expr], *, hasher: RowHasher) -> pl.Expr:
    """The version of a whole record from the versions of its fields."""
    fields = sorted(by_field)
    header = _header(_json([field.to_string() for field in fields]))
    return hasher.hashed([header, *(by_field[field] for field in fields)])


def _header(text: str) -> pl.Expr:
    return pl.lit(hashlib.sha256(text.encode()).hexdigest()[:_HEADER_DIGITS])


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
