"""What a deletion would take, so that it can be shown before it is done."""

from collections.abc import Sequence

import polars as pl
from polars.exceptions import PolarsError

from metaxy.errors import FilterError, listed
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.frames import conditions, polars_lazy
from metaxy.models.keys import FeatureKey
from metaxy.versioning.latest import latest_records
from metaxy.versioning.scope import fulfilling
from metaxy.versioning.system_columns import FEATURE_VERSION


def stored_rows(store: MetadataStore, key: FeatureKey) -> int:
    """Count the rows of a feature in the store itself: of every version, superseded ones too."""
    scan = store.scan_in_store(key, None)
    return 0 if scan is None else int(scan.frame.select(pl.len()).collect().item())


def matching_records(store: MetadataStore, key: FeatureKey, filters: Sequence[str]) -> pl.DataFrame:
    """Give the id columns of the current records, in the store itself, that fulfil all filters.

    Raises:
        FilterError: A filter can't be understood, or compares what can't be compared.
        FeatureNotFoundError: The store never had records of the feature.
    """
    ids = list(store.graph.plan(key).id_columns)
    records = store.read_metadata(key, filters=filters, allow_fallback=False)
    return _collected(polars_lazy(records).select(ids), key, filters)


def erasable_records(
    store: MetadataStore, key: FeatureKey, filters: Sequence[str], *, all_versions: bool
) -> pl.DataFrame:
    """Give the id columns of the records that a hard deletion would take, deleted ones included.

    Args:
        all_versions: Those of all feature versions, each apart, in place of the current one.

    Raises:
        FilterError: As `matching_records` does.
        FeatureNotFoundError: The store never had records of the feature.
    """
    ids = list(store.graph.plan(key).id_columns)
    rows = store.read_metadata(
        key, allow_fallback=False, current_only=not all_versions, latest_only=False
    )
    newest = latest_records(polars_lazy(rows), id_columns=[*ids, FEATURE_VERSION])
    return _collected(fulfilling(newest, conditions(filters)).select(ids), key, filters)


def _collected(records: pl.LazyFrame, key: FeatureKey, filters: Sequence[str]) -> pl.DataFrame:
    try:
        return records.collect()
    except PolarsError as error:
        reason = str(error).splitlines()[0]
        raise FilterError(
            f"The records of '{key}' can't be compared as {listed(filters)} wants: {reason}. "
            "Texts stand in quotes ('a'), numbers don't.",
            sql=" AND ".join(filters),
        ) from error
