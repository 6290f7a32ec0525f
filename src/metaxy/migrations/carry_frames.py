"""The frames of one feature that is to be carried: what is stored, wanted, and to be written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from metaxy.errors import listed
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan, RecordsPlan
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.reading import complete_rows
from metaxy.metadata_store.records import RecordContract, Stamps
from metaxy.metadata_store.writing import prepared_write
from metaxy.migrations.reconciliation import (
    IS_MARKER,
    STATE,
    current_rows,
    is_affected,
    not_superseded,
    refusals,
    with_states,
    without_uncertain,
)
from metaxy.migrations.runs import is_of_undoing
from metaxy.migrations.upstreams import CarriedUpstream, carried_upstream
from metaxy.models.keys import FeatureKey
from metaxy.versioning.inputs import NOTHING_STORED, StoredRows
from metaxy.versioning.system_columns import (
    CREATED_AT,
    MATERIALIZATION_ID,
    PROVENANCE,
    PROVENANCE_BY_FIELD,
    STAMPS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """One feature that is to be carried.

    Attributes:
        old: The graph that its records were made by, as it was pushed.
        new: The graph that they shall count in: the code's own where that is the one, since only
            classes have a `load_input`.
        run: The materialization id of all rows that the migration writes; see `run_of`.
        carried: The features that the migration carries or backfills.
        assume_same_result: Take the user's word where nothing can be shown.
    """

    feature: FeatureKey
    old: FeatureGraph
    new: FeatureGraph
    run: str
    carried: frozenset[FeatureKey]
    assume_same_result: bool = False

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why it can't be; empty when it can."""
        return refusals(
            self.old,
            self.new,
            self.feature,
            assume_same_result=self.assume_same_result,
            carried=self.carried,
        )


@dataclass(frozen=True, slots=True)
class SeenRecords:
    """What was seen of a feature.

    Attributes:
        records: One row a current record of the old version, whole, with its state; of an
            expansion, the parents without children, too, as markers.
        wanted: One row a record that the new definitions expect, with its provenance by field;
            None for a root, or when it wasn't asked for.
    """

    records: pl.DataFrame
    wanted: pl.DataFrame | None


class CarryFrames:
    """The frames of one feature in a store.

    Attributes:
        old, new: The plans of the feature by the old definitions and by the new ones.
        stamps: What is put on the rows that are written.
    """

    def __init__(self, store: MetadataStore, asked: Carrying) -> None:
        self.store = store
        self.asked = asked
        self.new = asked.new.plan(asked.feature)
        # What was pushed knows no hooks; the class of today stands in for that of then.
        self.old = replace(asked.old.plan(asked.feature), load_input=self.new.load_input)
        stamp = store.hash_settings.stamp
        self._looks: dict[tuple[FeatureKey, str], Scan | None] = {}
        self.stamps = Stamps(
            stamp(self.new.feature_version),
            stamp(asked.new.snapshot_version_of(self.new.project)),
            asked.run,
        )

    def look(self, *, plans_only: bool = False) -> "SeenRecords | None":
        """Read the feature's current records of the old version; None without any.

        Every table is seen at one moment, so that what counts as in sync under the old definitions
        is given the versions of those very upstream records.
        """
        self._look_at_upstreams()
        own = self._own()
        stored = self._complete(own, self.old.records, self.asked.old)
        if stored.frame is None:
            return None
        current = current_rows(stored.frame, self.old.records, instants=stored.instants)
        upstream = {each.upstream: self._stored_before(each.upstream) for each in self.old.inputs}
        asked = {"current": current, "expected": self._expected(self.old, stored, upstream)}
        if not plans_only and not self.unfit(current):
            as_new = self._complete(own, self.new.records, self.asked.new)
            carried = {each.upstream: self._as_carried(each.upstream) for each in self.new.inputs}
            for name, text in self._wanted_by(carried.values()).items():
                upstream = {key: each.rows(text) for key, each in carried.items()}
                asked[name] = self._expected(self.new, as_new, upstream)
        frames = {name: frame for name, frame in asked.items() if frame is not None}
        read = dict(zip(frames, pl.collect_all(list(frames.values())), strict=True))
        records = with_states(read["current"], read.get("expected"), grain=self.old.grain)
        wanted, otherwise = read.get("wanted"), read.get("otherwise")
        if wanted is not None and otherwise is not None:
            records = without_uncertain(records, wanted, otherwise, grain=self.new.grain)
        return SeenRecords(records, wanted)

    def unfit(self, records: pl.LazyFrame | pl.DataFrame) -> tuple[str, ...]:
        """Why the stored records can't be carried, as only the store can tell."""
        return (*self._unnamed(records), *self._out_of_reach())

    def _unnamed(self, records: pl.LazyFrame | pl.DataFrame) -> tuple[str, ...]:
        """Why they can't be told apart under the new definition; empty if they can.

        A table may have columns that no definition names.
        """
        lacking = [name for name in self.new.grain if name not in records.collect_schema()]
        if not lacking:
            return ()
        reason = (
            f"The records of '{self.asked.feature}' are named by {listed(lacking)} now, and the "
            "stored ones have no such column. Write a MetadataBackfill that names them."
        )
        return (reason,)

    def _out_of_reach(self) -> Iterator[str]:
        """Tell which upstreams have nothing that the carried records could be in sync with."""
        before = {each.upstream for each in self.old.inputs}
        for each in self.new.inputs:
            key, now = each.upstream, self._scanned(each.upstream, self.asked.new)
            if is_affected(key, self.asked.old, self.asked.new):
                then = self._scanned(key, self.asked.old)
                if then is None or not then.place or not then.has_rows():
                    continue
                if now is None or now.place != then.place or not self._has_carried(now):
                    yield (
                        f"'{self.asked.feature}' is made from '{key}', whose records come from the "
                        f"fallback {then.source}, where '{self.asked.run}' hasn't carried them. "
                        "Apply the migration there first."
                    )
            elif key in before or key in self.asked.carried or each.optional:
                continue
            elif now is None or not now.has_rows():
                yield (
                    f"'{self.asked.feature}' is made from '{key}', too, now, which has no records "
                    "yet; without them none of its own would be expected. "
                    f"Compute '{key}' first."
                )

    def _has_carried(self, scan: Scan) -> bool:
        return not scan.frame.filter(self._by_run).head(1).collect().is_empty()

    def pending(self, records: pl.DataFrame, newer: Scan | None) -> pl.DataFrame:
        """Those of the records that the new version doesn't have."""
        if newer is None or not newer.has_rows():
            return records
        rows = newer.frame.select(*self.new.grain, CREATED_AT, MATERIALIZATION_ID).collect()
        return not_superseded(records, rows, grain=self.new.grain, undone=is_of_undoing())

    def rows(self, carried: pl.DataFrame) -> pl.DataFrame:
        """Carried records as they are written, but for the instant."""
        if carried.is_empty():
            return pl.DataFrame()
        own = [name for name in carried.columns if name not in {*STAMPS, STATE, IS_MARKER}]
        records = carried.filter(~pl.col(IS_MARKER)).select(own)
        markers = carried.filter(pl.col(IS_MARKER)).select(*self.new.grain, PROVENANCE_BY_FIELD)
        prepared = prepared_write(
            records.lazy(),
            RecordContract.of(self.new),
            self.stamps,
            hashing=self.store.hash_settings,
            table=self.store.table_schema(self.asked.feature),
            engine="in-memory",
            expanded_parents=markers.lazy() if self.new.expands else None,
        )
        return prepared.rows.collect()

    def _expected(
        self, plan: FeaturePlan, stored: StoredRows, upstream: Mapping[FeatureKey, StoredRows]
    ) -> pl.LazyFrame | None:
        """One row a record that a definition expects: its grain and provenance; None for a root."""
        if plan.is_root:
            return None
        with self.store.create_versioning_engine(plan) as engine:
            lazy = engine.resolve(upstream=upstream, stored=stored)
        column = PROVENANCE if plan is self.old else PROVENANCE_BY_FIELD
        expected = lazy.expected.select(*plan.grain, column)
        return expected.unique(plan.grain, keep="any") if lazy.may_repeat else expected

    def _stored_before(self, key: FeatureKey) -> StoredRows:
        """An upstream's rows of the old definitions."""
        old = self.asked.old
        return self._complete(self._scanned(key, old), old.plan(key).records, old)

    def _as_carried(self, key: FeatureKey) -> CarriedUpstream:
        """An upstream of the new definitions, as far as carried records can be made from it."""
        old, new = self.asked.old, self.asked.new
        scan, plan = self._scanned(key, new), new.plan(key).records
        if not is_affected(key, old, new):
            return CarriedUpstream(self._complete(scan, plan, new))
        before = self._scanned(key, old)
        if scan is None:
            return CarriedUpstream(NOTHING_STORED)
        by_run = (
            self._by_run if before is None or before.place == scan.place else pl.lit(value=False)
        )
        carried = replace(scan, frame=scan.frame.filter(by_run))
        return carried_upstream(
            self._stored_before(key),
            self._complete(carried, plan, new),
            plans=(old.plan(key).records, plan),
            definition=new.definition(key),
            with_more=key not in {each.upstream for each in self.old.inputs},
        )

    def _wanted_by(self, carried: Iterable[CarriedUpstream]) -> Mapping[str, str]:
        """The expectations to work out, each with a text for versions that aren't known."""
        if all(each.unknown is None for each in carried):
            return {"wanted": ""}
        return {"wanted": "metaxy_one", "otherwise": "metaxy_other"}

    @property
    def _by_run(self) -> pl.Expr:
        return pl.col(MATERIALIZATION_ID).eq_missing(self.asked.run)

    def _own(self) -> Scan | None:
        """The feature's rows of the old version, in this store only."""
        place = self.store.hash_settings.stamp(self.old.feature_version)
        return self.store.scan_in_store(self.asked.feature, place)

    def _look_at_upstreams(self) -> None:
        """See each upstream once: what was carried first, then what it was carried from.

        So all that the carried rows were made from is seen, and what was written to the old version
        after that, too, never the other way round.
        """
        self._looks.clear()
        for graph, plan in ((self.asked.new, self.new), (self.asked.old, self.old)):
            for each in (*plan.inputs, *self.new.inputs):
                if each.upstream in graph:
                    self._scanned(each.upstream, graph)

    def _scanned(self, key: FeatureKey, graph: FeatureGraph) -> Scan | None:
        """An upstream's rows of a version, from wherever they come."""
        place = key, self.store.hash_settings.stamp(graph.feature_version(key))
        if place not in self._looks:
            self._looks[place] = self.store.scan_chain(*place)
        return self._looks[place]

    def _complete(self, scan: Scan | None, plan: RecordsPlan, graph: FeatureGraph) -> StoredRows:
        if scan is None:
            return NOTHING_STORED
        rows = complete_rows(scan.frame, plan, graph.definition(plan.key))
        return StoredRows(rows, scan.instants)
