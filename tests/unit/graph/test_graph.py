"""What can be asked of a graph."""

import pickle

import pytest

from definitions import feature, graph_of
from metaxy.errors import FeatureNotFoundError
from metaxy.graph.active import active_graph, set_default_provider
from metaxy.graph.graph import FeatureGraph
from metaxy.models.keys import FeatureKey


def _keys(*keys: str) -> tuple[FeatureKey, ...]:
    return tuple(map(FeatureKey, keys))


@pytest.fixture(name="diamond")
def _diamond() -> FeatureGraph:
    return graph_of(
        feature("d", deps=("c", "b"), project="sounds"),
        feature("c", deps=("a",)),
        feature("b", deps=("a",)),
        feature("a"),
        feature("apart", project="sounds"),
    )


def test_the_topological_order_has_upstreams_first_and_small_keys_first(
    diamond: FeatureGraph,
) -> None:
    """Also of a part of the graph, in whatever order and form its keys are given."""
    assert diamond.topological_order() == _keys("a", "apart", "b", "c", "d")
    assert diamond.topological_order(["d", "a", FeatureKey("c"), "a"]) == _keys("a", "c", "d")
    assert diamond.keys == tuple(diamond) == _keys("a", "apart", "b", "c", "d")
    assert diamond.roots == _keys("a", "apart")


def test_upstream_and_downstream_are_in_topological_order(diamond: FeatureGraph) -> None:
    """Without the feature itself."""
    assert diamond.upstream("d") == _keys("a", "b", "c")
    assert diamond.upstream("d", recursive=False) == _keys("b", "c")
    assert diamond.downstream("a") == _keys("b", "c", "d")
    assert diamond.downstream("a", recursive=False) == _keys("b", "c")
    assert diamond.upstream("a") == diamond.downstream("d") == ()


def test_a_project_is_a_part_with_what_it_depends_on(diamond: FeatureGraph) -> None:
    """Its snapshot version is of its own features alone."""
    sounds = diamond.for_project("sounds")

    assert diamond.projects == ("films", "sounds")
    assert sounds.keys == _keys("a", "apart", "b", "c", "d")
    assert diamond.for_project("films").keys == _keys("a", "b", "c")
    assert diamond.snapshot_version_of("films") == diamond.for_project("films").snapshot_version
    assert diamond.snapshot_version_of("sounds") != sounds.snapshot_version


def test_what_is_not_there_is_told_with_the_nearest_name(diamond: FeatureGraph) -> None:
    """Features, fields and projects."""
    with pytest.raises(FeatureNotFoundError, match=r"no feature 'apat'.*Did you mean 'apart'\?"):
        diamond.plan("apat")
    with pytest.raises(FeatureNotFoundError, match=r"'a' has no field 'defalt'.*'default'\?"):
        diamond.field_version("a", "defalt")
    with pytest.raises(FeatureNotFoundError, match=r"project 'film'.*Did you mean 'films'\?"):
        diamond.for_project("film")


def test_graphs_are_equal_by_their_definitions(diamond: FeatureGraph) -> None:
    """Through pickle, too."""
    copy = pickle.loads(pickle.dumps(diamond))  # noqa: S301 — it was pickled on this line

    assert copy == diamond
    assert hash(copy) == hash(diamond)
    assert copy.plan("d") == diamond.plan("d")
    assert diamond != graph_of(feature("a"))
    assert "a" in diamond
    assert "nowhere" not in diamond
    assert FeatureKey.system("events") not in diamond


def test_an_empty_graph_is_a_graph() -> None:
    """It has a version like any other."""
    empty = graph_of()

    assert len(empty) == 0
    assert empty.topological_order() == ()
    assert len(empty.snapshot_version) == 64


def test_a_chain_of_5000_features_is_built() -> None:
    """Nothing recurses: neither order nor versions, plans or what is reachable."""
    chain = [
        feature(f"f{number:04}", deps=(f"f{number - 1:04}",) if number else ())
        for number in range(5_000)
    ]

    graph = FeatureGraph.from_definitions(reversed(chain))

    assert graph.topological_order()[-1] == FeatureKey("f4999")
    assert len(graph.upstream("f4999")) == len(graph.downstream("f0000")) == 4_999
    assert graph.plan("f4999").inputs[0].upstream == FeatureKey("f4998")


def test_the_pinned_graph_is_active_inside_its_block(diamond: FeatureGraph) -> None:
    """Also an empty one, and one inside another."""
    before, empty = active_graph(), graph_of()

    with diamond.use():
        assert FeatureGraph.get_active() is diamond
        with empty.use() as pinned:
            assert FeatureGraph.get_active() is pinned is empty
        assert FeatureGraph.get_active() is diamond
    assert active_graph() == before


def test_the_provider_answers_where_no_graph_is_pinned(
    diamond: FeatureGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, the active graph is empty."""
    monkeypatch.setattr("metaxy.graph.active._providers", [])

    assert FeatureGraph.get_active() == graph_of()

    set_default_provider(lambda: diamond)
    assert FeatureGraph.get_active() is diamond


def test_an_empty_graph_says_how_features_get_into_one() -> None:
    """Who asks it for one has forgotten to import them."""
    with pytest.raises(FeatureNotFoundError) as raised:
        graph_of().plan("video")

    assert str(raised.value) == (
        "The graph has no feature 'video'; it has none at all. Import the modules that declare "
        "features, or call init_metaxy(), which imports those that the configuration names."
    )
