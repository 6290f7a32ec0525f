"""The words for features and dependencies that drawings share."""

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import InputPlan
from metaxy.models.keys import FeatureKey

VERSION_LENGTH = 8


def feature_lines(graph: FeatureGraph, key: FeatureKey, *, version_length: int) -> list[str]:
    """A feature in a box: its key, its version, its id columns, and its fields with versions."""
    plan = graph.plan(key)
    return [
        str(key),
        plan.feature_version[:version_length],
        f"id: {', '.join(plan.id_columns)}",
        *(
            f"{field.key} {graph.field_version(key, field.key)[:version_length]}"
            for field in plan.fields
        ),
    ]


def edge_label(each: InputPlan) -> str:
    """What is special about a dependency; empty for a plain 1:1 one."""
    lineage = [] if each.lineage.kind == "identity" else [lineage_text(each)]
    return ", ".join([*lineage, *(["optional"] if each.optional else [])])


def lineage_text(each: InputPlan) -> str:
    """The lineage with its columns, such as `expansion(video_id)`."""
    return f"{each.lineage.kind}({', '.join(sorted(each.lineage.on))})"
