"""A copy of a lake answers as the lake does, whatever it has lived through."""

import tempfile
import uuid
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings

from films import polars
from memory_store import LAKES, MemoryStore
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.models.keys import FeatureKey
from reference.histories import History, histories


def source_of(history: History) -> MemoryStore:
    """A lake in memory with the rows of a history."""
    name = uuid.uuid4().hex
    LAKES[name] = {}
    store = MemoryStore(name, graph=history.graph, hash_algorithm=history.algorithm)
    for key in history.tables:
        rows = history.stored(key).frame
        assert rows is not None
        stamps = {
            "metaxy_feature_version": history.graph.feature_version(key),
            "metaxy_snapshot_version": "s",
        }
        stamped = rows.with_columns(pl.lit(value).alias(column) for column, value in stamps.items())
        LAKES[name][key] = stamped.collect()
    return store


def answer(store: MetadataStore, key: FeatureKey) -> list[list[str]]:
    """An increment as sorted rows."""
    increment = store.resolve_update(key)
    frames = map(polars, (increment.added, increment.changed, increment.removed))
    return [sorted(map(repr, frame.select(sorted(frame.columns)).rows())) for frame in frames]


def check(history: History, copy: MetadataStore) -> None:
    """Copy twice, and compare all answers."""
    source = source_of(history)
    with source, copy.open("write"):
        first = copy.copy_metadata(source)
        again = copy.copy_metadata(source)

        assert sum(first.values()) == sum(len(table.rows) for table in history.tables.values())
        assert sum(again.values()) == 0
        for key in history.graph:
            if not history.graph.plan(key).is_root:
                assert answer(copy, key) == answer(source, key)
    del LAKES[source.name]


@given(history=histories())
def test_a_copy_in_memory_answers_as_the_lake(history: History) -> None:
    """The increments of all features are the same, and a second copy finds nothing to do."""
    check(
        history,
        MemoryStore(uuid.uuid4().hex, graph=history.graph, hash_algorithm=history.algorithm),
    )


@pytest.mark.slow
@settings(max_examples=10)
@given(history=histories())
def test_a_copy_on_disk_answers_as_the_lake(history: History) -> None:
    """And so in Delta tables."""
    with tempfile.TemporaryDirectory() as folder:
        check(
            history,
            DeltaMetadataStore(
                Path(folder) / "lake", graph=history.graph, hash_algorithm=history.algorithm
            ),
        )
