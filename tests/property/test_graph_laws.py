"""Laws of versions, snapshots and plans, over generated graphs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, cast

from hypothesis import assume, given
from hypothesis import strategies as st

from metaxy.graph.checks import faults
from metaxy.graph.diff import diff_graphs
from metaxy.graph.graph import FeatureGraph
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.keys import FeatureKey
from strategies import Definitions, feature_definitions, feature_graphs

Data = dict[str, Any]

UNORDERED = {"deps", "fields", "tags", "filters", "id_columns", "columns", "on", "exclude_fields"}


def _reordered(value: object, random: Random, *, at: str = "") -> object:
    """The dump of a spec with every part that has no order in another one; not user metadata."""
    if at == "metadata":
        return value
    if isinstance(value, dict):
        named = cast("Data", value)
        entries = [(name, _reordered(each, random, at=name)) for name, each in named.items()]
        random.shuffle(entries)
        return dict(entries)
    if isinstance(value, list):
        items = [_reordered(each, random) for each in cast("list[object]", value)]
        return random.sample(items, len(items)) if at in UNORDERED else items
    return value


def _respecified(definition: FeatureDefinition, edit: Callable[[Data], None]) -> FeatureDefinition:
    data = definition.spec.model_dump(mode="json")
    edit(data)
    return replace(definition, spec=FeatureSpec.model_validate(data))


def _versions(graph: FeatureGraph) -> Mapping[str, object]:
    return {
        str(key): (
            graph.feature_version(key),
            graph.code_version(key),
            graph.feature_spec_version(key),
            graph.full_definition_version(key),
            [graph.field_version(key, field.key) for field in graph.plan(key).fields],
        )
        for key in graph
    } | {"": (graph.snapshot_version, [graph.snapshot_version_of(each) for each in graph.projects])}


@given(feature_definitions(), st.randoms(use_true_random=False))
def test_no_order_of_what_is_written_changes_a_version(
    definitions: Definitions, random: Random
) -> None:
    """Definitions, fields, dependencies, mappings, tags, ids and filters may come in any order."""
    reordered = [
        replace(
            each,
            spec=FeatureSpec.model_validate(_reordered(each.spec.model_dump(mode="json"), random)),
            columns=tuple(random.sample(each.columns, len(each.columns))),
        )
        for each in random.sample(definitions, len(definitions))
    ]

    graph = FeatureGraph.from_definitions(definitions)
    other = FeatureGraph.from_definitions(reordered)

    assert _versions(other) == _versions(graph)
    assert other.topological_order() == graph.topological_order()
    assert diff_graphs(graph, other).is_empty


def _edits(definition: FeatureDefinition) -> Iterator[Callable[[Data], None]]:
    """Edits that each change what the feature's records or fields are."""
    yield lambda data: data["fields"][0].update(code_version="edited")
    yield lambda data: data["fields"].append({"key": ["added"], "deps": []})
    yield lambda data: data["fields"][0].update(key=["renamed"])
    if len(definition.spec.fields) > 1:
        yield lambda data: data["fields"].pop()
    for number, dep in enumerate(definition.spec.deps):
        yield lambda data, n=number, was=dep.optional: data["deps"][n].update(optional=not was)
        yield lambda data, n=number: data["deps"][n]["filters"].append("edited = 1")
        yield lambda data, n=number: data["deps"][n]["rename"].update(unheard="edited")
        for field in range(len(definition.spec.fields)):
            yield lambda data, f=field: data["fields"][f].update(deps=None)
            yield lambda data, f=field: data["fields"][f].update(deps=[])
            yield lambda data, f=field: data["fields"][f].update(deps="*")
        if len(definition.spec.deps) > 1:
            yield lambda data, n=number: data["deps"].pop(n)


def _own_rows(graph: FeatureGraph, key: FeatureKey) -> object:
    """What the feature's plan says of its rows, apart from versions."""
    plan = graph.plan(key)
    return plan.id_columns, sorted(
        (
            str(each.upstream),
            str(each.lineage),
            sorted(each.rename.items()),
            sorted(sql.canonical for sql in each.filters),
            each.optional,
        )
        for each in plan.inputs
    )


def _changed_features(old: FeatureGraph, new: FeatureGraph) -> set[FeatureKey]:
    """What must have another version, worked out without looking at any version."""
    changed_fields: set[object] = set()
    changed = set[FeatureKey]()
    for key in new.topological_order():
        before = {each.key: each for each in old.plan(key).fields}
        after = {each.key: each for each in new.plan(key).fields}
        if before.keys() != after.keys() or _own_rows(old, key) != _own_rows(new, key):
            changed.add(key)
        for name, field in after.items():
            if field != before.get(name) or changed_fields.intersection(field.parents):
                changed_fields.add((key, name))
                changed.add(key)
    return changed


@given(feature_definitions(), st.data())
def test_a_change_of_meaning_changes_what_it_flows_into_and_nothing_else(
    definitions: Definitions, data: st.DataObject
) -> None:
    """A feature's version changes with its rows and fields, and a downstream one through fields."""
    at = data.draw(st.integers(0, len(definitions) - 1))
    edit = data.draw(st.sampled_from(list(_edits(definitions[at]))))
    edited = list(definitions)
    edited[at] = _respecified(definitions[at], edit)
    assume(not faults(edited))

    old = FeatureGraph.from_definitions(definitions)
    new = FeatureGraph.from_definitions(edited)
    differing = {key for key in old if old.feature_version(key) != new.feature_version(key)}

    assert differing == _changed_features(old, new)
    assert differing <= {definitions[at].key, *old.downstream(definitions[at].key)}
    assert (old.snapshot_version == new.snapshot_version) == (not differing)
    diff = diff_graphs(old, new)
    assert differing == {each.key for each in diff.affected} | {
        each.key for each in diff.changed if each.changes_version
    }
    for each in diff.changed:
        own = any(change.changes_version for change in each.changes)
        affected = each.key in {one.key for one in diff.affected}
        assert each.changes_version == (own or affected)


@given(feature_definitions(), st.data())
def test_words_about_a_feature_change_its_spec_version_only(
    definitions: Definitions, data: st.DataObject
) -> None:
    """Descriptions, tags and metadata are in the spec and full definition versions alone."""
    at = data.draw(st.integers(0, len(definitions) - 1))
    words: Data = data.draw(
        st.sampled_from(
            [{"description": "edited"}, {"tags": ["edited"]}, {"metadata": {"edited": None}}]
        )
    )
    edited = list(definitions)
    edited[at] = _respecified(definitions[at], lambda spec: spec.update(words))

    old = FeatureGraph.from_definitions(definitions)
    new = FeatureGraph.from_definitions(edited)

    assert new.feature_versions == old.feature_versions
    assert new.snapshot_version == old.snapshot_version
    for key in old:
        same = key != definitions[at].key
        assert (new.feature_spec_version(key) == old.feature_spec_version(key)) == same
        assert (new.full_definition_version(key) == old.full_definition_version(key)) == same
        assert new.code_version(key) == old.code_version(key)


@given(feature_graphs())
def test_a_snapshot_restores_an_equal_graph(graph: FeatureGraph) -> None:
    """Through JSON, versions and plans are the same without the classes."""
    restored = FeatureGraph.from_snapshot(json.loads(json.dumps(graph.to_snapshot())))

    assert restored == graph
    assert _versions(restored) == _versions(graph)
    assert [restored.plan(key) for key in restored] == [graph.plan(key) for key in graph]
    assert restored.to_snapshot() == graph.to_snapshot()


@given(feature_graphs())
def test_the_plan_of_a_feature_can_be_joined(graph: FeatureGraph) -> None:
    """Inputs share ids with those before them, optional ones are last, and all give the grain."""
    for key in graph:
        plan = graph.plan(key)
        seen: set[str] = set()
        for each in plan.inputs:
            assert not seen or not seen.isdisjoint(each.id_columns)
            seen.update(each.id_columns)
        optional = [each.optional for each in plan.inputs]
        assert optional == sorted(optional)
        assert set(plan.grain) == (seen or set(plan.id_columns))
        assert plan.expands == (bool(seen) and not seen.issuperset(plan.id_columns))


@given(feature_graphs())
def test_a_subgraph_keeps_versions_and_plans(graph: FeatureGraph) -> None:
    """A feature depends on nothing but its upstream."""
    for key in graph:
        part = graph.subgraph([key])

        assert part.keys == tuple(sorted({key, *graph.upstream(key)}))
        assert part.plan(key) == graph.plan(key)
