"""From stored rows to the records that a reader asked for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import polars as pl

from metaxy.errors import MissingColumnsError
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.column_types import polars_type
from metaxy.models.definition import FeatureDefinition
from metaxy.versioning.latest import current_children, current_records, rows_by_version
from metaxy.versioning.scope import Condition, can_tell, fulfilling, tells_records_apart
from metaxy.versioning.system_columns import BY_FIELD, FEATURE_VERSION, STAMPS, SYSTEM_COLUMNS


def records_read(
    scan: Scan,
    plan: RecordsPlan,
    *,
    filters: Sequence[Condition],
    columns: Sequence[str] | None,
    latest_only: bool,
    across_versions: bool,
    definition: FeatureDefinition | None = None,
    older: Mapping[str, RecordsPlan] | None = None,
) -> pl.LazyFrame:
    """One row a current record, or a stored row when history is asked for.

    Conditions choose among current records: a superseded row never comes back because a condition
    leaves out its successor. Those on columns that name records may come first, which lets the scan
    skip files; names never change.

    Args:
        across_versions: The rows are of several feature versions, which are kept apart.
        definition: What the rows are read as, when they are of one version: declared columns that
            the table is still to get are null, and by-field structs have the feature's fields.
        older: How to tell the records of those feature versions for which `plan` isn't right.
    """
    rows = complete_rows(scan.frame, plan, definition)
    schema = rows.collect_schema()
    plans = [plan, *(older or {}).values()] if across_versions else [plan]
    for each in plans:
        rows = complete_rows(rows, each)
    naming = _naming(rows.collect_schema(), plans, across_versions=across_versions)
    early = [each for each in filters if not latest_only or _may_come_first(each, naming)]
    rows = fulfilling(rows, early)
    if latest_only and across_versions:
        rows = _current_of_versions(rows, plan, older or {})
    elif latest_only:
        rows = _current(rows, plan, instants=scan.instants)
    late = [each for each in filters if not any(each is one for one in early)]
    return fulfilling(rows, late).select(_selected(schema, plan, columns))


def _naming(
    schema: Mapping[str, pl.DataType], plans: Sequence[RecordsPlan], *, across_versions: bool
) -> dict[str, pl.DataType]:
    """The columns that are the same in all rows which supersede one another, by each plan."""
    naming = [{*(plan.expansion_on or plan.id_columns)} for plan in plans]
    apart = {FEATURE_VERSION} if across_versions else set[str]()
    names = naming[0].intersection(*naming[1:]) | apart
    return {name: schema[name] for name in sorted(names) if name in schema}


def _current_of_versions(
    rows: pl.LazyFrame, plan: RecordsPlan, older: Mapping[str, RecordsPlan]
) -> pl.LazyFrame:
    """One row a current record of each feature version."""
    parts = rows_by_version(rows, older)
    others = _current(parts.pop(None), plan, apart=(FEATURE_VERSION,))
    return pl.concat([others, *(_current(parts[each], one) for each, one in older.items())])


def _current(
    rows: pl.LazyFrame,
    plan: RecordsPlan,
    *,
    apart: tuple[str, ...] = (),
    instants: Collection[datetime] | None = None,
) -> pl.LazyFrame:
    """One row a current record; those that differ in the columns `apart` are several."""
    ids = (*plan.id_columns, *apart)
    if plan.expansion_on is None:
        return current_records(rows, id_columns=ids, instants=instants)
    return current_children(rows, id_columns=ids, parent_columns=(*plan.expansion_on, *apart))


def _may_come_first(condition: Condition, naming: Mapping[str, pl.DataType]) -> bool:
    """Whether a condition gives the same over stored rows as over current records."""
    return can_tell(condition, naming) and tells_records_apart(condition, naming)


def complete_rows(
    rows: pl.LazyFrame, plan: RecordsPlan, definition: FeatureDefinition | None = None
) -> pl.LazyFrame:
    """The rows with all columns that they are to have, also those that the table is still to get.

    A table in which all parents are childless so far has no column for the names of children, and
    one of a class that has just declared another column doesn't have that.
    """
    present = rows.collect_schema()
    declared = () if definition is None else definition.columns
    lacking = {name: pl.lit(None) for name in plan.id_columns if name not in present} | {
        column.name: pl.lit(None, dtype=polars_type(column.dtype))
        for column in declared
        if column.name not in present
    }
    structs = {} if definition is None else _exact_structs(present, definition)
    columns = lacking | structs
    return rows.with_columns(column.alias(name) for name, column in columns.items())


def _exact_structs(present: pl.Schema, definition: FeatureDefinition) -> dict[str, pl.Expr]:
    """The by-field structs with the feature's own fields, where tables of older ones have more."""
    wanted = sorted(field.key.column_name for field in definition.spec.fields)
    structs: dict[str, pl.Expr] = {}
    for name in BY_FIELD:
        dtype = present.get(name)
        names = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else wanted
        if set(wanted) < set(names):
            fields = (pl.col(name).struct.field(each) for each in wanted)
            structs[name] = pl.when(pl.col(name).is_not_null()).then(pl.struct(*fields))
    return structs


def _selected(schema: pl.Schema, plan: RecordsPlan, columns: Sequence[str] | None) -> list[str]:
    """The columns in reading order: ids, the user's (or those chosen), the system's."""
    own = [name for name in schema.names() if name not in SYSTEM_COLUMNS]
    if columns is not None:
        columns = [columns] if isinstance(columns, str) else columns
        missing = [name for name in columns if name not in schema]
        if missing:
            raise MissingColumnsError(
                "read_metadata", str(plan.key), missing=missing, available=own
            )
        own = [name for name in columns if name not in SYSTEM_COLUMNS]
    else:
        own = [*plan.id_columns, *(name for name in own if name not in plan.id_columns)]
    return [*own, *(name for name in (*BY_FIELD, *STAMPS) if name in schema)]
