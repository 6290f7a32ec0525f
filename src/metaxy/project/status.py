"""What is to be computed of each feature, by counts.

It asks `MetadataStore.resolve_update` and reads no more columns than counting takes. Counts are of
what can be computed now: once it has been, features further down may have more.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import narwhals as nw
import polars as pl

from metaxy.errors import FallbackStoreError, MetaxyError
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.base import MetadataStore
from metaxy.models.keys import FeatureKey
from metaxy.versioning.system_columns import CREATED_AT, PROVENANCE
from metaxy.versioning.types import LazyIncrement

FeatureState = Literal["in_sync", "pending", "waiting", "not_compared", "not_written", "failed"]
"""How a feature stands.

- in_sync: nothing is to be computed or removed.
- pending: something is.
- waiting: an upstream that it needs has never had records of its current version; or there are no
  records of the feature, since such an upstream is to be computed first.
- not_compared: a root with records, here or in a fallback; only its samples could tell more.
- not_written: a root that has never had records of its current version anywhere along the chain.
- failed: asking ended in an error.
"""

_PENDING: frozenset[FeatureState] = frozenset({"pending", "waiting", "not_written"})


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """The store of a chain that the records of a feature come from, for all who read them.

    Attributes:
        store: Its display text, without credentials.
        place: Where it stands: nothing for the store itself, else which of its fallbacks it is,
            which of that one's fallbacks, and so on, counted from 0.
    """

    store: str
    place: tuple[int, ...] = ()

    @property
    def is_fallback(self) -> bool:
        """Whether it is another store than the one that was asked."""
        return bool(self.place)


@dataclass(frozen=True, slots=True)
class FeatureStatus:
    """How a feature stands in a store.

    Attributes:
        feature_version: As stamped in the lake.
        records: How many current records of this version the store itself has.
        added: How many records are to be computed; None where that can't be told. Where records are
            made by expansion, it counts parents.
        changed: How many are to be computed again; as `added`.
        removed: How many stored records are no longer expected.
        last_write_at: The instant of the newest row in the store, of whatever feature version.
        grain: The columns that name what `added` and `changed` count.
        counts_parents: Whether these are not the feature's own id columns.
        waits_for: Upstreams that have no records of their current version, in the store or its
            fallbacks, and never had any or are to be computed.
        has_older_versions: Whether there are rows, but none of the current feature version.
        source: Where readers get its records of the current version from; None if no store has
            any. Increments of the feature itself look into the store alone all the same.
        unanswered: Why a fallback that may be the source couldn't be asked.
        error: Why it can't be told.
    """

    key: FeatureKey
    project: str
    feature_version: str
    state: FeatureState
    records: int = 0
    added: int | None = None
    changed: int | None = None
    removed: int | None = None
    last_write_at: datetime | None = None
    grain: tuple[str, ...] = ()
    counts_parents: bool = False
    waits_for: tuple[FeatureKey, ...] = ()
    has_older_versions: bool = False
    source: FeatureSource | None = None
    unanswered: str | None = None
    error: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether there is something to do, here or upstream."""
        return self.state in _PENDING


def own_features(graph: FeatureGraph, project: str | None) -> tuple[FeatureKey, ...]:
    """Give the features that a store of this project is written for, in topological order."""
    if project is None or project not in graph.projects:
        return graph.topological_order()
    own = [key for key, each in graph.definitions.items() if each.project == project]
    return graph.topological_order(own)


def feature_status(store: MetadataStore, key: FeatureKey) -> FeatureStatus:
    """Tell how a feature stands in an open store.

    An error that metaxy raises on purpose becomes part of the answer, so that one feature does not
    hide the others.
    """
    plan = store.graph.plan(key)
    begun = FeatureStatus(
        key,
        plan.project,
        store.feature_version(key),
        "in_sync",
        grain=plan.grain,
        counts_parents=set(plan.grain) != set(plan.id_columns),
    )
    try:
        return _compared(store, plan, _located(store, plan, _stored(store, plan, begun)))
    except MetaxyError as error:
        return replace(begun, state="failed", error=str(error))


def _stored(store: MetadataStore, plan: FeaturePlan, status: FeatureStatus) -> FeatureStatus:
    """Add what the store has."""
    rows = store.scan_in_store(plan.key, None)
    if rows is None or not rows.has_rows():
        return status
    newest = rows.frame.select(pl.col(CREATED_AT).max()).collect().item()
    records = store.read_metadata(plan.key, columns=[], allow_fallback=False)
    return replace(
        status,
        records=_height(records),
        last_write_at=newest,
        has_older_versions=not _was_written(store, plan.key, is_own=True),
    )


def _located(store: MetadataStore, plan: FeaturePlan, status: FeatureStatus) -> FeatureStatus:
    """Add where its records come from."""
    try:
        rows = store.scan_chain(plan.key, status.feature_version)
        if rows is None or not rows.has_rows():
            return status
    except FallbackStoreError as error:
        return replace(status, unanswered=str(error))
    return replace(status, source=FeatureSource(rows.source, rows.place))


def _compared(store: MetadataStore, plan: FeaturePlan, status: FeatureStatus) -> FeatureStatus:
    """Add what is to be done."""
    if plan.is_root:
        return replace(status, state="not_compared" if status.source else "not_written")
    missing = tuple(each.upstream for each in plan.inputs if not _was_written(store, each.upstream))
    needed = {each.upstream for each in plan.inputs if not each.optional}
    increment = _narrow(store.resolve_update(plan.key, lazy=True)).collect()
    told = replace(status, removed=len(increment.removed), waits_for=missing)
    if needed.intersection(missing):
        return replace(told, state="waiting")
    if increment.is_empty and not status.records:
        ended = tuple(key for key in needed if _is_to_be_computed(store, key))
        if ended:
            return replace(told, state="waiting", waits_for=tuple(sorted({*missing, *ended})))
    state = "in_sync" if increment.is_empty else "pending"
    return replace(told, state=state, added=len(increment.added), changed=len(increment.changed))


def _is_to_be_computed(store: MetadataStore, key: FeatureKey) -> bool:
    """Tell whether there are records of a feature to compute where there were some before.

    So it is when they were ended, as by a rollback. What comes from a fallback is computed there.
    """
    if store.graph.plan(key).is_root or not _was_written(store, key, is_own=True):
        return False
    return bool(len(_narrow(store.resolve_update(key, lazy=True)).collect().added))


def _was_written(store: MetadataStore, key: FeatureKey, *, is_own: bool = False) -> bool:
    """Tell whether there are rows of the current version, those of deleted records included."""
    version = store.feature_version(key)
    scan = store.scan_in_store(key, version) if is_own else store.scan_chain(key, version)
    return scan is not None and scan.has_rows()


def _narrow(increment: LazyIncrement) -> LazyIncrement:
    """Leave only the columns that comparing takes: counting needs no others."""
    grain = list(increment.grain)
    return replace(
        increment,
        expected=increment.expected.select(*grain, PROVENANCE),
        current=increment.current.select(*grain, PROVENANCE),
        removable=increment.removable.select(grain),
        required=increment.required.select(grain),
    )


def _height(frame: nw.LazyFrame[Any]) -> int:
    return int(frame.select(nw.len()).collect().item())
