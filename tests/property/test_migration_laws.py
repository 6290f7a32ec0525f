"""A migration changes no answer: what was to be computed is, what was up to date stays so."""

import uuid
from dataclasses import replace
from typing import Any

import narwhals as nw
import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from memory_store import LAKES, MemoryStore
from metaxy.errors import GraphError
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.carry_frames import Carrying
from metaxy.migrations.carrying import carry, plan_carrying
from metaxy.migrations.reconciliation import affected_features
from metaxy.models.definition import FeatureDefinition
from metaxy.models.fields import ALL, FieldDep, FieldSpec
from metaxy.models.keys import FeatureKey
from reference.histories import History, histories

_lawful = settings(
    max_examples=settings.default.max_examples // 3 if settings.default else 33,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
Ids = set[tuple[Any, ...]]


@st.composite
def _refactored(draw: st.DrawFn, graph: FeatureGraph) -> FeatureGraph:
    """The graph with other field dependencies here and there; at least one feature is another.

    Columns may be null in it: made-up histories don't heed what classes declare.
    """
    definitions = [draw(_redefined(each, graph)) for each in graph.definitions.values()]
    try:
        new = FeatureGraph.from_definitions(definitions)
    except GraphError:
        assume(condition=False)
        raise
    assume(affected_features(graph, new))
    return new


@st.composite
def _redefined(
    draw: st.DrawFn, definition: FeatureDefinition, graph: FeatureGraph
) -> FeatureDefinition:
    columns = tuple(replace(column, nullable=True) for column in definition.columns)
    definition = replace(definition, columns=columns)
    if not definition.spec.deps or draw(st.booleans()):
        return definition
    fields = [
        draw(_field(field, definition, graph)) if draw(st.booleans()) else field
        for field in definition.spec.fields
    ]
    return replace(definition, spec=definition.spec.model_copy(update={"fields": tuple(fields)}))


@st.composite
def _field(
    draw: st.DrawFn, field: FieldSpec, definition: FeatureDefinition, graph: FeatureGraph
) -> FieldSpec:
    deps: list[FieldDep] = []
    for each in definition.spec.deps:
        theirs = [their.key for their in graph.definition(each.feature).spec.fields]
        chosen = draw(st.lists(st.sampled_from(theirs), unique=True))
        if chosen:
            deps.append(FieldDep(each.feature, chosen))
    wanted = draw(st.sampled_from([tuple(deps), tuple(deps), ALL, None]))
    return FieldSpec(field.key, field.code_version, deps=wanted)


def _store(history: History, graph: FeatureGraph, name: str) -> MetadataStore:
    return MemoryStore(
        name,
        graph=graph,
        hash_algorithm=history.algorithm,
        hash_truncation_length=history.truncation,
    )


def _filled(history: History) -> str:
    """The name of a lake in memory that holds what the history has written."""
    name = uuid.uuid4().hex
    store = _store(history, history.graph, name)
    with store.open("write"):
        store.settle_hash_settings()
        for key in history.tables:
            rows = history.stored(key).frame
            assert rows is not None
            version = store.feature_version(key)
            stamped = rows.with_columns(
                metaxy_feature_version=pl.lit(version), metaxy_snapshot_version=pl.lit("old")
            )
            LAKES[name][key] = stamped.collect()
    return name


def _names(frame: nw.DataFrame[Any], key: FeatureKey, graph: FeatureGraph) -> Ids:
    grain = list(graph.plan(key).grain)
    return set(frame.to_native().select(grain).iter_rows())


def _answers(history: History, graph: FeatureGraph, name: str) -> dict[FeatureKey, tuple[Ids, ...]]:
    """For every feature that is computed, which records are to be computed or dropped."""
    store = _store(history, graph, name)
    with store.open("read"):
        return {
            key: (
                _names(found.added, key, graph),
                _names(found.changed, key, graph),
                _names(found.removed, key, graph),
            )
            for key in graph
            if not graph.plan(key).is_root
            for found in [store.resolve_update(key)]
        }


def _records(history: History, graph: FeatureGraph, name: str) -> dict[FeatureKey, list[str]]:
    """For every feature, its records without metaxy's own columns."""
    store = _store(history, graph, name)
    with store.open("read"):
        found: dict[FeatureKey, list[str]] = {}
        for key in history.tables:
            rows = store.read_metadata(key).collect().to_native().to_dicts()
            found[key] = sorted(
                repr(sorted((n, v) for n, v in row.items() if not n.startswith("metaxy_")))
                for row in rows
            )
    return found


def _carried(
    history: History, new: FeatureGraph, name: str, *, order: list[FeatureKey]
) -> dict[FeatureKey, int]:
    store = _store(history, new, name)
    with store.open("write"):
        return {
            key: carry(
                store,
                Carrying(
                    feature=key,
                    old=history.graph,
                    new=new,
                    run="migration:m",
                    carried=frozenset(order),
                ),
            ).rows
            for key in order
        }


@_lawful
@given(histories(), st.data())
def test_the_increment_of_every_feature_is_what_it_was(
    history: History, data: st.DataObject
) -> None:
    """In sync before is in sync after, out of date before is out of date after."""
    new = data.draw(_refactored(history.graph))
    name = _filled(history)
    before = _answers(history, history.graph, name)

    _carried(history, new, name, order=list(affected_features(history.graph, new)))

    assert _answers(history, new, name) == before


@_lawful
@given(histories(), st.data())
def test_no_record_and_no_column_of_the_users_is_lost(
    history: History, data: st.DataObject
) -> None:
    """Every current record is a current record, with the values that it had."""
    new = data.draw(_refactored(history.graph))
    name = _filled(history)
    before = _records(history, history.graph, name)

    _carried(history, new, name, order=list(affected_features(history.graph, new)))

    assert _records(history, new, name) == before


@_lawful
@given(histories(), st.data())
def test_a_second_run_writes_nothing(history: History, data: st.DataObject) -> None:
    """Whatever was cut off before: a run over some features, then one over all, then another."""
    new = data.draw(_refactored(history.graph))
    name = _filled(history)
    order = list(affected_features(history.graph, new))
    before = _answers(history, history.graph, name)
    _carried(history, new, name, order=order[: data.draw(st.integers(0, len(order)))])
    _carried(history, new, name, order=order)

    assert set(_carried(history, new, name, order=order).values()) == {0}
    assert _answers(history, new, name) == before


@_lawful
@given(histories(), st.data())
def test_the_plan_counts_what_the_run_appends(history: History, data: st.DataObject) -> None:
    """Records in sync, out of date and orphaned, worked out before anything is written."""
    new = data.draw(_refactored(history.graph))
    name = _filled(history)
    order = list(affected_features(history.graph, new))
    store = _store(history, new, name)
    answers = _answers(history, history.graph, name)
    with store.open("write"):
        for key in order:
            asked = Carrying(
                feature=key,
                old=history.graph,
                new=new,
                run="migration:m",
                carried=frozenset(order),
            )
            plan = plan_carrying(store, asked)
            done = carry(store, asked)

            assert (plan.in_sync, plan.out_of_date, plan.orphaned) == (
                done.in_sync,
                done.out_of_date,
                done.orphaned,
            )
            assert (
                plan.to_append
                == plan.records
                == sum((done.in_sync, done.out_of_date, done.orphaned))
            )
            if not new.plan(key).expands:
                assert plan.out_of_date == len(answers[key][1])
                assert plan.orphaned == len(answers[key][2])
