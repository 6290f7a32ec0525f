"""The configured stores, as a person may see them."""

from dataclasses import dataclass

from metaxy.config import MetaxyConfig
from metaxy.project.stores import build_store


@dataclass(frozen=True, slots=True)
class StoreListing:
    """A configured store; nothing here is secret.

    Attributes:
        type: As configured.
        display: How the store names itself, with where it is.
        fallback_stores: How those name themselves, in the order in which they are asked.
        is_default: Whether it is used where no store is named.
        source: Who configured it.
    """

    name: str
    type: str
    display: str
    fallback_stores: tuple[str, ...]
    is_default: bool
    source: str


def listed_stores(config: MetaxyConfig) -> tuple[StoreListing, ...]:
    """Give all configured stores, sorted by name; none is opened.

    Raises:
        ConfigError: One of them can't be built.
    """
    return tuple(_listing(config, name) for name in sorted(config.stores))


def _listing(config: MetaxyConfig, name: str) -> StoreListing:
    store = build_store(config, name)
    return StoreListing(
        name,
        config.named_store(name).type,
        store.display(),
        tuple(fallback.display() for fallback in store.fallback_stores),
        is_default=name == config.store,
        source=config.source("stores", name, "type"),
    )
