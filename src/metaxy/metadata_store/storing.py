"""Writes to a store: from a user's frame to a commit, and its result."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import StoreError, UsageError
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.closed_tables import not_created
from metaxy.metadata_store.column_types import refusal
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.deleting import (
    Erasure,
    FirstLook,
    erasure,
    erasure_by_versions,
    named_records,
    rows_of_plans,
    tombstones,
)
from metaxy.metadata_store.frames import Filter, conditions, polars_frame
from metaxy.metadata_store.older_versions import plans_by_version
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.reading import records_read
from metaxy.metadata_store.records import RecordContract, Stamps, checked_records
from metaxy.metadata_store.writing import (
    WriteResult,
    next_instant,
    prepared_write,
    source_frame,
    with_instant,
)
from metaxy.models.keys import FeatureKey
from metaxy.versioning.scope import Condition
from metaxy.versioning.system_columns import FEATURE_VERSION, PROVENANCE_BY_FIELD

NOTHING_WRITTEN = WriteResult(0)


def write_records(
    store: OpenableStore,
    plan: FeaturePlan,
    df: IntoFrame | None,
    *,
    stamps: Stamps,
    native_only: bool,
    may_create: bool,
    idempotency_key: str | None,
    expanded_parents: IntoFrame | None,
) -> WriteResult:
    """Check a frame as a whole and append it in one commit."""
    check_idempotency_key(store, idempotency_key)
    since = time.monotonic()
    contract = RecordContract.of(plan)
    table = store.table_schema(plan.key)
    parents = None
    if expanded_parents is not None:
        what = f"expanded_parents of '{plan.key}'"
        parents = polars_frame(expanded_parents, what=what, native_only=native_only).lazy()
    if parents is not None and df is None:
        given = _no_children(contract, parents, table)
    else:
        given = polars_frame(df, what=f"The frame for '{plan.key}'", native_only=native_only)
    if isinstance(given, pl.LazyFrame) and any(
        refusal(*column) for column in given.collect_schema().items()
    ):
        # Told before it is evaluated: into a file, which couldn't hold every type.
        checked_records(given, contract, table=table, engine="streaming", read=False)
    with source_frame(given) as (frame, engine):
        if parents is None and frame.select(pl.len()).collect().item() == 0:
            return NOTHING_WRITTEN
        prepared = prepared_write(
            frame,
            contract,
            stamps,
            hashing=store.hash_settings,
            table=table,
            engine=engine,
            expanded_parents=parents,
            is_checked=df is None,
        )
        if not prepared.height:
            return NOTHING_WRITTEN
        if table is None and contract.table.is_closed:
            raise not_created(contract.table, store=store.display())
        if table is None and not may_create:
            raise _no_table(store, plan.key)
        rows = prepared.rows if engine == "streaming" else prepared.rows.collect()
        note = _note("write", stamps, rows=prepared.height, idempotency_key=idempotency_key)
        return _committed(store, plan.key, rows, note=note, since=since)


def delete_records(
    store: OpenableStore,
    plan: FeaturePlan,
    *,
    stamps: Stamps,
    filters: Sequence[Filter] | None,
    records: IntoFrame | None,
) -> WriteResult:
    """Append a tombstone for each current record that is to end."""
    chosen, wanted = _asked(plan, filters, records)
    first_look = FirstLook(plan.id_columns)

    def ending(scan: Scan) -> pl.DataFrame:
        current = records_read(
            scan, plan.records, filters=(), columns=None, latest_only=True, across_versions=False
        )
        ends = tombstones(current, plan, stamps, filters=wanted, records=chosen)
        return first_look.unchanged(ends.collect())

    return store.append_worked_out(plan.key, ending, _note("delete", stamps, rows=None))


def erase_records(
    store: OpenableStore,
    plan: FeaturePlan,
    *,
    feature_version: str | None,
    materialization_id: str | None,
    filters: Sequence[Filter] | None,
    records: IntoFrame | None,
) -> WriteResult:
    """Rewrite the table without all rows of the chosen records."""
    chosen, wanted = _asked(plan, filters, records)
    # Records that are given are named by today's ids; filters look at records as they were.
    plans: dict[str | None, FeaturePlan] = {None: plan}
    if feature_version is None and chosen is None:
        plans = plans_by_version(store, plan)
    looks = {each: FirstLook([*one.id_columns, FEATURE_VERSION]) for each, one in plans.items()}

    def remaining(rows: pl.LazyFrame) -> Erasure | None:
        if len(plans) > 1:
            return erasure_by_versions(rows, plans, filters=wanted, first_looks=looks)
        return erasure(
            rows,
            plan,
            feature_version=feature_version,
            filters=wanted,
            records=chosen,
            first_look=looks[None],
        )

    # Its rows are of many feature versions, and none is its own.
    note = CommitNote("hard_delete", materialization_id=materialization_id)
    return store.erase_in_store(plan.key, remaining, note)


def records_to_purge(
    store: OpenableStore,
    plan: FeaturePlan,
    *,
    filters: Sequence[Filter] | None,
    records: IntoFrame | None,
) -> tuple[pl.DataFrame, ...]:
    """The records that a purge is about: frames with one row each, with their ids.

    Raises:
        MetadataSchemaError: The records lack id columns.
        StoreError: Some that fulfil the filters are of feature versions whose ids nobody knows.
    """
    chosen, wanted = _asked(plan, filters, records)
    scan = store.scan_in_store(plan.key, None)
    if chosen is not None or scan is None:
        rows = None if scan is None else scan.frame
        return (named_records(rows, plan, filters=wanted, records=chosen),)
    plans = plans_by_version(store, plan)
    return tuple(
        named_records(rows, plans[version], filters=wanted, records=None)
        for version, rows in rows_of_plans(scan.frame, plans).items()
    )


def _asked(
    plan: FeaturePlan, filters: Sequence[Filter] | None, records: IntoFrame | None
) -> tuple[pl.LazyFrame | None, tuple[Condition, ...]]:
    """The records and the conditions of a deletion.

    Raises:
        ValueError: There are neither.
    """
    if not filters and records is None:
        raise UsageError(
            f"Say which records of '{plan.key}' to delete: filters=[…] or records=frame. "
            "To delete all that was ever written of it, use drop_feature_metadata."
        )
    chosen = None if records is None else polars_frame(records, what="records").lazy()
    return chosen, conditions(filters)


def check_idempotency_key(store: OpenableStore, key: str | None) -> None:
    """Refuse a key that is none, or that the store couldn't keep."""
    if key is None:
        return
    if not isinstance(key, str) or not key:  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise UsageError(f"idempotency_key is {key!r}: give a name for the write, or None.")
    if not store.supports_idempotency_keys:
        raise StoreError(
            f"{store.display()} can't write with an idempotency_key: it has no way to commit "
            "a key along with rows.",
            store=store.display(),
        )


def _committed(
    store: OpenableStore,
    key: FeatureKey,
    rows: pl.DataFrame | pl.LazyFrame,
    *,
    note: CommitNote,
    since: float,
) -> WriteResult:
    """Stamp rows with an instant and hand them to the store."""
    store.settle_hash_settings()
    instant = next_instant(datetime.now(UTC), store.newest_instant(key))
    stamped = with_instant(rows, instant)
    outcome = store.write_metadata_to_store(key, nw.from_native(stamped), note=note, since=since)
    return WriteResult(note.rows or 0) if outcome is None else outcome


def _no_table(store: OpenableStore, key: FeatureKey) -> StoreError:
    return StoreError(
        f"'{key}' has no table in {store.display()}, and auto_create_tables is off. "
        "Turn it on for the first write of a feature.",
        store=store.display(),
        feature=str(key),
    )


def _no_children(
    contract: RecordContract, parents: pl.LazyFrame, table: pl.Schema | None
) -> pl.DataFrame:
    """A frame of records without rows, for a write that only tells of childless parents.

    It has the id columns whose type is known. The others come with the first child.
    """
    known = {**(table or {}), **contract.declared, **parents.collect_schema()}
    ids = [*contract.id_columns, *contract.parent_columns]
    versions = pl.Struct({field.column_name: pl.String() for field in contract.fields or ()})
    schema = {name: known[name] for name in ids if name in known}
    return pl.DataFrame(schema=schema | {PROVENANCE_BY_FIELD: versions})


def _note(
    operation: str, stamps: Stamps, *, rows: int | None, idempotency_key: str | None = None
) -> CommitNote:
    return CommitNote(
        operation,
        rows=rows,
        feature_version=stamps.feature_version,
        snapshot_version=stamps.snapshot_version,
        materialization_id=stamps.materialization_id,
        idempotency_key=idempotency_key,
    )
