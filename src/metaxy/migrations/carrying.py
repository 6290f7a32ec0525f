"""One feature of a store, carried from an old definition to a new one: the plan, and the append.

Which rows are carried, and why no record can be written twice or taken for better than it is, is
told in docs/adr/0006-migrations.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from metaxy.errors import MigrationRefusedError, StoreError
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.commits import CommitNote
from metaxy.migrations.carry_frames import CarryFrames, Carrying
from metaxy.migrations.reconciliation import (
    IN_SYNC,
    IS_MARKER,
    ORPHANED,
    OUT_OF_DATE,
    STATE,
    carried_records,
)
from metaxy.models.keys import FeatureKey

EXAMPLES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryPlan:
    """What carrying a feature would do.

    Attributes:
        records: The current ones of the old feature version. The next three add up to them.
        in_sync: Those that are up to date under the old definitions.
        out_of_date: Those that are to be computed again, and stay so.
        orphaned: Those whose upstream record is gone.
        already: Those that the new feature version has, so that nothing is appended for them.
        to_append: The others; none where it can't be done.
        table_version: Of the feature's own table; None where there is none, or no versions.
        refusals: Why it can't be done; empty when it can.
        out_of_date_examples: Up to `EXAMPLES`, as `id=1`, sorted.
    """

    feature: FeatureKey
    from_feature_version: str
    to_feature_version: str
    records: int
    in_sync: int
    out_of_date: int
    orphaned: int
    already: int
    to_append: int
    table_version: int | None
    refusals: tuple[str, ...]
    out_of_date_examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryResult:
    """What carrying a feature did.

    Attributes:
        rows: How many were appended; those with no children of an expansion count, too.
        in_sync: Of the records appended, those that are up to date.
        out_of_date: Those that are to be computed again, as before.
        orphaned: Those that are not expected: as before, or by the new definitions.
        already: Records that the new version had already.
        table_version: Afterwards; None when nothing was written, or without versions.
    """

    feature: FeatureKey
    rows: int
    in_sync: int
    out_of_date: int
    orphaned: int
    already: int
    table_version: int | None


def plan_carrying(store: MetadataStore, asked: Carrying) -> CarryPlan:
    """Count what `carry` would do now; nothing is written.

    That a record is expected under the new definitions, too, is seen only when its upstreams are
    carried.
    """
    hashing = store.hash_settings
    versions = [
        hashing.stamp(graph.feature_version(asked.feature)) if asked.feature in graph else ""
        for graph in (asked.old, asked.new)
    ]
    refused = asked.refusals
    records, left, examples = pl.DataFrame(), 0, ()
    if all(versions):
        work = CarryFrames(store, asked)
        found = work.look(plans_only=True)
        if found is not None:
            refused += work.unfit(found.records)
            records = found.records.filter(~pl.col(IS_MARKER))
            examples = _examples(records, work.old.id_columns)
            if not refused:
                newer = store.scan_in_store(asked.feature, versions[1])
                left = work.pending(records, newer).height
    counts = _counts(records)
    total = records.height
    return CarryPlan(
        feature=asked.feature,
        from_feature_version=versions[0],
        to_feature_version=versions[1],
        records=total,
        in_sync=counts.get(IN_SYNC, 0),
        out_of_date=counts.get(OUT_OF_DATE, 0),
        orphaned=counts.get(ORPHANED, 0),
        already=0 if refused else total - left,
        to_append=left,
        table_version=table_version(store, asked.feature),
        refusals=refused,
        out_of_date_examples=examples,
    )


def carry(store: MetadataStore, asked: Carrying) -> CarryResult:
    """Append the feature's records under its new version, in one commit.

    Done again it appends what has come since, mostly nothing. Rows are worked out from the very
    version of the table that they are appended to.

    Raises:
        MigrationRefusedError: It can't be shown that nothing stale would count as up to date.
        MetadataSchemaError: The records can't be written under the new definition, for instance
            for want of a declared column; has every reason.
    """
    _check(asked.feature, asked.refusals)
    work = CarryFrames(store, asked)
    told: list[tuple[pl.DataFrame, int]] = []

    def worked_out(newer: Scan) -> pl.DataFrame:
        told.clear()
        found = work.look()
        if found is None:
            return pl.DataFrame()
        _check(asked.feature, work.unfit(found.records))
        pending = work.pending(found.records, newer)
        carried = carried_records(
            pending,
            found.wanted,
            grain=work.new.grain,
            fields=[field.key for field in work.new.fields],
        )
        told.append((carried, found.records.select((~pl.col(IS_MARKER)).sum()).item()))
        return work.rows(carried)

    store.settle_hash_settings()
    note = CommitNote(
        "migration",
        feature_version=work.stamps.feature_version,
        snapshot_version=work.stamps.snapshot_version,
        materialization_id=asked.run,
    )
    outcome = store.append_worked_out(asked.feature, worked_out, note)
    carried, total = told[-1] if told else (pl.DataFrame(), 0)
    records = carried.filter(~pl.col(IS_MARKER)) if carried.width else carried
    counts = _counts(records)
    return CarryResult(
        feature=asked.feature,
        rows=outcome.rows,
        in_sync=counts.get(IN_SYNC, 0),
        out_of_date=counts.get(OUT_OF_DATE, 0),
        orphaned=counts.get(ORPHANED, 0),
        already=total - records.height,
        table_version=outcome.version,
    )


def table_version(store: MetadataStore, key: FeatureKey) -> int | None:
    """The version of the feature's table; None for stores that have none."""
    try:
        return store.table_version(key)
    except StoreError:
        return None


def _check(feature: FeatureKey, refused: tuple[str, ...]) -> None:
    if refused:
        raise MigrationRefusedError(f"'{feature}' can't be carried over", refused)


def _counts(records: pl.DataFrame) -> Mapping[str, int]:
    """How many records there are in each state."""
    if records.is_empty():
        return {}
    return dict(records.get_column(STATE).value_counts().iter_rows())


def _examples(records: pl.DataFrame, id_columns: Sequence[str]) -> tuple[str, ...]:
    few = (
        records.filter(pl.col(STATE) == OUT_OF_DATE)
        .select(id_columns)
        .sort(id_columns)
        .head(EXAMPLES)
    )
    return tuple(
        ", ".join(f"{name}={value!r}" for name, value in row.items())
        for row in few.iter_rows(named=True)
    )
