"""A spec in a form that does not depend on the order in which its unordered parts were written."""

from collections.abc import Iterable, Mapping
from typing import cast

from metaxy.hashing import Encodable
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.filter_tree import And, Condition, canonical_text
from metaxy.models.filters import SqlFilter
from metaxy.models.frozen import FrozenModel
from metaxy.models.lineage import Lineage


def canonical_spec(spec: FeatureSpec) -> Mapping[str, Encodable]:
    """All that a spec says, as JSON.

    It is made from the dump of the model, so that what is added to specs counts by itself; only
    what has no order in meaning is sorted here. Lists inside `metadata` keep theirs.
    """
    return _dumped(spec) | {
        "id_columns": sorted(spec.id_columns),
        "deps": [_dep(dep) for dep in sorted(spec.deps, key=lambda dep: dep.feature)],
        "fields": [_field(each) for each in sorted(spec.fields, key=lambda each: each.key)],
        "lineage": _lineage(spec.lineage),
        "tags": sorted(set(spec.tags)),
    }


def canonical_filters(filters: Iterable[SqlFilter]) -> list[str]:
    """The conditions which all must hold, sorted, each once.

    Whether they were written as several filters or joined by AND makes no difference.
    """
    return sorted({canonical_text(each) for sql in filters for each in _conditions(sql)})


def filters_text(filters: Iterable[SqlFilter]) -> str:
    """The conditions as one text, in the order of `canonical_filters`; empty for none."""
    conditions = {canonical_text(each): each for sql in filters for each in _conditions(sql)}
    ordered = [conditions[text] for text in sorted(conditions)]
    if len(ordered) > 1:
        return canonical_text(And(tuple(ordered)))
    return "".join(map(canonical_text, ordered))


def _conditions(sql: SqlFilter) -> tuple[Condition, ...]:
    return sql.tree.conditions if isinstance(sql.tree, And) else (sql.tree,)


def _dep(dep: FeatureDep) -> dict[str, Encodable]:
    return _dumped(dep) | {
        "columns": None if dep.columns is None else sorted(dep.columns),
        "fields_mapping": _mapping(dep.fields_mapping),
        "filters": canonical_filters(dep.filters),
        "lineage": _lineage(dep.lineage),
    }


def _lineage(lineage: Lineage | None) -> Encodable:
    return None if lineage is None else _dumped(lineage) | {"on": sorted(lineage.on)}


def _mapping(mapping: FieldsMapping) -> dict[str, Encodable]:
    return _dumped(mapping) | {
        "exclude_fields": _names(mapping.exclude_fields),
        "fields": {str(field): _names(keys) for field, keys in mapping.fields.items()},
    }


def _field(field: FieldSpec) -> dict[str, Encodable]:
    if not isinstance(field.deps, tuple):
        return _dumped(field)
    deps = sorted(field.deps, key=lambda dep: dep.feature)
    return _dumped(field) | {"deps": [_field_dep(dep) for dep in deps]}


def _field_dep(dep: FieldDep) -> dict[str, Encodable]:
    if not isinstance(dep.fields, tuple):
        return _dumped(dep)
    return _dumped(dep) | {"fields": _names(dep.fields)}


def _names(keys: Iterable[object]) -> list[str]:
    return sorted({str(key) for key in keys})


def _dumped(model: FrozenModel) -> dict[str, Encodable]:
    return cast("dict[str, Encodable]", model.model_dump(mode="json"))
