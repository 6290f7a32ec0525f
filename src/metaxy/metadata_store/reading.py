"""From stored rows to the records that a reader asked for."""

from collections.abc import Mapping, Sequence

import polars as pl

from metaxy.errors import MissingColumnsError
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.column_types import polars_type
from metaxy.models.definition import FeatureDefinition
from metaxy.versioning.latest import current_children, current_records
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
) -> pl.LazyFrame:
    """One row a current record, or a stored row when history is asked for.

    Conditions choose among current records: a superseded row never comes back because a condition
    leaves out its successor. Those on columns that name records may come first, which lets the scan
    skip files; names never change.

    Args:
        across_versions: The rows are of several feature versions, which are kept apart.
        definition: What the rows are read as, when they are of one version: declared columns that
            the table is still to get are null, and by-field structs have the feature's fields.
    """
    rows = complete_rows(scan.frame, plan, definition)
    schema = rows.collect_schema()
    apart = (FEATURE_VERSION,) if across_versions else ()
    names = (*(plan.expansion_on or plan.id_columns), *apart)
    naming = {name: schema[name] for name in names if name in schema}
    early = [each for each in filters if not latest_only or _may_come_first(each, naming)]
    rows = fulfilling(rows, early)
    if latest_only and plan.expansion_on is None:
        instants = None if across_versions else scan.instants
        rows = current_records(rows, id_columns=names, instants=instants)
    elif latest_only:
        rows = current_children(rows, id_columns=(*plan.id_columns, *apart), parent_columns=names)
    late = [each for each in filters if not any(each is one for one in early)]
    return fulfilling(rows, late).select(_selected(schema, plan, columns))


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
