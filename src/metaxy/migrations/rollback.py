"""What a migration has written to a feature, taken back by appending.

A record whose current row is the migration's becomes again what it was when the migration began:
its row of then is appended once more or, where it had none of that feature version, a tombstone is.
What others have written since stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.diffing import records_at
from metaxy.metadata_store.reading import complete_rows
from metaxy.metadata_store.writing import EPOCH
from metaxy.migrations.carrying import undoing_run
from metaxy.models.keys import FeatureKey
from metaxy.versioning.latest import latest_records
from metaxy.versioning.system_columns import (
    DELETED_AT,
    FEATURE_VERSION,
    INSTANT,
    MATERIALIZATION_ID,
)


@dataclass(frozen=True, slots=True)
class RollbackCounts:
    """What was done to the records that a migration had written.

    Attributes:
        restored: They have the row again that they had before.
        ended: They had none; now they have a tombstone.
        kept: Others have written them since; they are left alone.
    """

    restored: int = 0
    ended: int = 0
    kept: int = 0


def roll_back_feature(
    store: MetadataStore, feature: FeatureKey, *, tag: str, run: str, graph: FeatureGraph
) -> RollbackCounts:
    """Take back what a run has written to a feature; done again, it finds nothing to do.

    Parents that an expansion has recorded as childless stay recorded.

    Args:
        tag: The state of the lake before the run.
        run: The materialization id of what the run has written.
        graph: One that knows the feature as it was written.
    """
    plan = graph.plan(feature).records
    counts = RollbackCounts()
    for version in _written_versions(store, feature, run):
        found = _Undoing(store, plan, tag=tag, run=run, feature_version=version).append()
        counts = RollbackCounts(
            counts.restored + found.restored,
            counts.ended + found.ended,
            counts.kept + found.kept,
        )
    return counts


def _written_versions(store: MetadataStore, feature: FeatureKey, run: str) -> Sequence[str]:
    scan = store.scan_in_store(feature, None)
    if scan is None:
        return []
    of_run = scan.frame.filter(pl.col(MATERIALIZATION_ID) == run)
    return of_run.select(pl.col(FEATURE_VERSION).unique().sort()).collect().to_series().to_list()


@dataclass
class _Undoing:
    """One feature version of a feature."""

    store: MetadataStore
    plan: RecordsPlan
    tag: str
    run: str
    feature_version: str
    counts: RollbackCounts = RollbackCounts()

    def append(self) -> RollbackCounts:
        """Append what brings the records back, in one commit."""
        note = CommitNote(
            "rollback",
            feature_version=self.feature_version,
            materialization_id=undoing_run(self.run),
        )
        self.store.append_worked_out(self.plan.key, self._worked_out, note)
        return self.counts

    def _worked_out(self, scan: Scan) -> pl.DataFrame:
        ids = list(self.plan.id_columns)
        rows = complete_rows(scan.frame, self.plan)
        by_run = pl.col(MATERIALIZATION_ID).eq_missing(self.run)
        newest = latest_records(rows, id_columns=ids, instants=scan.instants)
        written = newest.filter(by_run, pl.col(DELETED_AT).is_null()).collect()
        others = newest.filter(pl.col(MATERIALIZATION_ID).ne_missing(undoing_run(self.run)))
        names = rows.filter(by_run, pl.col(DELETED_AT).is_null()).select(ids).unique()
        kept = names.join(others.filter(~by_run), on=ids, how="semi", nulls_equal=True).collect()
        before = records_at(self.store, self.plan, self.tag, feature_version=self.feature_version)
        own = written.columns
        restored = (
            written.head(0)
            if before is None
            else before.join(written.lazy().select(ids), on=ids, how="semi", nulls_equal=True)
            .collect()
            .select(pl.col(name) for name in before.collect_schema().names() if name in own)
        )
        ended = written.join(restored, on=ids, how="anti", nulls_equal=True).with_columns(
            pl.lit(EPOCH, dtype=INSTANT).alias(DELETED_AT),
            pl.lit(undoing_run(self.run)).alias(MATERIALIZATION_ID),
        )
        self.counts = RollbackCounts(restored.height, ended.height, kept.height)
        return pl.concat([ended, restored], how="diagonal")
