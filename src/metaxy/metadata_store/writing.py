"""From a user's frame to the rows of one commit.

A write is worked out here and carried out by the store: the frame is checked as a whole, gets its
versions and stamps, and goes to `write_metadata_to_store`, which makes one commit of it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from metaxy.errors import MetadataSchemaError
from metaxy.metadata_store.hash_settings import HashSettings
from metaxy.metadata_store.record_values import Engine
from metaxy.metadata_store.records import (
    RecordContract,
    Stamps,
    checked_records,
    childless_markers,
    stamped_records,
)
from metaxy.metadata_store.staging import staged
from metaxy.versioning.system_columns import (
    CREATED_AT,
    DELETED_AT,
    INSTANT,
    PROVENANCE_BY_FIELD,
)

Rows = pl.DataFrame | pl.LazyFrame

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write did.

    Attributes:
        rows: How many rows it added.
        version: The table's version afterwards; None when nothing was written, or when the store
            has no versions.
        already_committed: Nothing was written, because its idempotency key had been before.
    """

    rows: int
    version: int | None = None
    already_committed: bool = False


@contextmanager
def source_frame(frame: pl.LazyFrame | pl.DataFrame) -> Generator[tuple[pl.LazyFrame, Engine]]:
    """Give a frame that can be read several times, and the engine to read it with.

    What is in memory stays there; a lazy frame is evaluated once, into a file.
    """
    if isinstance(frame, pl.DataFrame):
        yield frame.lazy(), "in-memory"
    else:
        with staged(frame) as rows:
            yield rows, "streaming"


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """Rows that may be committed.

    Attributes:
        rows: In the order of the table, without `metaxy_created_at`; childless markers included.
        height: How many rows those are.
        records: How many of them are records.
    """

    rows: pl.LazyFrame
    height: int
    records: int


def prepared_write(
    frame: pl.LazyFrame,
    contract: RecordContract,
    stamps: Stamps,
    *,
    hashing: HashSettings,
    table: pl.Schema | None,
    engine: Engine,
    expanded_parents: pl.LazyFrame | None = None,
    is_checked: bool = False,
) -> PreparedWrite:
    """Check a frame and add all that metaxy adds, but for the instant of the commit.

    Args:
        is_checked: The frame needs no check any more.

    Raises:
        MetadataSchemaError: The frame, or the frame of parents, can't be written; has all reasons.
    """
    records = frame if is_checked else checked_records(frame, contract, table=table, engine=engine)
    rows = stamped_records(records, contract, stamps, hasher=hashing.hasher)
    height = records.select(pl.len()).collect(engine=engine).item()
    if expanded_parents is None:
        return PreparedWrite(rows, height, height)
    parents = _checked_parents(
        expanded_parents, contract, children=records.collect_schema(), table=table, engine=engine
    )
    markers = childless_markers(parents, records, contract).collect(engine=engine)
    marked = stamped_records(markers.lazy(), contract, stamps, hasher=hashing.hasher)
    tombstones = marked.with_columns(pl.lit(EPOCH, dtype=INSTANT).alias(DELETED_AT))
    both = pl.concat([rows, tombstones.select(rows.collect_schema().names())])
    return PreparedWrite(both, height + markers.height, height)


def with_instant(rows: Rows, instant: datetime) -> Rows:
    """Stamp the rows of one commit; tombstones among them are deleted at that instant."""
    now = pl.lit(instant, dtype=INSTANT)
    return rows.with_columns(
        now.alias(CREATED_AT),
        pl.when(pl.col(DELETED_AT).is_not_null()).then(now).alias(DELETED_AT),
    )


def next_instant(now: datetime, newest: datetime | None) -> datetime:
    """The instant of a commit: now, or just after the newest one if the clock is behind."""
    return now if newest is None or now > newest else newest + _TICK


def _checked_parents(
    parents: pl.LazyFrame,
    contract: RecordContract,
    *,
    children: pl.Schema,
    table: pl.Schema | None,
    engine: Engine,
) -> pl.LazyFrame:
    """The columns of the parents that markers are made from."""
    if not contract.parent_columns:
        raise MetadataSchemaError(
            f"expanded_parents is only for features whose records are made by expansion, "
            f"and '{contract.feature}' has no expansion among its dependencies.",
            feature=str(contract.feature),
        )
    own = {*contract.parent_columns, PROVENANCE_BY_FIELD}
    of_parents = contract.table.model_copy(update={"columns": (), "grain": contract.parent_columns})
    as_records = RecordContract(of_parents, contract.fields)
    names = [name for name in parents.collect_schema().names() if name in own]
    subject = f"expanded_parents of '{contract.feature}' can't be recorded"
    checked = checked_records(
        parents.select(names), as_records, table=table, engine=engine, subject=subject
    )
    got = checked.collect_schema()
    faults = [
        f"'{name}' is {got[name]}, and {children[name]} in the records: cast it in one of them"
        for name in contract.parent_columns
        if got[name] != children[name]
    ]
    if faults:
        raise MetadataSchemaError(subject, faults, feature=str(contract.feature))
    return checked
