"""The engine gives what the slow reference gives, over generated graphs and histories."""

from random import Random
from typing import Any

import narwhals as nw
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaxy.errors import FilterError
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey
from metaxy.versioning.engine import PolarsVersioningEngine
from metaxy.versioning.inputs import StoredRows
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.scope import RuntimeFilters
from metaxy.versioning.types import HashAlgorithm, LazyIncrement
from reference.histories import History, applied, histories
from reference.increments import Increment, Question
from reference.records import Row
from reference.row_bytes import DIGESTS

# A history is many examples in one.
_lawful = settings(
    max_examples=settings.default.max_examples // 3 if settings.default else 33,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _resolved(
    history: History,
    key: FeatureKey,
    *,
    question: Question | None = None,
    stored: dict[FeatureKey, StoredRows] | None = None,
) -> LazyIncrement:
    question = question or Question()
    plan = history.graph.plan(key)
    rows = stored or {each: history.stored(each) for each in history.graph}
    engine = PolarsVersioningEngine(
        plan, hasher=RowHasher(HashAlgorithm(history.algorithm), history.truncation)
    )
    return engine.resolve(
        upstream={each.upstream: rows[each.upstream] for each in plan.inputs},
        stored=rows[key],
        filters=RuntimeFilters(
            {feature: (condition,) for feature, condition in question.by_feature.items()},
            () if question.everywhere is None else (question.everywhere,),
        ),
        skip_comparison=question.skip_comparison,
    )


def _rows(frame: nw.DataFrame[Any]) -> list[Row]:
    return _sorted(frame.to_native().to_dicts())


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: repr(sorted(row.items(), key=lambda item: item[0])))


def _collected(lazy: LazyIncrement) -> tuple[list[Row], list[Row], list[Row]]:
    increment = lazy.collect()
    return _rows(increment.added), _rows(increment.changed), _rows(increment.removed)


def _expected(increment: Increment) -> tuple[list[Row], list[Row], list[Row]]:
    return _sorted(increment.added), _sorted(increment.changed), _sorted(increment.removed)


def _derived(history: History) -> list[FeatureKey]:
    return [key for key in history.graph if not history.graph.plan(key).is_root]


@_lawful
@given(histories())
def test_an_increment_is_what_the_reference_says(history: History) -> None:
    """Ids, carried columns and provenance by field are those that plain loops work out."""
    for key in _derived(history):
        increment = _collected(_resolved(history, key))

        assert increment == _expected(history.reference(key).increment(history.tables))


@_lawful
@given(histories(), st.data())
def test_after_an_increment_is_written_nothing_is_left_to_do(
    history: History, data: st.DataObject
) -> None:
    """Writing added and changed, and deleting removed, empties the next increment."""
    for key in history.graph.topological_order():
        plan = history.graph.plan(key)
        if plan.is_root:
            continue
        added, changed, removed = _collected(_resolved(history, key))
        data.draw(applied(history, key, Increment(added, changed, removed)))

        assert _collected(_resolved(history, key)) == ([], [], [])


@_lawful
@given(histories(), st.data())
def test_a_filtered_increment_is_what_the_reference_says(
    history: History, data: st.DataObject
) -> None:
    """A record is in scope by the upstream's record, the feature's own, or its ids."""
    for key in _derived(history):
        question = data.draw(_questions(history, key))
        increment = _answer(history, key, question)
        if increment is None:
            continue

        assert increment == _expected(history.reference(key).increment(history.tables, question))


@_lawful
@given(histories(), st.data())
def test_a_filter_narrows_the_question_and_not_the_answer(
    history: History, data: st.DataObject
) -> None:
    """What a filtered increment says of a record is what the whole increment says of it."""
    for key in _derived(history):
        narrowed = _answer(history, key, data.draw(_questions(history, key)))
        if narrowed is None:
            continue
        for some, every in zip(narrowed, _collected(_resolved(history, key)), strict=True):
            assert [row for row in some if row not in every] == []


@_lawful
@given(histories(), st.data())
def test_the_three_lazy_frames_are_the_eager_ones(history: History, data: st.DataObject) -> None:
    """Collected one by one or with streaming, they hold the same records of the same types."""
    for key in _derived(history):
        question = data.draw(st.none() | _questions(history, key))
        if question is not None and _answer(history, key, question) is None:
            continue
        lazy = _resolved(history, key, question=question)
        eager = lazy.collect()
        for name in ("added", "changed", "removed"):
            frame = nw.to_native(getattr(lazy, name))
            whole = getattr(eager, name).to_native()

            for engine in ("in-memory", "streaming"):
                part = frame.collect(engine=engine)
                assert part.schema == whole.schema
                assert _sorted(part.to_dicts()) == _sorted(whole.to_dicts())


@_lawful
@given(histories(), st.randoms(use_true_random=False))
def test_no_order_in_what_is_stored_changes_an_increment(history: History, random: Random) -> None:
    """Rows and columns in another order, more files, and unknown instants give the same."""
    shuffled = {key: _shuffled(history, key, random) for key in history.graph}
    for key in _derived(history):
        assert _collected(_resolved(history, key, stored=shuffled)) == _collected(
            _resolved(history, key)
        )


@_lawful
@given(histories(), st.sampled_from(sorted(DIGESTS)), st.none() | st.integers(8, 32), st.data())
def test_every_algorithm_and_length_gives_what_the_reference_says(
    history: History, algorithm: str, truncation: int | None, data: st.DataObject
) -> None:
    """Versions are cut, and those of a group's members are hashed whole."""
    other = History(history.graph, algorithm, truncation, types=history.types)
    for key in history.graph.topological_order():
        plan = history.graph.plan(key)
        if plan.is_root:
            other.commit(key, _rehashed(history.current(key), other, key))
            continue
        expected = other.reference(key).increment(other.tables)

        assert _collected(_resolved(other, key)) == _expected(expected)
        data.draw(applied(other, key, expected))


@_lawful
@given(histories())
def test_comparison_can_be_skipped(history: History) -> None:
    """Then every expected record is added, and nothing else is reported."""
    for key in _derived(history):
        question = Question(skip_comparison=True)
        expected = history.reference(key).increment(history.tables, question)

        assert _collected(_resolved(history, key, question=question)) == _expected(expected)


def _rehashed(rows: list[Row], history: History, key: FeatureKey) -> list[Row]:
    return [
        row
        | {"metaxy_provenance": history.reference(key).version(row["metaxy_provenance_by_field"])}
        for row in rows
    ]


def _answer(
    history: History, key: FeatureKey, question: Question
) -> tuple[list[Row], list[Row], list[Row]] | None:
    """The increment; None when nobody has the columns that are asked about."""
    try:
        return _collected(_resolved(history, key, question=question))
    except FilterError:
        assert question.everywhere is not None or key in question.by_feature
        return None


@st.composite
def _questions(draw: st.DrawFn, history: History, key: FeatureKey) -> Question:
    plan = history.graph.plan(key)
    asked = [*(each.upstream for each in plan.inputs), key]
    some = draw(st.lists(st.sampled_from(asked), unique=True, max_size=2))
    by_feature = {each: draw(_conditions(history, each)) for each in some}
    everywhere = (
        st.none()
        if some
        else st.sampled_from(asked).flatmap(lambda each: _conditions(history, each))
    )
    return Question(by_feature, draw(everywhere))


@st.composite
def _conditions(draw: st.DrawFn, history: History, key: FeatureKey) -> SqlFilter:
    """A condition on one column, about a value that it has somewhere."""
    plan = history.graph.plan(key)
    columns = [*plan.id_columns, *(each.name for each in plan.columns)]
    rows: list[Row] = []
    if key in history.tables:
        columns = [n for n in history.tables[key].columns if not n.startswith("metaxy_")]
        rows = history.tables[key].rows
    name = draw(st.sampled_from(columns))
    values = sorted({row[name] for row in rows if row[name] is not None})
    value = draw(st.sampled_from(values)) if values else "a"
    if not values and history.types.get(name) == pl.Int64():
        value = 1
    test = draw(st.sampled_from(["= {}", "<> {}", ">= {}", "IN ({})", "IS NULL", "IS NOT NULL"]))
    return SqlFilter(f"{name} {test.format(repr(value))}")


def _shuffled(history: History, key: FeatureKey, random: Random) -> StoredRows:
    rows = history.stored(key, tells_instants=False)
    if rows.frame is None:
        return rows
    frame = rows.frame.collect()
    frame = frame.select(random.sample(frame.columns, frame.width))
    frame = (
        frame.with_row_index("metaxy_at")
        .sort(
            pl.col("metaxy_at").replace_strict(
                dict(enumerate(random.sample(range(frame.height), frame.height))),
                return_dtype=pl.Int64,
            )
            if frame.height
            else "metaxy_at"
        )
        .drop("metaxy_at")
    )
    cut = random.randint(0, frame.height)
    return StoredRows(pl.concat([frame[:cut].lazy(), frame[cut:].lazy()]))
