"""Which graph is the active one, where none is handed over.

A pinned graph (`with graph.use():`) comes first; it is seen by the code inside the block and by the
tasks started there, not by other threads. Otherwise the provider answers: the layer that collects
declared features names itself here, so that this one needn't know it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaxy.graph.graph import FeatureGraph

_pinned: ContextVar[FeatureGraph | None] = ContextVar("metaxy_pinned_graph", default=None)
# Not a context variable: what is set there while a module is imported would be unseen in threads.
_providers: list[Callable[[], FeatureGraph]] = []


def active_graph() -> FeatureGraph | None:
    """The pinned graph, else what the provider gives; None when there is neither."""
    pinned = _pinned.get()
    if pinned is not None:
        return pinned
    return _providers[-1]() if _providers else None


def set_default_provider(provider: Callable[[], FeatureGraph]) -> None:
    """Let `provider` answer wherever no graph is pinned; the last one set is asked."""
    _providers[:] = [provider]


@contextmanager
def pinned_graph(graph: FeatureGraph) -> Generator[FeatureGraph]:
    """Make `graph` the active one inside the block."""
    token = _pinned.set(graph)
    try:
        yield graph
    finally:
        _pinned.reset(token)
