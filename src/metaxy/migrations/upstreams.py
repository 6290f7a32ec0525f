"""What counts of an upstream that is carried by the same migration as what is made from it.

Rows in, rows out. A carried record has been made from the upstream records that the old definitions
gave it. Those are told by the rows that the migration has carried for them; where it has none, or
one of before the record was written again, nobody knows what the new definitions will give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.reading import complete_rows
from metaxy.models.definition import FeatureDefinition
from metaxy.versioning.inputs import StoredRows, stored_records
from metaxy.versioning.matching import matching_values
from metaxy.versioning.system_columns import (
    CREATED_AT,
    DATA_VERSION_BY_FIELD,
    DELETED_AT,
    INSTANT,
    PREFIX,
    PROVENANCE,
)

_SOME_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CarriedUpstream:
    """The records of an upstream as what is made from them has them.

    Attributes:
        known: Those that were carried as they are under the old definitions.
        unknown: One row a record of the old definitions that wasn't; None when all were.
    """

    known: StoredRows
    unknown: pl.LazyFrame | None = None

    def rows(self, version: str) -> StoredRows:
        """All of them, with a text for each data version that isn't known.

        What depends on such a version is told by two texts that give different answers.
        """
        if self.unknown is None or self.known.frame is None:
            return self.known
        dtype = self.known.frame.collect_schema()[DATA_VERSION_BY_FIELD]
        names = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
        versions = pl.struct(pl.lit(version).alias(name) for name in names)
        told = self.unknown.with_columns(versions.alias(DATA_VERSION_BY_FIELD))
        both = pl.concat([self.known.frame, told], how="diagonal_relaxed")
        return StoredRows(both, self.known.instants)


def carried_upstream(
    before: StoredRows,
    carried: StoredRows,
    *,
    plans: tuple[RecordsPlan, RecordsPlan],
    definition: FeatureDefinition,
    with_more: bool,
) -> CarriedUpstream:
    """Tell which records of an upstream were carried as they are under the old definitions.

    Where its ids are called otherwise now, the user has said that all of them were.

    Args:
        before: Its rows of the old version.
        carried: Those of the new version that the migration has written.
        plans: The old one and the new one.
        definition: The new one.
        with_more: Count what the old version doesn't have, too (a backfill may bring it): right
            only where nothing was made from the upstream before.
    """
    old, new = plans
    if before.frame is None or carried.frame is None or set(old.id_columns) != set(new.id_columns):
        return CarriedUpstream(carried)
    on = list(new.id_columns)
    own, theirs = stored_records(before, old), stored_records(carried, new)
    of_instants = [frame.select(*on, pl.col(CREATED_AT)).drop_nulls(on) for frame in (own, theirs)]
    now, then = pl.collect_all(of_instants)
    is_known = (
        matching_values(now, then, on=on, column=CREATED_AT) > now.get_column(CREATED_AT)
    ).fill_null(value=False)
    if is_known.all() and (with_more or then.height == now.height):
        return CarriedUpstream(carried)
    names = now.select(on)
    known = (
        theirs.join(names.filter(~is_known).lazy(), on=on, how="anti")
        if with_more
        else theirs.join(names.filter(is_known).lazy(), on=on, how="semi")
    )
    unknown = None
    if not is_known.all():
        lost = own.join(names.filter(~is_known).lazy(), on=on, how="semi")
        unknown = _alike(complete_rows(lost, new, definition))
    return CarriedUpstream(StoredRows(_alike(known), (_SOME_INSTANT,)), unknown)


def _alike(records: pl.LazyFrame) -> pl.LazyFrame:
    """One row a current record, so that each one is current by itself, whatever the lineage."""
    columns: Sequence[str] = [
        name
        for name in records.collect_schema().names()
        if not name.startswith(PREFIX) or name == DATA_VERSION_BY_FIELD
    ]
    return records.select(
        *columns,
        pl.lit("").alias(PROVENANCE),
        pl.lit(_SOME_INSTANT, dtype=INSTANT).alias(CREATED_AT),
        pl.lit(None, dtype=INSTANT).alias(DELETED_AT),
    )
