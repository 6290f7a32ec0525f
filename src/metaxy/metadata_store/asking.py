"""What an increment is asked about: samples and filters, checked before anything is read."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import FilterError, did_you_mean, listed
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.frames import Filter, conditions, polars_frame
from metaxy.metadata_store.records import RecordContract, checked_records
from metaxy.models.keys import FeatureKey
from metaxy.versioning.scope import RuntimeFilters


def runtime_filters(
    plan: FeaturePlan,
    filters: Mapping[Any, Iterable[Filter]] | None,
    global_filters: Iterable[Filter] | None,
) -> RuntimeFilters:
    """The filters of one question, by feature.

    Raises:
        FilterError: A filter is for a feature that has no part in the question.
    """
    if filters is not None and not isinstance(filters, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise FilterError(
            f"filters is a {type(filters).__name__}; give a mapping from features to filters, such "
            f"as {{'{plan.key}': [...]}}, or use global_filters=[...]."
        )
    by_feature = {FeatureKey(key): conditions(each) for key, each in (filters or {}).items()}
    upstreams = sorted(str(each.upstream) for each in plan.inputs)
    known = [*upstreams, str(plan.key)]
    for key in by_feature:
        if str(key) not in known:
            raise FilterError(
                f"There is a filter for '{key}', which is neither '{plan.key}' nor one of its "
                f"upstreams: {listed(upstreams)}.{did_you_mean(str(key), known)}"
            )
    return RuntimeFilters(by_feature, conditions(global_filters))


def checked_samples(
    samples: IntoFrame, plan: FeaturePlan, *, native_only: bool, table: pl.Schema | None
) -> pl.LazyFrame:
    """The samples as a frame of expected records: one row each, none without id or provenance.

    The values of eager samples are checked here, those of lazy ones when they are written.

    Raises:
        MetadataSchemaError: They can't be records; has all reasons.
    """
    what = f"samples of '{plan.key}'"
    frame = polars_frame(samples, what=what, native_only=native_only)
    fields = tuple(field.key for field in plan.fields)
    contract = RecordContract.of_names(plan, plan.grain, fields)
    return checked_records(
        frame.lazy(),
        contract,
        table=table,
        engine="in-memory",
        subject=f"The {what} can't be used",
        read=isinstance(frame, pl.DataFrame),
    )
