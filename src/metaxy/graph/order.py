"""Orders and paths in a graph given by its edges: what comes before what, and what goes in circles.

Nothing here recurses, so that the length of a chain is bounded by memory alone.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from metaxy.models.keys import FeatureKey

Edges: TypeAlias = Mapping[FeatureKey, Sequence[FeatureKey]]
"""From each feature to its neighbours, which are all keys of the mapping and stand there once."""


def reversed_edges(edges: Edges) -> dict[FeatureKey, tuple[FeatureKey, ...]]:
    """From each feature to those that point at it, sorted."""
    reverse: dict[FeatureKey, list[FeatureKey]] = {key: [] for key in edges}
    for key in sorted(edges):
        for neighbour in edges[key]:
            reverse[neighbour].append(key)
    return {key: tuple(sources) for key, sources in reverse.items()}


def topological_order(parents: Edges) -> tuple[FeatureKey, ...]:
    """Every feature after its parents; among those that could come next, the smallest key first.

    Features on a cycle, and all that depend on them, are left out.
    """
    children = reversed_edges(parents)
    waiting_for = {key: len(parents[key]) for key in parents}
    ready = [key for key, count in waiting_for.items() if count == 0]
    heapq.heapify(ready)
    order: list[FeatureKey] = []
    while ready:
        key = heapq.heappop(ready)
        order.append(key)
        for child in children[key]:
            waiting_for[child] -= 1
            if waiting_for[child] == 0:
                heapq.heappush(ready, child)
    return tuple(order)


def reachable(starts: Iterable[FeatureKey], edges: Edges) -> set[FeatureKey]:
    """All that can be reached from the starts in one step or more; a start only by a cycle."""
    found: set[FeatureKey] = set()
    waiting = [neighbour for start in starts for neighbour in edges[start]]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(edges[key])
    return found


def cycles(edges: Edges) -> tuple[tuple[FeatureKey, ...], ...]:
    """Paths from a feature back to itself, sorted; every feature that is on a cycle is on one.

    Each path starts and ends with its smallest key and is the shortest through the feature for
    which it was drawn; a graph may have more cycles than are drawn.
    """
    knot = _without_ends(edges)
    drawn: set[tuple[FeatureKey, ...]] = set()
    covered: set[FeatureKey] = set()
    for key in sorted(knot):
        if key in covered:
            continue
        path = _shortest_way_back(key, knot)
        covered.update(path)
        if path:
            drawn.add(_from_smallest(path))
    return tuple(sorted(drawn))


def _without_ends(edges: Edges) -> Edges:
    """What is left when all that has nothing before it or nothing after it is taken away."""
    for view in (edges, reversed_edges(edges)):
        done = set(topological_order(view))
        edges = {
            key: tuple(each for each in neighbours if each not in done)
            for key, neighbours in edges.items()
            if key not in done
        }
    return edges


def _shortest_way_back(start: FeatureKey, edges: Edges) -> tuple[FeatureKey, ...]:
    came_from: dict[FeatureKey, FeatureKey] = {}
    waiting = deque([start])
    while waiting and start not in came_from:
        key = waiting.popleft()
        for neighbour in edges[key]:
            if neighbour not in came_from:
                came_from[neighbour] = key
                waiting.append(neighbour)
    if start not in came_from:
        return ()
    path = [came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def _from_smallest(path: tuple[FeatureKey, ...]) -> tuple[FeatureKey, ...]:
    at = path.index(min(path))
    return (*path[at:], *path[:at], path[at])
