"""The smallest store that a user could write: the abstract methods, over frames in memory."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

import narwhals as nw
import polars as pl
from narwhals.typing import Frame

from metaxy.metadata_store.base import AccessMode, MetadataStore, MetadataStoreConfig
from metaxy.metadata_store.frames import Filter, conditions
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.scope import fulfilling

LAKES: dict[str, dict[FeatureKey, pl.DataFrame]] = {}
"""By name, the tables of each lake; they live as long as the process."""


class MemoryStoreConfig(MetadataStoreConfig):
    """The options of a memory store."""

    name: str


class MemoryStore(MetadataStore):
    """A lake in memory."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        self.name = name

    @classmethod
    def config_model(cls) -> type[MemoryStoreConfig]:
        """Give the model of the options."""
        return MemoryStoreConfig

    @contextmanager
    def open(self, mode: AccessMode = "read") -> Generator[Self]:
        """Have nothing to set up."""
        del mode
        yield self

    def display(self) -> str:
        """Name the store."""
        return f"MemoryStore({self.name})"

    def write_metadata_to_store(self, feature_key: FeatureKey, df: Frame, **kwargs: Any) -> None:
        """Put the rows behind those that there are."""
        del kwargs
        new = cast("pl.LazyFrame | pl.DataFrame", nw.to_native(df)).lazy().collect()
        tables = LAKES.setdefault(self.name, {})
        old = tables.get(feature_key)
        rows = new if old is None else pl.concat([old, new], how="diagonal_relaxed")
        tables[feature_key] = rows

    def read_metadata_in_store(
        self,
        feature: CoercibleToFeatureKey,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> nw.LazyFrame[Any] | None:
        """Give the rows as they are now."""
        del kwargs
        table = LAKES.get(self.name, {}).get(FeatureKey(feature))
        if table is None:
            return None
        rows = fulfilling(table.lazy(), conditions(filters))
        return nw.from_native(rows if columns is None else rows.select(columns))
