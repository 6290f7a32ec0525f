"""What a frame must be to be written as records of a feature, and the columns it is written with.

All reasons against a frame are told at once, before anything is written. The checks of the schema
need no data; those of the data are in `record_values`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.errors import (
    ContractViolationError,
    MetadataSchemaError,
    did_you_mean,
    listed,
)
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.alignment import alignment, struct_fields, typed
from metaxy.metadata_store.closed_tables import cast_to, closed_reasons
from metaxy.metadata_store.column_types import id_refusal, name_refusal, polars_type, refusal
from metaxy.metadata_store.record_values import Engine, ValuePlaces, value_reasons
from metaxy.models.contract import TableContract
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.provenance import with_data_versions, with_record_provenance
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.system_columns import (
    BY_FIELD,
    DATA_VERSION_BY_FIELD,
    PREFIX,
    PROVENANCE_BY_FIELD,
    STAMPS,
    SYSTEM_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class RecordContract:
    """What every record of a feature must have.

    Attributes:
        table: The contract of the table, whatever kind of class declares it.
        fields: None for rows that have no versions yet; then by-field columns aren't looked for.
        parent_columns: For a feature whose records are made by expansion: what names a parent.
    """

    table: TableContract
    fields: tuple[FieldKey, ...] | None
    parent_columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: FeaturePlan) -> "RecordContract":
        """The contract of a planned feature."""
        return cls(
            plan.contract,
            tuple(field.key for field in plan.fields),
            plan.grain if plan.expands else (),
        )

    @classmethod
    def of_names(
        cls, plan: FeaturePlan, names: tuple[str, ...], fields: tuple[FieldKey, ...]
    ) -> "RecordContract":
        """Of a frame that must only name something of a feature and say its versions."""
        return cls(TableContract(key=plan.key, project=plan.project, grain=names), fields)

    @property
    def feature(self) -> FeatureKey:
        """Whose records they are."""
        return self.table.key

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that name a record."""
        return self.table.grain

    @property
    def declared(self) -> dict[str, pl.DataType]:
        """The types of the declared columns."""
        return {column.name: polars_type(column.dtype) for column in self.table.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """The columns in which no record may have null, each once."""
        declared = (column.name for column in self.table.columns if not column.nullable)
        return tuple(dict.fromkeys((*self.id_columns, *self.parent_columns, *declared)))


def checked_records(
    frame: pl.LazyFrame,
    contract: RecordContract,
    *,
    table: pl.Schema | None,
    engine: Engine,
    subject: str | None = None,
    read: bool = True,
) -> pl.LazyFrame:
    """Give the frame with the types of its columns settled, or refuse it with every reason.

    Args:
        table: The columns of the feature's table; None when it has none yet.
        engine: What to run the checks of the data with.
        read: Whether the values may be read and checked now.

    Returns:
        The id columns, the user's columns (declared ones that the frame lacks as null) and the
        by-field columns that the frame has.

    Raises:
        MetadataSchemaError: With a reason for each thing that is wrong; a `ContractViolationError`
            where the contract is a closed one.
    """
    schema = frame.collect_schema()
    reasons = _schema_reasons(schema, contract, table)
    if contract.table.is_closed:
        reasons += closed_reasons(schema, contract.table, table)
    settled = frame.select(_settled_columns(schema, contract, table))
    settled_schema = settled.collect_schema()
    reasons += _type_reasons(settled_schema, contract, table)
    if read:
        reasons += value_reasons(settled, settled_schema, _places(contract), engine=engine)
    if reasons:
        refused = ContractViolationError if contract.table.is_closed else MetadataSchemaError
        raise refused(
            subject or f"Records of '{contract.feature}' can't be written",
            sorted(reasons),
            feature=str(contract.feature),
        )
    return settled


@dataclass(frozen=True, slots=True)
class Stamps:
    """What a write adds to every row, besides the instant."""

    feature_version: str
    snapshot_version: str
    materialization_id: str | None


def stamped_records(
    records: pl.LazyFrame, contract: RecordContract, stamps: Stamps, *, hasher: RowHasher
) -> pl.LazyFrame:
    """Add the versions and stamps to checked records, in the order of the table.

    `metaxy_created_at` is left null: the instant is known only when the commit is made.
    """
    schema = records.collect_schema()
    fields = contract.fields or ()
    supplied = struct_fields(schema.get(DATA_VERSION_BY_FIELD))
    versioned = with_data_versions(
        with_record_provenance(records, fields, hasher=hasher),
        fields,
        supplied=[field for field in fields if field.column_name in supplied],
        hasher=hasher,
    )
    values = {
        "metaxy_feature_version": stamps.feature_version,
        "metaxy_snapshot_version": stamps.snapshot_version,
        "metaxy_materialization_id": stamps.materialization_id,
        "metaxy_created_at": None,
        "metaxy_deleted_at": None,
    }
    literals = [pl.lit(value, dtype=STAMPS[name]).alias(name) for name, value in values.items()]
    return versioned.with_columns(literals).select(
        table_order(versioned.collect_schema().names(), contract.id_columns)
    )


def table_order(names: Iterable[str], id_columns: Sequence[str]) -> list[str]:
    """Columns as they stand on disk: ids, stamps, the user's, the by-field structs."""
    present = list(names)
    ids = [name for name in id_columns if name in present]
    own = [name for name in present if name not in SYSTEM_COLUMNS and name not in ids]
    return [*ids, *STAMPS, *own, *BY_FIELD]


def childless_markers(
    parents: pl.LazyFrame, children: pl.LazyFrame, contract: RecordContract
) -> pl.LazyFrame:
    """One row a parent without a child in this write: a record with null for a child's ids."""
    on = list(contract.parent_columns)
    schema = children.collect_schema()
    childless = parents.join(children.select(on), on=on, how="anti")
    return childless.select(
        pl.col(name)
        if name in (*on, PROVENANCE_BY_FIELD)
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    )


def _settled_columns(
    schema: pl.Schema, contract: RecordContract, table: pl.Schema | None
) -> list[pl.Expr]:
    """The frame's own columns, with types where it has none, and declared ones that it lacks."""
    declared = contract.declared
    known = dict(table or {}) | declared
    types = {name: typed(dtype, known.get(name)) for name, dtype in schema.items()}
    columns = [
        pl.col(name) if types[name] == dtype else pl.col(name).cast(types[name])
        for name, dtype in schema.items()
        if name not in STAMPS
    ]
    lacking = [name for name in declared if name not in schema and name not in contract.required]
    return columns + [pl.lit(None, dtype=declared[name]).alias(name) for name in lacking]


def _schema_reasons(
    schema: pl.Schema, contract: RecordContract, table: pl.Schema | None
) -> list[str]:
    """What is wrong with the names of the columns."""
    own = [name for name in schema if not name.startswith(PREFIX)]
    reasons = [
        f"the {_role(name, contract)} '{name}' is missing; the frame has {listed(own)}."
        + did_you_mean(name, own)
        for name in contract.required
        if name not in schema
    ]
    reasons += [
        f"'{name}' begins with '{PREFIX}', which is reserved for metaxy's own columns: rename it"
        for name in schema
        if name.casefold().startswith(PREFIX) and name not in SYSTEM_COLUMNS
    ]
    known = list(table or ())
    for name in schema:
        if name not in known:
            refused = name_refusal(name, known)
            reasons += [] if refused is None else [refused]
            known.append(name)
    return (
        reasons if contract.fields is None else reasons + _struct_reasons(schema, contract.fields)
    )


def _struct_reasons(schema: pl.Schema, own: Sequence[FieldKey]) -> list[str]:
    """What is wrong with the by-field columns."""
    wanted = sorted(field.column_name for field in own)
    if PROVENANCE_BY_FIELD not in schema:
        return [
            (
                f"'{PROVENANCE_BY_FIELD}' is missing: a struct of texts with the fields "
                f"{listed(wanted)}: of a root the versions that you choose, else as resolve_update "
                "gives it"
            )
        ]
    reasons: list[str] = []
    for name in BY_FIELD:
        if name not in schema or isinstance(schema[name], pl.Null):
            continue
        if not isinstance(schema[name], pl.Struct):
            reasons.append(f"'{name}' is {schema[name]}; it must be a struct of {listed(wanted)}")
            continue
        fields = struct_fields(schema[name])
        lacking = [field for field in wanted if field not in fields]
        if lacking and name == PROVENANCE_BY_FIELD:
            reasons.append(f"'{name}' lacks the fields {listed(lacking)}")
        foreign = sorted(field for field in fields if field not in wanted)
        if foreign:
            reasons.append(
                f"'{name}' has {listed(foreign)}, which the feature doesn't have among its fields "
                f"{listed(wanted)}"
            )
        reasons += [
            f"'{name}.{field}' is {dtype}; versions are texts: cast it to String"
            for field, dtype in sorted(fields.items())
            if field in wanted and not isinstance(dtype, pl.String | pl.Null)
        ]
    return reasons


def _type_reasons(
    schema: pl.Schema, contract: RecordContract, table: pl.Schema | None
) -> list[str]:
    """What is wrong with the types of the columns."""
    own = pl.Schema({name: dtype for name, dtype in schema.items() if name not in BY_FIELD})
    reasons = [_type_reason(name, dtype, contract, table=table) for name, dtype in own.items()]
    reasons += [
        _evolution_reason(name, schema[name], table[name])
        for name in BY_FIELD
        if name in schema and table is not None and name in table
    ]
    return [reason for reason in reasons if reason is not None]


def _type_reason(
    name: str, dtype: pl.DataType, contract: RecordContract, *, table: pl.Schema | None
) -> str | None:
    """Why a column of this type can't be written: the first reason of those that there may be."""
    declared = contract.declared.get(name, dtype)
    stored = dtype if table is None else table.get(name, dtype)
    if not _holds(declared, dtype):
        has, way_out = f"the class declares {declared}", cast_to(declared, dtype)
        if declared == stored:
            return f"'{name}' is {dtype}, and {has}, as the table has it: {way_out}"
        return f"'{name}' is {dtype}, and {has}: {way_out}, or change the class"
    refused = id_refusal(name, dtype) if name in contract.id_columns else refusal(name, dtype)
    if refused is not None:
        return refused
    conflicts = alignment(pl.Schema({name: dtype}), pl.Schema({name: stored})).conflicts
    if not conflicts:
        return _evolution_reason(name, dtype, stored)
    first = conflicts[0]
    return (
        f"'{first.column}' is {first.got}, and the table has {first.wanted}: cast it, or write it "
        "under another name, or drop the feature's metadata to begin anew"
    )


def _evolution_reason(name: str, dtype: pl.DataType, stored: pl.DataType) -> str | None:
    """Why the table's column can't get the struct fields that it lacks: twins but for their case.

    Fields of older feature versions stay in the by-field columns for good.
    """
    aligning = alignment(pl.Schema({name: dtype}), pl.Schema({name: stored}))
    return refusal(name, aligning.schema[name]) if aligning.evolves else None


def _holds(wanted: pl.DataType, got: pl.DataType) -> bool:
    """Whether a frame's struct has just fewer fields than declared, or in another order."""
    return not alignment(pl.Schema({"": got}), pl.Schema({"": wanted})).conflicts


def _places(contract: RecordContract) -> ValuePlaces:
    return ValuePlaces(
        contract.id_columns,
        contract.parent_columns,
        {name: _role(name, contract) for name in contract.required},
        contract.fields or (),
    )


def _role(name: str, contract: RecordContract) -> str:
    if name in contract.id_columns:
        return "id column"
    return "parent column" if name in contract.parent_columns else "declared column"
