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
from support.s3_endpoint import S3Endpoint


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


def s3_lake(bucket: S3Endpoint, layout: Layout) -> Lake:
    """A new lake of Delta tables in a bucket, at a place whose name has to be encoded in URLs."""
    root = bucket.uri(f"lakes/{uuid.uuid4().hex} é")

    def make(**options: Any) -> MetadataStore:
        return DeltaMetadataStore(
            root, layout=layout, storage_options=bucket.storage_options(), **options
        )

    return Lake(make, lambda: s3_lake(bucket, layout))


def memory_lake() -> Lake:
    """A new lake in memory."""
    name = uuid.uuid4().hex

    def make(**options: Any) -> MetadataStore:
        return MemoryStore(name, **options)

    return Lake(make, memory_lake)
