"""The store at hand, for code that is given none: of the innermost open block, or the default one.

Which store is the default one is for `metaxy.project` to say; it sets the provider.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from metaxy.errors import StoreNotOpenError
from metaxy.metadata_store.interface import StoreInterface

_open: ContextVar[tuple[StoreInterface, ...]] = ContextVar("metaxy_open_stores", default=())
_provider: Callable[[], StoreInterface] | None = None


def set_default_store(provider: Callable[[], StoreInterface] | None) -> None:
    """Let this give the store where none is open; None leaves it at that."""
    global _provider  # noqa: PLW0603 -- there is one default, like one active graph
    _provider = provider


def store_at_hand() -> StoreInterface:
    """The store of the innermost open block, or else the project's default one, maybe closed.

    Raises:
        StoreNotOpenError: There is neither.
    """
    stores = _open.get()
    if stores:
        return stores[-1]
    if _provider is not None:
        return _provider()
    raise StoreNotOpenError(
        "No store is at hand: use `with store:` around this, or call init_metaxy() first, or give "
        "store=…. A thread doesn't see the blocks of the thread that started it."
    )


@contextmanager
def at_hand(store: StoreInterface) -> Generator[None]:
    """Make a store the one at hand inside the block."""
    _open.set((*_open.get(), store))
    try:
        yield
    finally:
        # Blocks of a generator or of a test's fixture needn't end in the order of their beginning.
        _open.set(_without_last(_open.get(), store))


def _without_last(
    stores: tuple[StoreInterface, ...], store: StoreInterface
) -> tuple[StoreInterface, ...]:
    for at in reversed(range(len(stores))):
        if stores[at] is store:
            return (*stores[:at], *stores[at + 1 :])
    return stores
