"""What a migration has written to a feature, taken back by appending.

A record whose current row is the migration's becomes again what it was when the migration began:
its row of then is appended once more or, where it had none of that feature version, a tombstone is.
What others have written since stays. The children of a parent are one in that: as they are
superseded together, they are taken back together. All that is appended names the rollback as its
run, so that the migration, or a better one, carries the records again when it is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.reading import complete_rows
from metaxy.metadata_store.travel import version_meant
from metaxy.metadata_store.writing import EPOCH
from metaxy.migrations.reconciliation import IS_MARKER, current_rows
from metaxy.migrations.runs import undoing_run
from metaxy.models.keys import FeatureKey
from metaxy.versioning.latest import latest_records
from metaxy.versioning.system_columns import (
    DELETED_AT,
    FEATURE_VERSION,
    INSTANT,
    MATERIALIZATION_ID,
    PREFIX,
    PROVENANCE,
)

_RESTORED: Final = f"{PREFIX}restored"


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

    A parent that the run has recorded as childless stays recorded, unless it had children before.

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
        grain = list(self._grain)
        rows = complete_rows(scan.frame, self.plan)
        by_run = pl.col(MATERIALIZATION_ID).eq_missing(self.run)
        current = current_rows(rows, self.plan, instants=scan.instants)
        of_others = current.filter(~by_run).select(grain)
        # Where others have gone on with the children of a parent, all of them stay.
        written = (
            current.filter(by_run).join(of_others, on=grain, how="anti", nulls_equal=True).collect()
        )
        restored = self._before(written)
        ended = written.filter(~pl.col(IS_MARKER)).join(
            restored, on=list(self.plan.id_columns), how="anti", nulls_equal=True
        )
        self.counts = RollbackCounts(
            restored.filter(~pl.col(IS_MARKER)).height, ended.height, self._kept(rows, scan)
        )
        tombstones = self._needed(ended, restored).with_columns(
            pl.lit(EPOCH, dtype=INSTANT).alias(DELETED_AT)
        )
        appended = pl.concat([tombstones, restored], how="diagonal_relaxed").drop(IS_MARKER)
        return appended.with_columns(pl.lit(undoing_run(self.run)).alias(MATERIALIZATION_ID))

    @property
    def _grain(self) -> tuple[str, ...]:
        """What is superseded together: a record, or the children of a parent."""
        return self.plan.expansion_on or self.plan.id_columns

    def _before(self, written: pl.DataFrame) -> pl.DataFrame:
        """What was current when the run began, of all that it has written."""
        version = version_meant(self.store, self.plan.key, self.tag)
        scan = (
            None
            if version is None
            else self.store.scan_version(self.plan.key, self.feature_version, version)
        )
        if scan is None or written.is_empty():
            return written.head(0)
        rows = complete_rows(scan.frame, self.plan)
        before = current_rows(rows, self.plan, instants=scan.instants)
        names = written.lazy().select(self._grain).unique()
        own = [name for name in before.collect_schema().names() if name in written.columns]
        joined = before.join(names, on=list(self._grain), how="semi", nulls_equal=True)
        return joined.select(own).collect()

    def _needed(self, ended: pl.DataFrame, restored: pl.DataFrame) -> pl.DataFrame:
        """The records that don't end by themselves when what was before is current again.

        Children do when their parent's expansion is another one again; a tombstone of the same
        instant would contradict that.
        """
        if self.plan.expansion_on is None:
            return ended
        parents = list(self._grain)
        are_other = pl.col(IS_MARKER) | (pl.col(PROVENANCE) != pl.col(_RESTORED))
        told = restored.select(*parents, pl.col(PROVENANCE).alias(_RESTORED), IS_MARKER).unique()
        superseded = (
            ended.drop(IS_MARKER).join(told, on=parents, nulls_equal=True).filter(are_other)
        )
        return ended.join(superseded, on=parents, how="anti", nulls_equal=True)

    def _kept(self, rows: pl.LazyFrame, scan: Scan) -> int:
        """How many records the run has written that others have written since."""
        grain = list(self._grain)
        by_run = pl.col(MATERIALIZATION_ID).eq_missing(self.run)
        by_undoing = pl.col(MATERIALIZATION_ID).eq_missing(undoing_run(self.run))
        # No id comes twice in a commit, but a parent does.
        instants = None if self.plan.expansion_on else scan.instants
        newest = latest_records(rows, id_columns=grain, instants=instants)
        current = current_rows(rows, self.plan, instants=scan.instants)
        others = [
            newest.filter(~by_run, ~by_undoing).select(grain),
            current.filter(~by_run, ~by_undoing).select(grain),
        ]
        names = rows.filter(by_run, pl.col(DELETED_AT).is_null()).select(
            *dict.fromkeys([*grain, *self.plan.id_columns])
        )
        kept = names.unique().join(pl.concat(others), on=grain, how="semi", nulls_equal=True)
        return kept.select(pl.len()).collect().item()
