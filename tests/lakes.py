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
from metaxy.metadata_store.paths import Layout


@dataclass(frozen=True)
class Lake:
    """A place for a lake, which stores can be made for."""

    make: Callable[..., MetadataStore]
    another: Callable[[], "Lake"]

    def store(self, **options: Any) -> MetadataStore:
        """A store of the graph of films."""
        return self.make(**({"graph": films()} | options))


def delta_lake(folder: Path, layout: Layout) -> Lake:
    """A new lake of Delta tables."""
    root = folder / uuid.uuid4().hex

    def make(**options: Any) -> MetadataStore:
        return DeltaMetadataStore(root, layout=layout, **options)

    return Lake(make, lambda: delta_lake(folder, layout))


def memory_lake() -> Lake:
    """A new lake in memory."""
    name = uuid.uuid4().hex

    def make(**options: Any) -> MetadataStore:
        return MemoryStore(name, **options)

    return Lake(make, memory_lake)
