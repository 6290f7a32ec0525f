"""Every field of a graph with its parents and its version, and what follows for the features."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metaxy.graph.parents import FieldName, field_parents
from metaxy.graph.versions import feature_version, field_version
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey, FieldKey


@dataclass(frozen=True, slots=True)
class FieldGraph:
    """Made once for a graph, of all its definitions.

    Attributes:
        parents: The fields that each field is made of, sorted.
        field_versions: Of every field, at full length.
        feature_versions: Of every feature, at full length.
    """

    parents: Mapping[FieldName, tuple[FieldName, ...]]
    field_versions: Mapping[FieldName, str]
    feature_versions: Mapping[FeatureKey, str]


def field_graph(ordered: Iterable[FeatureDefinition]) -> FieldGraph:
    """Resolve the parents of all fields and compute versions.

    Args:
        ordered: A checked graph, every feature after its upstreams.
    """
    fields: dict[FeatureKey, tuple[FieldKey, ...]] = {}
    parents: dict[FieldName, tuple[FieldName, ...]] = {}
    field_versions: dict[FieldName, str] = {}
    feature_versions: dict[FeatureKey, str] = {}
    for definition in ordered:
        spec = definition.spec
        fields[spec.key] = tuple(sorted(each.key for each in spec.fields))
        own: dict[FieldKey, str] = {}
        for each in spec.fields:
            name = (spec.key, each.key)
            parents[name] = field_parents(spec, each, fields)
            known = {parent: field_versions[parent] for parent in parents[name]}
            own[each.key] = field_versions[name] = field_version(spec.key, each, known)
        feature_versions[spec.key] = feature_version(spec, own)
    return FieldGraph(parents, field_versions, feature_versions)
