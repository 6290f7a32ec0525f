"""Orders and paths, over plain edges."""

import pytest

from metaxy.graph.order import cycles, reachable, reversed_edges, topological_order
from metaxy.models.keys import FeatureKey


def _edges(text: str) -> dict[FeatureKey, tuple[FeatureKey, ...]]:
    """Edges from `a:bc b:`, a word a feature."""
    pairs = (word.split(":") for word in text.split())
    return {FeatureKey(name): tuple(map(FeatureKey, others)) for name, others in pairs}


def _text(*keys: FeatureKey) -> str:
    return "".join(map(str, keys))


def test_reversed_edges_point_back_and_are_sorted() -> None:
    """Every feature is there, also one that nothing points at."""
    assert reversed_edges(_edges("c:a b:a a:")) == _edges("c: b: a:bc")


@pytest.mark.parametrize(
    ("parents", "order"),
    [
        ("", ""),
        ("b: a:", "ab"),
        ("a:b b:c c:", "cba"),
        ("a:m m: x:", "max"),
        ("d:bc c:a b:a a:", "abcd"),
    ],
)
def test_parents_come_first_and_then_the_smallest_key(parents: str, order: str) -> None:
    """Whatever order the edges are written in."""
    edges = _edges(parents)

    assert _text(*topological_order(edges)) == order
    assert _text(*topological_order(dict(reversed(edges.items())))) == order


def test_features_on_and_after_a_cycle_have_no_order() -> None:
    """They are left out."""
    assert _text(*topological_order(_edges("a: b:ac c:b d:c"))) == "a"


def test_what_is_reachable_is_without_the_start() -> None:
    """Unless a cycle leads back to it."""
    edges = _edges("a:b b:cd c:b d: e:a")

    assert reachable(_edges("a:"), edges) == set(_edges("b: c: d:"))
    assert reachable(_edges("b:"), edges) == set(_edges("b: c: d:"))


@pytest.mark.parametrize(
    ("edges", "paths"),
    [
        ("a:b b:c c:", []),
        ("a:b b:a", ["aba"]),
        ("c:a a:b b:c", ["abca"]),
        ("x:a a:b b:a y: b0:b", ["aba"]),
        ("a:b b:ac c:b", ["aba", "bcb"]),
        ("a:bc b:d c:d d:a", ["abda", "acda"]),
        ("a:b b:ac c:d d:", ["aba"]),
        ("a:b b:ac c:d d:c", ["aba", "cdc"]),
        ("a:b b:ax x:c c:d d:c", ["aba", "cdc"]),
    ],
)
def test_every_feature_on_a_cycle_is_on_a_path(edges: str, paths: list[str]) -> None:
    """Paths begin and end with their smallest key; what lies between cycles is on none."""
    pairs = (word.split(":") for word in edges.split())
    found = cycles({FeatureKey(name): tuple(map(FeatureKey, to)) for name, to in pairs})

    assert [_text(*path) for path in found] == paths
