"""Whether what fields depend on exists: field dependencies and fields mappings."""

from collections.abc import Iterable, Iterator, Mapping

from metaxy.errors import did_you_mean, listed
from metaxy.graph.parents import named_deps, named_fields
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.keys import FeatureKey, FieldKey

_Graph = Mapping[FeatureKey, FeatureDefinition]


def field_faults(definition: FeatureDefinition, graph: _Graph) -> Iterator[str]:
    """Tell of field dependencies and mappings that name what is not there."""
    upstreams = {dep.feature for dep in definition.spec.deps}
    for field in definition.spec.fields:
        owner = f"'{definition.key}', field '{field.key}'"
        for dep in named_deps(field):
            if dep.feature not in upstreams:
                yield _not_an_upstream(owner, dep.feature, upstreams)
            elif dep.feature in graph:
                yield from _unknown(f"{owner}: depends on", named_fields(dep), graph[dep.feature])
    for dep in definition.spec.deps:
        yield from _mapping_faults(definition, dep, graph)


def _not_an_upstream(owner: str, upstream: FeatureKey, upstreams: Iterable[FeatureKey]) -> str:
    names = sorted(map(str, upstreams))
    what_is = (
        f"which is no dependency of the feature; those are {listed(names)}"
        if names
        else "but the feature has no dependencies"
    )
    return (
        f"{owner}: depends on '{upstream}', {what_is}. Add FeatureDep('{upstream}') to the "
        f"feature, or drop the field's.{did_you_mean(str(upstream), names)}"
    )


def _mapping_faults(definition: FeatureDefinition, dep: FeatureDep, graph: _Graph) -> Iterator[str]:
    """A mapping's own side is this feature, its other side and what it excludes the upstream."""
    mapping = dep.fields_mapping
    owner = f"'{definition.key}', dependency on '{dep.feature}'"
    yield from _unknown(f"{owner}: the fields mapping is for", tuple(mapping.fields), definition)
    if dep.feature in graph:
        named = {key for keys in mapping.fields.values() for key in keys}
        upstream = graph[dep.feature]
        yield from _unknown(f"{owner}: the fields mapping names", tuple(named), upstream)
        yield from _unknown(
            f"{owner}: the fields mapping excludes", mapping.exclude_fields, upstream
        )


def _unknown(text: str, fields: Iterable[FieldKey], owner: FeatureDefinition) -> Iterator[str]:
    known = sorted(str(field.key) for field in owner.spec.fields)
    for name in sorted(set(map(str, fields)) - set(known)):
        yield (
            f"{text} the field {name!r}, which '{owner.key}' does not have; it has "
            f"{listed(known)}.{did_you_mean(name, known)}"
        )
