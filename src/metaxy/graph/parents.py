"""Which upstream fields a field is made of."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.fields import FieldDep, FieldSpec, SpecialFieldDep
from metaxy.models.keys import FeatureKey, FieldKey

FieldName: TypeAlias = tuple[FeatureKey, FieldKey]
"""A field's full name."""


def named_deps(field: FieldSpec) -> tuple[FieldDep, ...]:
    """The dependencies that the field itself lists; none where it leaves that to the feature."""
    return field.deps if isinstance(field.deps, tuple) else ()


def named_fields(dep: FieldDep) -> tuple[FieldKey, ...]:
    """The fields that the dependency lists; none where it takes all."""
    return dep.fields if isinstance(dep.fields, tuple) else ()


def field_parents(
    spec: FeatureSpec, field: FieldSpec, upstream_fields: Mapping[FeatureKey, Sequence[FieldKey]]
) -> tuple[FieldName, ...]:
    """The full names of the fields that a field is made of, sorted, each once.

    Args:
        spec: Of the feature; checked.
        field: One of its fields. What it lists itself counts; else the fields mapping of each of
            the feature's dependencies.
        upstream_fields: The fields of every upstream of the feature.
    """
    if isinstance(field.deps, tuple):
        found = {
            (dep.feature, key)
            for dep in field.deps
            for key in named_fields(dep) or upstream_fields[dep.feature]
        }
    elif field.deps is SpecialFieldDep.ALL:
        found = {(dep.feature, key) for dep in spec.deps for key in upstream_fields[dep.feature]}
    else:
        found = {
            (dep.feature, key)
            for dep in spec.deps
            for key in dep.fields_mapping.resolve(field.key, upstream_fields[dep.feature])
        }
    return tuple(sorted(found))
