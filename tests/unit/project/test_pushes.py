"""Pushes as they were recorded, and finding them again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from definitions import feature, graph_of
from metaxy import DeltaMetadataStore, FeatureKey, FeatureNotFoundError, SystemDataNotFoundError
from metaxy.project.comparing import compare_pushed
from metaxy.project.pushes import Push, found_push, graph_with, push_history

AT = datetime(2026, 1, 2, tzinfo=UTC)


def push(snapshot_version: str) -> Push:
    """A push of this snapshot."""
    return Push(AT, "films", snapshot_version, features=1, case="new")


def test_each_push_is_compared_with_the_one_before_of_its_project(folder: Path) -> None:
    """The case is told by project; the newest push comes first."""
    for project, columns in [("films", ()), ("books", ()), ("films", ("path",))]:
        of_push = graph_of(feature("video", columns=columns, project=project))
        with DeltaMetadataStore(folder, graph=of_push).open("write") as store:
            store.record_feature_graph_snapshot(project)
            recorded = store.read_pushes()

    history = push_history(recorded)

    assert [(each.project, each.case) for each in history] == [
        ("films", "updated"),
        ("books", "new"),
        ("films", "new"),
    ]
    assert [each.features for each in history] == [1, 1, 1]
    assert push_history(recorded, project="films") == (history[0], history[2])


def test_the_beginning_of_a_version_finds_its_push() -> None:
    """If several pushes have the version, the newest is found."""
    pushes = [push("abc1"), push("abd2"), push("abc1")]

    assert found_push(pushes, "abc") is pushes[0]


def test_a_beginning_that_is_not_clear_is_refused() -> None:
    """The message has the versions that begin so."""
    with pytest.raises(SystemDataNotFoundError, match="2 snapshots begin with 'ab': abc1, abd2"):
        found_push([push("abc1"), push("abd2")], "ab")


def test_a_graph_with_a_feature_is_that_of_the_code_if_it_has_it(folder: Path) -> None:
    """Else it is restored from the newest push; without one it is an error with the nearest."""
    with DeltaMetadataStore(folder, graph=graph_of(feature("video"))).open("write") as store:
        store.record_feature_graph_snapshot()
    code = graph_of(feature("film"))

    with DeltaMetadataStore(folder, graph=code) as store:
        assert graph_with(store, FeatureKey("film")) is code
        assert list(graph_with(store, FeatureKey("video"))) == [FeatureKey("video")]
        with pytest.raises(FeatureNotFoundError, match=r"Did you mean 'video'\?"):
            graph_with(store, FeatureKey("vide"))


def test_snapshots_of_a_lake_that_truncates_are_compared(folder: Path) -> None:
    """Versions are those stamped in the lake, and equal graphs have no difference."""
    code = graph_of(feature("video"))
    with DeltaMetadataStore(folder, graph=code, hash_truncation_length=8).open("write") as store:
        store.record_feature_graph_snapshot()
        comparison = compare_pushed(store)

    assert comparison.old is not None
    assert comparison.old.snapshot_version == comparison.new_snapshot_version
    assert len(comparison.new_snapshot_version) == 8
    assert comparison.diff.is_empty
