"""How two graphs differ: what was changed, and what that changes downstream."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, get_args

from metaxy.graph.canonical import filters_text
from metaxy.graph.changes import (
    AffectedFeature,
    AffectedField,
    Change,
    ChangeKind,
    FeatureChange,
    GraphDiff,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.inputs import renames_of
from metaxy.graph.parents import FieldName
from metaxy.models.columns import ColumnSpec
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.frozen import thawed
from metaxy.models.keys import FeatureKey, FieldKey

Key = TypeVar("Key", FeatureKey, FieldKey)

_RANK = {kind: rank for rank, kind in enumerate(get_args(ChangeKind))}


def diff_graphs(old: FeatureGraph, new: FeatureGraph) -> GraphDiff:
    """Tell what one has to do to the old graph to get the new one, and what follows from it."""
    both = [key for key in new.topological_order() if key in old]
    changes = [feature_change(key, old, new) for key in sorted(both)]
    affected = [_affected_feature(key, old, new) for key in both]
    return GraphDiff(
        old_snapshot_version=old.snapshot_version,
        new_snapshot_version=new.snapshot_version,
        added=tuple(key for key in new if key not in old),
        removed=tuple(key for key in old if key not in new),
        changed=tuple(each for each in changes if each.changes),
        affected=tuple(each for each in affected if each.fields),
    )


def feature_change(key: FeatureKey, old: FeatureGraph, new: FeatureGraph) -> FeatureChange:
    """Tell how a feature is defined differently in two graphs that both have it.

    Returns:
        With no changes at all if it isn't.
    """
    before, after = old.definition(key), new.definition(key)
    changes = [
        *_spec_changes(before.spec, after.spec),
        *_definition_changes(before, after),
        *_dep_changes(before.spec, after.spec),
        *_field_changes(before.spec, after.spec),
        *_parent_changes(key, old, new),
    ]
    if not changes and old.feature_spec_version(key) != new.feature_spec_version(key):
        changes = [Change("notation", "", "one way", "another, with the same result")]
    changes.sort(key=lambda change: (_RANK[change.kind], change.subject))
    return FeatureChange(key, old.feature_version(key), new.feature_version(key), tuple(changes))


def _affected_feature(key: FeatureKey, old: FeatureGraph, new: FeatureGraph) -> AffectedFeature:
    old_fields = {field.key for field in old.definition(key).spec.fields}
    fields = sorted(old_fields & {field.key for field in new.definition(key).spec.fields})
    through = {
        field: tuple(
            parent
            for parent in new.field_parents(key, field)
            if parent in old.field_parents(key, field)
            and old.field_version(*parent) != new.field_version(*parent)
        )
        for field in fields
    }
    return AffectedFeature(
        key, tuple(AffectedField(field, through[field]) for field in fields if through[field])
    )


def _spec_changes(old: FeatureSpec, new: FeatureSpec) -> Iterator[Change]:
    yield from _compared("id_columns", _names(old.id_columns), _names(new.id_columns))
    yield from _compared("description", old.description, new.description)
    yield from _compared("tags", _names(old.tags), _names(new.tags))
    yield from _compared("metadata", _json(old.metadata), _json(new.metadata))


def _definition_changes(old: FeatureDefinition, new: FeatureDefinition) -> Iterator[Change]:
    yield from _compared("project", old.project, new.project)
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        yield from _compared("column", _column_type(was), _column_type(now), subject=repr(name))
        if was and now:
            subject = f"column {name!r}"
            yield from _compared("description", was.description, now.description, subject=subject)


def _dep_changes(old: FeatureSpec, new: FeatureSpec) -> Iterator[Change]:
    before = {dep.feature: dep for dep in old.deps}
    after = {dep.feature: dep for dep in new.deps}
    yield from _come_and_gone("dependency", before, after)
    for key in sorted(before.keys() & after.keys()):
        was, now = _dep_texts(old, before[key]), _dep_texts(new, after[key])
        for kind, text in was.items():
            yield from _compared(kind, text, now[kind], subject=f"dependency on '{key}'")


def _dep_texts(spec: FeatureSpec, dep: FeatureDep) -> Mapping[ChangeKind, str]:
    lineage = spec.lineage_of(dep)
    return {
        "lineage": f"{lineage.kind}({', '.join(sorted(lineage.on))})",
        "rename": ", ".join(f"{was} as {now}" for was, now in renames_of(dep).items()) or "none",
        "filters": filters_text(dep.filters) or "none",
        "optional": "yes" if dep.optional else "no",
        "selection": "all columns" if dep.columns is None else _names(dep.columns),
    }


def _field_changes(old: FeatureSpec, new: FeatureSpec) -> Iterator[Change]:
    before = {field.key: field for field in old.fields}
    after = {field.key: field for field in new.fields}
    yield from _come_and_gone("field", before, after)
    for key in sorted(before.keys() & after.keys()):
        was, now, subject = before[key], after[key], f"field '{key}'"
        yield from _compared(
            "code_version", repr(was.code_version), repr(now.code_version), subject=subject
        )
        yield from _compared("description", was.description, now.description, subject=subject)


def _parent_changes(key: FeatureKey, old: FeatureGraph, new: FeatureGraph) -> Iterator[Change]:
    """Which fields a field is made of can also change because an upstream has other fields."""
    kept = {field.key for field in old.definition(key).spec.fields}
    for field in new.definition(key).spec.fields:
        if field.key in kept:
            was, now = old.field_parents(key, field.key), new.field_parents(key, field.key)
            yield from _compared(
                "field_parents",
                _field_names(was),
                _field_names(now),
                subject=f"field '{field.key}'",
            )


def _come_and_gone(
    kind: ChangeKind, before: Iterable[Key], after: Iterable[Key]
) -> Iterator[Change]:
    """A change for each key that only one of them has."""
    were, are = set(before), set(after)
    for key in sorted(were ^ are):
        named = f"'{key}'"
        yield Change(kind, "", named if key in were else None, named if key in are else None)


def _compared(
    kind: ChangeKind, old: str | None, new: str | None, *, subject: str = ""
) -> Iterator[Change]:
    if old != new:
        yield Change(kind, subject, old, new)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "none"


def _field_names(names: Iterable[FieldName]) -> str:
    return ", ".join(f"{feature}.{field}" for feature, field in names) or "none"


def _column_type(column: ColumnSpec | None) -> str | None:
    if column is None:
        return None
    return f"{column.dtype}{', nullable' if column.nullable else ''}"


def _json(value: object) -> str:
    return json.dumps(thawed(value), sort_keys=True, ensure_ascii=False)
