"""From stored rows to the records that a reader asked for."""

from collections.abc import Sequence

import polars as pl

from metaxy.errors import MissingColumnsError
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.chain import Scan
from metaxy.versioning.latest import current_children, current_records
from metaxy.versioning.scope import Condition, can_tell, fulfilling
from metaxy.versioning.system_columns import BY_FIELD, FEATURE_VERSION, STAMPS, SYSTEM_COLUMNS


def records_read(
    scan: Scan,
    plan: RecordsPlan,
    *,
    filters: Sequence[Condition],
    columns: Sequence[str] | None,
    latest_only: bool,
    across_versions: bool,
) -> pl.LazyFrame:
    """One row a current record, or a stored row when history is asked for.

    Conditions choose among current records: a superseded row never comes back because a condition
    leaves out its successor. Those on columns that name records may come first, which lets the scan
    skip files; names never change.

    Args:
        across_versions: The rows are of several feature versions, which are kept apart.
    """
    rows = with_id_columns(scan.frame, plan)
    schema = rows.collect_schema()
    apart = (FEATURE_VERSION,) if across_versions else ()
    names = (*(plan.expansion_on or plan.id_columns), *apart)
    naming = {name: schema[name] for name in names if name in schema}
    early = [each for each in filters if not latest_only or can_tell(each, naming)]
    rows = fulfilling(rows, early)
    if latest_only and plan.expansion_on is None:
        instants = None if across_versions else scan.instants
        rows = current_records(rows, id_columns=names, instants=instants)
    elif latest_only:
        rows = current_children(rows, id_columns=(*plan.id_columns, *apart), parent_columns=names)
    late = [each for each in filters if not any(each is one for one in early)]
    return fulfilling(rows, late).select(_selected(schema, plan, columns))


def with_id_columns(rows: pl.LazyFrame, plan: RecordsPlan) -> pl.LazyFrame:
    """The rows with all id columns, also those that the table is still to get.

    A table in which all parents are childless so far has no column for the names of children.
    """
    present = rows.collect_schema()
    lacking = [name for name in plan.id_columns if name not in present]
    return rows.with_columns(pl.lit(None).alias(name) for name in lacking) if lacking else rows


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
