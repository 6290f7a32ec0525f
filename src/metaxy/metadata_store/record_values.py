"""What is wrong with the values of records that are to be written.

A few aggregations that run together, also over frames that are too large for memory.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from metaxy.errors import counted
from metaxy.metadata_store.alignment import struct_fields
from metaxy.models.keys import FieldKey
from metaxy.versioning.system_columns import PROVENANCE_BY_FIELD

_EXAMPLES: Final = 3
_ROWS_AT_ONCE: Final = 1_000_000
Engine = Literal["in-memory", "streaming"]


@dataclass(frozen=True, slots=True)
class ValuePlaces:
    """Where values are looked at.

    Attributes:
        ids: The columns that name a row.
        parents: Those that name the parent of an expanded row; none of other rows.
        required: What must not be null: the columns, each with the word for it in messages.
        fields: Those whose provenance must not be null.
    """

    ids: Sequence[str]
    parents: Sequence[str]
    required: Mapping[str, str]
    fields: Sequence[FieldKey]


def value_reasons(
    frame: pl.LazyFrame,
    schema: pl.Schema,
    places: ValuePlaces,
    *,
    engine: Engine,
) -> list[str]:
    """What is wrong with the values; columns that are missing are left to the other checks."""
    nulls = _null_counts(schema, places)
    ids = [name for name in places.ids if name in schema]
    parents = [name for name in places.parents if name in schema]
    counts, torn = pl.collect_all(
        [
            frame.select(count.alias(reason) for reason, count in nulls.items()),
            _torn_parents(frame, schema, parents),
        ],
        engine=engine,
    )
    repeated = _repeated_ids(frame, ids, engine=engine)
    reasons = [
        f"{reason} in {counted(count, 'row')}"
        for reason, count in (zip(counts.columns, counts.row(0), strict=True) if nulls else ())
        if count
    ]
    if repeated.height:
        shown = _shown(repeated, ids, counting="row")
        reasons.append(
            f"{counted(repeated.height, 'id')} more than once: {shown}; write one row a record"
        )
    if torn.height:
        shown = _shown(torn, parents, counting="provenance")
        reasons.append(
            f"{counted(torn.height, 'parent')} with children of several provenances: "
            f"{shown}; all children of a parent carry the parent's"
        )
    return reasons


def _null_counts(schema: pl.Schema, places: ValuePlaces) -> dict[str, pl.Expr]:
    """For each place that must not be null: what to call it, and how often it is."""
    counts = {
        f"the {role} '{name}' is null": pl.col(name).null_count()
        for name, role in places.required.items()
        if name in schema
    }
    struct = schema.get(PROVENANCE_BY_FIELD)
    if not isinstance(struct, pl.Struct):
        return counts
    fields = struct_fields(struct)
    for field in places.fields:
        if field.column_name in fields:
            text = pl.col(PROVENANCE_BY_FIELD).struct.field(field.column_name)
            counts[f"'{PROVENANCE_BY_FIELD}.{field.column_name}' is null"] = text.null_count()
    return counts


def _repeated_ids(frame: pl.LazyFrame, ids: Sequence[str], *, engine: Engine) -> pl.DataFrame:
    """One row an id with several rows; ids with null are told apart from this.

    All ids of a frame may not fit into memory, so those of a large one are looked at in parts, each
    with all rows of its ids.
    """
    if not ids:
        return pl.DataFrame()
    names = frame.select(ids).drop_nulls()
    if engine == "in-memory" and _are_surely_distinct(names, ids):
        return pl.DataFrame()
    rows = 0 if engine == "in-memory" else frame.select(pl.len()).collect(engine=engine).item()
    number = 1 + rows // _ROWS_AT_ONCE
    part = _hashed(ids) % number
    parts = [names] if number == 1 else [names.filter(part == each) for each in range(number)]
    groups = (each.group_by(ids).len("rows").filter(pl.col("rows") > 1) for each in parts)
    return pl.concat([each.collect(engine=engine) for each in groups])


def _are_surely_distinct(names: pl.LazyFrame, ids: Sequence[str]) -> bool:
    """Whether no two rows have one hash, which is quicker to tell than which rows are repeated."""
    hashes = names.select(_hashed(ids)).collect().to_series()
    return hashes.n_unique() == len(hashes)


def _hashed(ids: Sequence[str]) -> pl.Expr:
    hashes = [pl.col(name).hash(seed) for seed, name in enumerate(ids)]
    return functools.reduce(pl.Expr.xor, hashes)


def _torn_parents(frame: pl.LazyFrame, schema: pl.Schema, parents: Sequence[str]) -> pl.LazyFrame:
    """One row a parent whose children don't agree on where they come from."""
    if not parents or not isinstance(schema.get(PROVENANCE_BY_FIELD), pl.Struct):
        return pl.LazyFrame()
    groups = frame.group_by(parents).agg(pl.col(PROVENANCE_BY_FIELD).n_unique().alias("rows"))
    return groups.filter(pl.col("rows") > 1)


def _shown(groups: pl.DataFrame, names: Sequence[str], *, counting: str) -> str:
    """A few of the groups, sorted: `id=1 (2 rows), id=7 (3 rows)`."""
    few = groups.sort(names).head(_EXAMPLES)
    texts = [
        f"{', '.join(f'{name}={row[name]!r}' for name in names)} ({counted(row['rows'], counting)})"
        for row in few.iter_rows(named=True)
    ]
    return ", ".join(texts) + (", …" if groups.height > _EXAMPLES else "")
