"""Which graph is the active one, where none is handed over.

A pinned graph (`with graph.use():`) comes first; it is seen by the code inside the block and by the
tasks started there, not by other threads. Otherwise the provider answers: the layer that collects
declared features names itself here, so that `graph` needn't know it.

The graph's class asks here, so its name can't stand here: what is kept is just an object.
`FeatureGraph.get_active` and `FeatureGraph.use` are the ways in.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

_pinned: ContextVar[object] = ContextVar("metaxy_pinned_graph", default=None)
# Not a context variable: what is set there while a module is imported would be unseen in threads.
_providers: list[Callable[[], object]] = []


def active_graph() -> object:
    """The pinned graph, else what the provider gives; None when there is neither."""
    pinned = _pinned.get()
    if pinned is not None:
        return pinned
    return _providers[-1]() if _providers else None


def set_default_provider(provider: Callable[[], object]) -> None:
    """Let `provider` give the graph wherever none is pinned; the last one set is asked."""
    _providers[:] = [provider]


@contextmanager
def pinned_graph(graph: object) -> Generator[None]:
    """Make `graph` the active one inside the block."""
    token = _pinned.set(graph)
    try:
        yield
    finally:
        _pinned.reset(token)
