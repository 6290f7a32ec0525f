"""What is recorded of a graph, when, and what can be had back."""

import json

import pytest

from definitions import feature, graph_of
from films import films, update, videos
from lakes import Lake
from metaxy.errors import SystemDataNotFoundError


def test_a_push_knows_three_cases(lake: Lake) -> None:
    """New; only descriptions and the like changed; nothing changed."""
    plain = graph_of(feature("video", fields=["audio"]), feature("song"))
    told = graph_of(feature("video", fields=["audio"], description="A film"), feature("song"))
    with lake.store(graph=plain).open("write") as store:
        first = store.record_feature_graph_snapshot()
        again = store.record_feature_graph_snapshot()
    with lake.store(graph=told).open("write") as store:
        other = store.record_feature_graph_snapshot()
        once_more = store.record_feature_graph_snapshot()
        pushes = store.read_pushes()
        kinds = [json.loads(each)["case"] for each in store.read_events()["details"]]

    assert (first.case, first.project, first.features) == ("new", "films", 2)
    assert (again.case, other.case, once_more.case) == ("unchanged", "updated", "unchanged")
    assert [str(key) for key in other.updated] == ["video"]
    assert {each.snapshot_version for each in (first, again, other)} == {plain.snapshot_version}
    assert pushes.height == 4
    assert kinds == ["new", "updated"]


def test_going_back_is_a_new_push(lake: Lake) -> None:
    """A, B, A: the newest push always says what is deployed."""
    cases: list[str] = []
    for version in ("1", "2", "1", "1"):
        with lake.store(graph=films(video=version)).open("write") as store:
            cases.append(store.record_feature_graph_snapshot().case)
            newest = store.read_pushes().sort("recorded_at")["snapshot_version"].to_list()[-1]
            assert newest == films(video=version).snapshot_version

    assert cases == ["new", "new", "new", "unchanged"]


def test_a_graph_comes_back_without_its_classes(lake: Lake) -> None:
    """By its snapshot version, and able to read what was written then."""
    old = films()
    with lake.store(graph=old).open("write") as store:
        pushed = store.record_feature_graph_snapshot()
        update(store, "video", videos(("a", "1", "1")))
        update(store, "transcript")
    with lake.store(graph=films(video="2")) as store:
        restored = store.load_graph_snapshot(pushed.snapshot_version)
        with pytest.raises(SystemDataNotFoundError, match=r"No snapshot 'nothing' was pushed"):
            store.load_graph_snapshot("nothing")
    with lake.store(graph=restored) as store:
        assert store.resolve_update("transcript").is_empty

    assert restored.snapshot_version == old.snapshot_version
    assert list(restored.keys) == list(old.keys)


def test_a_project_is_pushed_with_what_it_is_made_from(lake: Lake) -> None:
    """Features of other projects are marked as external, and don't count."""
    graph = graph_of(
        feature("video", fields=["audio"], project="films"),
        feature("tune", deps=["video"], project="music"),
        feature("alien", project="other"),
    )
    with lake.store(graph=graph).open("write") as store:
        with pytest.raises(ValueError, match=r"'films', 'music', 'other'. Give one of them as"):
            store.record_feature_graph_snapshot()
        with pytest.raises(ValueError, match=r"None is of 'musik'. Did you mean 'music'\?"):
            store.record_feature_graph_snapshot("musik")
        result = store.record_feature_graph_snapshot("music")
        rows = store.read_pushes().sort("feature_key").select("feature_key", "is_external").rows()
        restored = store.load_graph_snapshot(result.snapshot_version)

    assert (result.features, result.project) == (1, "music")
    assert rows == [("tune", False), ("video", True)]
    assert [str(key) for key in restored.keys] == ["tune", "video"]


def test_a_store_of_a_project_pushes_that(lake: Lake) -> None:
    """Unless another is named; each project has its own newest push."""
    graph = graph_of(feature("video", project="films"), feature("tune", project="music"))
    with lake.store(graph=graph, project="music").open("write") as store:
        assert store.record_feature_graph_snapshot().project == "music"
        assert store.record_feature_graph_snapshot("films").case == "new"
        assert store.record_feature_graph_snapshot().case == "unchanged"


def test_versions_are_recorded_as_they_are_stamped(lake: Lake) -> None:
    """Cut where the lake says so."""
    with lake.store(hash_truncation_length=10).open("write") as store:
        pushed = store.record_feature_graph_snapshot()
        row = store.read_pushes().filter(feature_key="video").row(0, named=True)

        assert row["feature_version"] == store.feature_version("video")
    assert len(row["feature_version"]) == len(pushed.snapshot_version) == 10
