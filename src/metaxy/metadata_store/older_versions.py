"""How to tell the records of older versions of a feature, whose ids may have been others.

The code says it of the current version only; of the others it is on record in the lake, as far as
they were pushed.
"""

from dataclasses import replace

import polars as pl

from metaxy.graph.plan import FeaturePlan, RecordsPlan
from metaxy.metadata_store import system
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.pushing import read_pushes
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec


def older_plans(store: OpenableStore, plan: RecordsPlan) -> dict[str, RecordsPlan]:
    """How to tell the records of each other version that was pushed, where it isn't `plan`'s way.

    Reads the pushes of the lake.

    Returns:
        By feature version, as it is stamped.
    """
    pushes = read_pushes(store)
    newest = (
        pushes.filter(
            pl.col("feature_key") == str(plan.key),
            pl.col("feature_version") != store.hash_settings.stamp(plan.feature_version),
        )
        .sort("recorded_at", "push_id")
        .unique("feature_version", keep="last", maintain_order=True)
        .select("feature_version", "snapshot_version", "definition")
    )
    found = {
        version: system.restored_graph(pushes, snapshot).plan(plan.key).records
        for version, snapshot, text in newest.iter_rows()
        if _may_differ(FeatureDefinition.from_json(text).spec, plan)
    }
    return {version: each for version, each in found.items() if not _is_alike(each, plan)}


def plans_by_version(store: OpenableStore, plan: FeaturePlan) -> dict[str | None, FeaturePlan]:
    """The plan of a feature at None, and those of older versions whose records are told otherwise.

    Reads the pushes of the lake.
    """
    others = older_plans(store, plan.records)
    plans: dict[str | None, FeaturePlan] = {None: plan}
    for version, each in others.items():
        plans[version] = replace(plan, id_columns=each.id_columns, records=each)
    return plans


def _may_differ(spec: FeatureSpec, plan: RecordsPlan) -> bool:
    """Whether the graph of a spec has to be restored to see how its records are told."""
    expands = any(spec.lineage_of(dep).kind == "expansion" for dep in spec.deps)
    is_plain = plan.expansion_on is None and not expands
    return not is_plain or set(spec.id_columns) != set(plan.id_columns)


def _is_alike(one: RecordsPlan, other: RecordsPlan) -> bool:
    return set(one.id_columns) == set(other.id_columns) and set(one.expansion_on or ()) == set(
        other.expansion_on or ()
    )
