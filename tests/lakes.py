"""The kinds of lakes that keep the contract of stores."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from films import films
from memory_store import MemoryStore

from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore


@dataclass(frozen=True)
class Lake:
    """A place for a lake, which stores can be made for."""

    make: Callable[..., MetadataStore]
    another: Callable[[], "Lake"]

    def store(self, **options: Any) -> MetadataStore:
        """A store of the graph of films."""
        return self.make(**({"graph": films()} | options))


def delta_lake(folder: Path, layout: str) -> Lake:
    """A new lake of Delta tables."""
    root = folder / uuid.uuid4().hex
    return Lake(
        lambda **options: DeltaMetadataStore(root, **({"layout": layout} | options)),
        lambda: delta_lake(folder, layout),
    )


def memory_lake() -> Lake:
    """A new lake in memory."""
    name = uuid.uuid4().hex
    return Lake(lambda **options: MemoryStore(name, **options), memory_lake)
