"""A lake as it was: a store for reading whose tables stand still at the versions of a moment."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn, Self

import narwhals as nw
import polars as pl
from narwhals.typing import Frame

from metaxy.errors import StoreReadOnlyError, UsageError, told_time
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import AccessMode, MetadataStore, MetadataStoreConfig
from metaxy.metadata_store.chain import Fallback, Scan, first_with_rows
from metaxy.metadata_store.frames import Filter, conditions
from metaxy.metadata_store.hash_settings import HashSettings, StatedSettings
from metaxy.metadata_store.history import TableCommit
from metaxy.metadata_store.tagging import found_tag
from metaxy.metadata_store.travel import checked_time, version_at_time
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.scope import fulfilling


class LakeView(MetadataStore):
    """A store as it was at a moment.

    It is open whenever the store is, and needs no block of its own; one may be opened all the same.
    Each table is looked up once, when it is first needed, and stays at that version.

    Args:
        store: The store that is looked at.
        moment: When; it names the view in messages.
        instant: The time of that moment: fallback stores are read as they were then.
        pins: The versions of all tables, where they are known; else they are looked up by time.
    """

    def __init__(
        self,
        store: MetadataStore,
        moment: datetime | str,
        *,
        instant: datetime,
        pins: Mapping[FeatureKey, int] | None = None,
    ) -> None:
        behind = [
            (each, LakeView(each, instant, instant=instant))
            for each in store.fallback_stores
            if isinstance(each, MetadataStore)
        ]
        super().__init__(project=store.project, fallback_stores=[view for _, view in behind])
        self._store = store
        self._behind = tuple(behind)
        self._moment = moment
        self._instant = instant
        self._pins = pins
        self._found: dict[FeatureKey, int | None] = {}
        self._scans: dict[tuple[FeatureKey, str | None], Scan | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_scans": {}}

    @classmethod
    def config_model(cls) -> type[MetadataStoreConfig]:
        """The options of any store; a view is never made from a configuration."""
        return MetadataStoreConfig

    def display(self) -> str:
        """Name the store, and the moment."""
        if isinstance(self._moment, str):
            return f"{self._store.display()} at the tag {self._moment!r}"
        return f"{self._store.display()} as of {told_time(self._moment)}"

    @property
    def graph(self) -> FeatureGraph:
        """The features of the store."""
        return self._store.graph

    def as_of(self, moment: datetime | str) -> "LakeView":
        """An earlier view of what this one shows."""
        return lake_view(self, moment)

    def get_store_metadata(self, feature_key: CoercibleToFeatureKey) -> dict[str, Any]:
        """What the store tells, with the version of the table that this view shows."""
        told = self._store.get_store_metadata(feature_key)
        return told | {
            "store": self.display(),
            "table_version": self.table_version(FeatureKey(feature_key)),
        }

    # --- being open ------------------------------------------------------------------------------

    @contextmanager
    def open(self, mode: AccessMode = "read") -> Generator[Self]:
        """Open the store behind it, for reading."""
        if mode == "write":
            self._refuse()
        with self._store.open("read"):
            yield self

    @property
    def is_open(self) -> bool:
        """Whether the store is."""
        return self._store.is_open

    def require_open(self, mode: AccessMode = "read") -> None:
        """Refuse to write, or to go on while the store is closed."""
        if mode == "write":
            self._refuse()
        self._store.require_open()

    @property
    def hash_settings(self) -> HashSettings:
        """How versions are hashed in the lake."""
        return self._store.hash_settings

    @property
    def stated_hash_settings(self) -> StatedSettings:
        """Those of the store."""
        return self._store.stated_hash_settings

    def read_hash_settings(self) -> HashSettings | None:
        """What the lake has recorded; it never changes."""
        return self._store.read_hash_settings()

    def _set_up(self, mode: AccessMode) -> None:
        """Have nothing to set up: the store has opened its fallbacks."""

    # --- reading ---------------------------------------------------------------------------------

    def scan_chain(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows from the first store of the chain that had some of that version then."""
        own = self.scan_in_store(key, feature_version)
        failures = {id(each.store): each.failure for each in self._store.opened_fallbacks}
        fallbacks = [Fallback(view, failures.get(id(store))) for store, view in self._behind]
        return first_with_rows(own, fallbacks, key, feature_version=feature_version)

    def scan_in_store(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows of one feature version (None: of all) then; None without rows of any."""
        asked = (key, feature_version)
        if asked not in self._scans:
            # What stands still is looked up once: opening an old version takes many requests.
            version = self.table_version(key)
            self._scans[asked] = (
                None if version is None else self._store.scan_version(*asked, version)
            )
        return self._scans[asked]

    def read_metadata_in_store(
        self,
        feature: CoercibleToFeatureKey,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        **kwargs: Any,  # noqa: ANN401 -- as in the base class
    ) -> nw.LazyFrame[Any] | None:
        """All rows of a feature's table as it was."""
        del kwargs
        scan = self.scan_in_store(FeatureKey(feature), None)
        if scan is None:
            return None
        rows = fulfilling(scan.frame, conditions(filters))
        return nw.from_native(rows if columns is None else rows.select(columns))

    def table_schema(self, key: FeatureKey) -> pl.Schema | None:
        """The columns of a feature's table then."""
        version = self.table_version(key)
        return None if version is None else self._store.schema_of_version(key, version)

    def features_in_store(self) -> tuple[FeatureKey, ...]:
        """The features that had a table then."""
        return tuple(key for key in self._store.features_in_store() if self._was_there(key))

    def tables_in_store(self) -> tuple[FeatureKey, ...]:
        """The features and system tables that there were."""
        return tuple(key for key in self._store.tables_in_store() if self._was_there(key))

    def table_version(self, key: FeatureKey) -> int | None:
        """The version of a table that this view shows; None where there was no table."""
        if self._pins is not None:
            return self._pins.get(key)
        if key not in self._found:
            # Of two threads that look at once, the first to find something settles it.
            self._found.setdefault(key, version_at_time(self._store, key, self._instant))
        return self._found[key]

    def table_history(self, key: FeatureKey) -> Sequence[TableCommit] | None:
        """The commits of a table up to then."""
        version = self.table_version(key)
        known = None if version is None else self._store.table_history(key)
        if version is None or known is None:
            return None
        return [each for each in known if each.version <= version]

    def scan_version(
        self, key: FeatureKey, feature_version: str | None, table_version: int
    ) -> Scan | None:
        """The rows of a version of a table."""
        return self._store.scan_version(key, feature_version, table_version)

    def schema_of_version(self, key: FeatureKey, table_version: int) -> pl.Schema | None:
        """The columns of a version of a table."""
        return self._store.schema_of_version(key, table_version)

    def _was_there(self, key: FeatureKey) -> bool:
        return self.table_version(key) is not None

    # --- not writing -----------------------------------------------------------------------------

    def write_metadata_to_store(
        self,
        feature_key: FeatureKey,
        df: Frame,
        **kwargs: Any,  # noqa: ANN401 -- as in the base class
    ) -> NoReturn:
        """Refuse."""
        del feature_key, df, kwargs
        self._refuse()

    def drop_in_store(self, key: FeatureKey) -> None:
        """Refuse."""
        del key
        self._refuse()

    def record_hash_settings(self, settings: HashSettings) -> HashSettings:
        """Refuse."""
        del settings
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StoreReadOnlyError(
            f"{self.display()} is a view of the past, which nothing can be written to. Write to "
            f"{self._store.display()} itself.",
            store=self.display(),
        )


def lake_view(store: MetadataStore, moment: datetime | str) -> LakeView:
    """A view of an open store at a time or a tag.

    Raises:
        ValueError: The time has no time zone, or it is neither a time nor a tag's name.
        TagNotFoundError: There is no such tag.
    """
    store.require_open()
    if isinstance(moment, datetime):
        return LakeView(store, moment, instant=checked_time(moment, argument="as_of"))
    if isinstance(moment, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        tag = found_tag(store, moment)
        return LakeView(store, moment, instant=tag.tagged_at, pins=tag.versions)
    raise UsageError(
        f"as_of({moment!r}) is of no lake: give a datetime with a time zone, or the name of a tag. "
        "A version is of one table: read_metadata(…, table_version=…)."
    )
