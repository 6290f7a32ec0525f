"""What an increment is worked out from: the question, checked, and the stored rows of it.

The working out is `metaxy.versioning`'s business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import MissingSamplesError
from metaxy.graph.plan import FeaturePlan, RecordsPlan
from metaxy.metadata_store.asking import checked_samples, runtime_filters
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.frames import Filter
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.reading import complete_rows
from metaxy.models.keys import FeatureKey
from metaxy.versioning.inputs import NOTHING_STORED, StoredRows
from metaxy.versioning.scope import RuntimeFilters


@dataclass(frozen=True, slots=True)
class Assembled:
    """All that an engine needs to answer; nothing of it is read yet."""

    upstream: Mapping[FeatureKey, StoredRows]
    stored: StoredRows
    samples: pl.LazyFrame | None
    filters: RuntimeFilters


def assembled(
    store: OpenableStore,
    plan: FeaturePlan,
    *,
    samples: IntoFrame | None,
    filters: Mapping[Any, Iterable[Filter]] | None,
    global_filters: Iterable[Filter] | None,
    native_only: bool,
) -> Assembled:
    """Pin one version of every table that the increment of a feature is about.

    What is stored of the feature itself is looked for in this store only, since that is where its
    records will be written; its upstreams may come from fallbacks.
    """
    asked = runtime_filters(plan, filters, global_filters)
    if samples is None and plan.is_root:
        raise MissingSamplesError(
            f"'{plan.key}' has no upstreams, so metaxy can't know its records: give them as "
            "samples=, a frame with the columns "
            f"{list(plan.id_columns)} and 'metaxy_provenance_by_field'.",
            store=store.display(),
            feature=str(plan.key),
        )
    stored = _stored_rows(store, plan.records)
    table = None if stored.frame is None else stored.frame.collect_schema()
    expected = (
        None
        if samples is None
        else checked_samples(samples, plan, native_only=native_only, table=table)
    )
    upstream = {
        each.upstream: _upstream_rows(store, each.upstream_records)
        for each in plan.inputs
        if samples is None or asked.by_feature.get(each.upstream) or asked.everywhere
    }
    if upstream and all(each.frame is None for each in (stored, *upstream.values())):
        store.warn_of_missing_lake()
    return Assembled(upstream, stored, expected, asked)


def _stored_rows(store: OpenableStore, plan: RecordsPlan) -> StoredRows:
    version = store.hash_settings.stamp(plan.feature_version)
    return _as_stored(store, store.scan_in_store(plan.key, version), plan)


def _upstream_rows(store: OpenableStore, plan: RecordsPlan) -> StoredRows:
    version = store.hash_settings.stamp(plan.feature_version)
    return _as_stored(store, store.scan_chain(plan.key, version), plan)


def _as_stored(store: OpenableStore, scan: Scan | None, plan: RecordsPlan) -> StoredRows:
    if scan is None:
        return NOTHING_STORED
    rows = complete_rows(scan.frame, plan, store.graph.definition(plan.key))
    return StoredRows(rows, scan.instants)
