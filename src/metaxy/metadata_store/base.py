"""The store: what users read from, write to and ask for increments.

`MetadataStore` holds the rules that every store keeps: what is checked and stamped, which rows are
current, which store of a chain answers. A concrete store says how rows get in and out: it implements
`open`, `write_metadata_to_store`, `read_metadata_in_store`, `display` and `config_model`, and may
override the hooks at the end of the class where its format allows something better.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from threading import local
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, overload

import narwhals as nw
import polars as pl
from narwhals.typing import Frame, IntoFrame
from pydantic import BaseModel, ConfigDict, Field

from metaxy.errors import (
    FeatureNotFoundError,
    MissingSamplesError,
    StoreError,
    StoreNotOpenError,
    StoreReadOnlyError,
    SystemDataNotFoundError,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store import system
from metaxy.metadata_store.asking import checked_samples, runtime_filters
from metaxy.metadata_store.chain import Scan, first_with_rows
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.deleting import tombstones
from metaxy.metadata_store.frames import Filter, conditions, polars_frame, polars_lazy
from metaxy.metadata_store.hash_settings import (
    HashSettings,
    RequestedSettings,
    settled,
    still_agreed,
)
from metaxy.metadata_store.projects import ProjectGuard
from metaxy.metadata_store.reading import records_read
from metaxy.metadata_store.records import RecordContract, Stamps
from metaxy.metadata_store.session import AccessMode, OpenBlocks
from metaxy.metadata_store.writing import (
    WriteResult,
    next_instant,
    prepared_write,
    source_frame,
    with_instant,
)
from metaxy.models.definition import FeatureDefinition
from metaxy.metadata_store.paths import feature_key_of
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.engine import PolarsVersioningEngine
from metaxy.versioning.inputs import NOTHING_STORED, StoredRows
from metaxy.versioning.system_columns import CREATED_AT, FEATURE_VERSION, PROVENANCE_BY_FIELD
from metaxy.versioning.types import HashAlgorithm, Increment, LazyIncrement

__all__ = ["AccessMode", "MetadataStore", "MetadataStoreConfig", "VersioningEngineOptions"]

VersioningEngineOptions = Literal["auto", "native", "polars"]


class MetadataStoreConfig(BaseModel):
    """The options that every kind of store has; each kind adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    fallback_stores: list[str] = Field(
        default_factory=list,
        description="Names of read-only stores that are asked, in this order, for features that "
        "this store has no records of.",
    )
    hash_algorithm: HashAlgorithm | None = Field(
        default=None,
        description="The row hash; by default that of the lake, or xxhash64 for a new one.",
    )
    hash_truncation_length: int | None = Field(
        default=None,
        ge=8,
        le=64,
        description="To how many characters versions are cut; by default as the lake has it.",
    )
    versioning_engine: VersioningEngineOptions = Field(
        default="auto", description="Which versioning engine to use."
    )
    auto_create_tables: bool | None = Field(
        default=None, description="Whether a first write may create a feature's table."
    )


class MetadataStore(ABC):
    """Metadata of features: records, their versions, and what is to be computed.

    Use it inside `with store:` (reading) or `with store.open("write"):`. Blocks nest, and one store
    may be used from several threads; it pickles, and is closed when unpickled.

    Args:
        hash_algorithm: The row hash; None takes what the lake has recorded, or xxhash64.
        hash_truncation_length: To how many characters (8 to 64) versions are cut; None takes what
            the lake has recorded, or keeps them whole.
        versioning_engine: "native" refuses frames that aren't Polars frames; "auto" and "polars"
            convert them.
        fallback_stores: Read-only stores that answer for features that this one has no records of.
        auto_create_tables: Whether a first write may create a feature's table; None means yes.
        materialization_id: Stamped on every row that is written, unless a write gives its own.
        project: Whose features may be written; None lets all be.
        graph: The features; None takes the active graph at each use.
    """

    supports_idempotency_keys: ClassVar[bool] = False

    def __init__(
        self,
        *,
        versioning_engine_cls: type[PolarsVersioningEngine] = PolarsVersioningEngine,
        hash_algorithm: HashAlgorithm | str | None = None,
        hash_truncation_length: int | None = None,
        versioning_engine: VersioningEngineOptions = "auto",
        fallback_stores: Sequence["MetadataStore"] | None = None,
        auto_create_tables: bool | None = None,
        materialization_id: str | None = None,
        project: str | None = None,
        graph: FeatureGraph | None = None,
    ) -> None:
        self._requested = RequestedSettings.checked(hash_algorithm, hash_truncation_length)
        self._versioning_engine_cls = versioning_engine_cls
        self._versioning_engine: VersioningEngineOptions = versioning_engine
        self.fallback_stores = tuple(fallback_stores or ())
        self.auto_create_tables = auto_create_tables is not False
        self._materialization_id = materialization_id
        self._project_guard = ProjectGuard(project)
        self._graph = graph
        self._reset()

    def __init_subclass__(cls, **options: Any) -> None:
        """Make every `open` of a subclass keep the books, so that it needn't call anything."""
        super().__init_subclass__(**options)
        own = vars(cls).get("open")
        if own is not None and not getattr(own, "__isabstractmethod__", False):
            cls.open = _counting(own)

    # --- opening ---------------------------------------------------------------------------------

    @abstractmethod
    def open(self, mode: AccessMode = "read") -> AbstractContextManager[Self]:
        """Open the store for the length of a block.

        A subclass sets up and clears up its connections here; that is all it must do.

        Args:
            mode: "read" refuses writes.

        Raises:
            HashSettingsMismatchError: The lake, or a fallback, hashes in another way.
        """

    def __enter__(self) -> Self:
        stack: list[ExitStack] = self._entered.__dict__.setdefault("stack", [])
        block = ExitStack()
        block.enter_context(self.open("read"))
        stack.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered.stack.pop().__exit__(kind, error, traceback)

    @property
    def is_open(self) -> bool:
        """Whether the store is inside a block of some thread."""
        return self._blocks.is_open

    def __getstate__(self) -> dict[str, Any]:
        closed = ("_blocks", "_entered", "_fallbacks", "_resources", "_settings", "_project_guard")
        state = {name: value for name, value in vars(self).items() if name not in closed}
        return state | {"_project": self.project}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._project_guard = ProjectGuard(state.pop("_project"))
        vars(self).update(state)
        self._reset()

    def _reset(self) -> None:
        """Be closed."""
        self._blocks = OpenBlocks()
        self._entered = local()
        self._resources = ExitStack()
        self._fallbacks: tuple[tuple[MetadataStore, Exception | None], ...] = ()
        self._settings: HashSettings | None = None

    def _set_up(self) -> None:
        """Open the fallbacks and settle how versions are hashed."""
        self._resources = ExitStack()
        try:
            self._fallbacks = tuple(self._opened_fallback(each) for each in self.fallback_stores)
            self._settings = self._settled_settings(self.read_hash_settings())
        except BaseException:
            self._clear_up()
            raise

    def _opened_fallback(self, store: "MetadataStore") -> tuple["MetadataStore", Exception | None]:
        """A fallback that can't be opened is told only if it is needed."""
        try:
            self._resources.enter_context(store.open("read"))
        except (OSError, StoreError) as error:
            if isinstance(error, ValueError):
                raise
            return store, error
        return store, None

    def _settled_settings(self, recorded: HashSettings | None) -> HashSettings:
        told = [
            (store.display(), store.recorded_hash_settings)
            for store, failure in self._fallbacks
            if failure is None
        ]
        return settled(self._requested, recorded, told, store=self.display())

    def _clear_up(self) -> None:
        self._resources.close()
        self._fallbacks = ()
        self._settings = None

    def _require_open(self, mode: AccessMode = "read") -> None:
        if not self._blocks.is_open:
            raise StoreNotOpenError(
                f"{self.display()} is not open. Use it inside `with store:` or, to write, inside "
                '`with store.open("write"):`.',
                store=self.display(),
            )
        if mode == "write" and not self._blocks.is_writable:
            raise StoreReadOnlyError(
                f"{self.display()} is open for reading. To write, use it inside "
                '`with store.open("write"):`.',
                store=self.display(),
            )

    # --- what it is ------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def config_model(cls) -> type[MetadataStoreConfig]:
        """The model of this store's options."""

    @classmethod
    def from_config(cls, config: MetadataStoreConfig, **kwargs: Any) -> Self:
        """Make a store from its options; `kwargs` are what no configuration holds.

        Fallback stores have names there; who knows the names (`metaxy.project`) gives the stores
        as `fallback_stores`.
        """
        options = {name: getattr(config, name) for name in type(config).model_fields}
        names = options.pop("fallback_stores")
        if names and "fallback_stores" not in kwargs:
            raise ValueError(
                f"The fallback stores {names} have only names here. Build the store with "
                "init_metaxy().get_store(), or give the stores as fallback_stores=[…]."
            )
        return cls(**(options | kwargs))

    @abstractmethod
    def display(self) -> str:
        """Name the store for people, without credentials."""

    def __repr__(self) -> str:
        return self.display()

    @property
    def materialization_id(self) -> str | None:
        """The run that writes are stamped with, unless they give their own."""
        return self._materialization_id

    @property
    def project(self) -> str | None:
        """Whose features may be written; None when that isn't checked."""
        return self._project_guard.project

    @property
    def graph(self) -> FeatureGraph:
        """The features: those given, or else the active graph."""
        return FeatureGraph.get_active() if self._graph is None else self._graph

    @property
    def hash_settings(self) -> HashSettings:
        """How versions are hashed in this lake."""
        self._require_open()
        assert self._settings is not None  # noqa: S101 -- set while the store is open
        return self._settings

    @property
    def recorded_hash_settings(self) -> HashSettings | None:
        """What the lake has recorded; of a lake without tables, what its fallbacks have."""
        recorded = self.read_hash_settings()
        if recorded is not None or not self._fallbacks:
            return recorded
        return self.hash_settings

    def validate_hash_algorithm(self, check_fallback_stores: bool = True) -> None:  # noqa: FBT001, FBT002 -- the reference's signature
        """Check that the lake (and its fallbacks) hash as this store does.

        Raises:
            HashSettingsMismatchError: They don't.
        """
        self._require_open()
        if check_fallback_stores:
            self._settled_settings(self.read_hash_settings())
        else:
            settled(self._requested, self.read_hash_settings(), [], store=self.display())

    def native_implementation(self) -> nw.Implementation:
        """The frame library that the store reads into."""
        return nw.Implementation.POLARS

    @contextmanager
    def create_versioning_engine(
        self, plan: FeaturePlan, implementation: nw.Implementation = nw.Implementation.POLARS
    ) -> Iterator[PolarsVersioningEngine]:
        """The engine that works out increments of a feature, for the length of a block.

        Args:
            implementation: Other libraries' frames are converted, so any gives the Polars engine.
        """
        del implementation
        yield self._versioning_engine_cls(plan, hasher=self.hash_settings.hasher)

    def feature_version(self, feature: CoercibleToFeatureKey) -> str:
        """A feature's version as it is stamped in this lake (cut where the lake says so)."""
        return self.hash_settings.stamp(self.graph.feature_version(feature))

    def get_store_metadata(self, feature_key: CoercibleToFeatureKey) -> dict[str, Any]:
        """What may be worth logging of where a feature is kept; nothing secret."""
        del feature_key
        return {"store": self.display()}

    @contextmanager
    def allow_cross_project_writes(self) -> Iterator[None]:
        """Let features of other projects be written inside the block."""
        with self._project_guard.waived():
            yield

    # --- increments ------------------------------------------------------------------------------

    @overload
    def resolve_update(
        self,
        feature: CoercibleToFeatureKey,
        *,
        samples: IntoFrame | None = None,
        filters: Mapping[Any, Iterable[Filter]] | None = None,
        global_filters: Iterable[Filter] | None = None,
        lazy: Literal[False] = False,
        versioning_engine: VersioningEngineOptions | None = None,
        skip_comparison: bool = False,
    ) -> Increment: ...

    @overload
    def resolve_update(
        self,
        feature: CoercibleToFeatureKey,
        *,
        samples: IntoFrame | None = None,
        filters: Mapping[Any, Iterable[Filter]] | None = None,
        global_filters: Iterable[Filter] | None = None,
        lazy: Literal[True],
        versioning_engine: VersioningEngineOptions | None = None,
        skip_comparison: bool = False,
    ) -> LazyIncrement: ...

    @overload
    def resolve_update(
        self,
        feature: CoercibleToFeatureKey,
        *,
        samples: IntoFrame | None = None,
        filters: Mapping[Any, Iterable[Filter]] | None = None,
        global_filters: Iterable[Filter] | None = None,
        lazy: bool = False,
        versioning_engine: VersioningEngineOptions | None = None,
        skip_comparison: bool = False,
    ) -> Increment | LazyIncrement: ...

    def resolve_update(
        self,
        feature: CoercibleToFeatureKey,
        *,
        samples: IntoFrame | None = None,
        filters: Mapping[Any, Iterable[Filter]] | None = None,
        global_filters: Iterable[Filter] | None = None,
        lazy: bool = False,
        versioning_engine: VersioningEngineOptions | None = None,
        skip_comparison: bool = False,
    ) -> Increment | LazyIncrement:
        """Tell which records of a feature must be computed, computed again, or dropped.

        What is stored of the feature itself is looked for in this store only, since that is where
        its records will be written; its upstreams may come from fallback stores.

        Args:
            samples: The records that are expected, one row each, with the id columns and
                `metaxy_provenance_by_field`. A root feature needs them, any other feature takes
                them in place of its joined upstreams.
            filters: By feature key (of an upstream, or of the feature itself), conditions on its
                records: Narwhals or Polars expressions, or SQL. Records outside are in none of the
                three frames.
            global_filters: Conditions on every feature that has their columns.
            lazy: Read nothing yet.
            versioning_engine: In place of the store's own choice.
            skip_comparison: Give every expected record as added.

        Raises:
            MissingSamplesError: The feature is a root, and there are no samples.
            VersioningEngineMismatchError: The engine is "native", and the samples aren't Polars.
            FeatureNotFoundError: The graph has no such feature.
        """
        self._require_open()
        plan = self.graph.plan(feature)
        asked = runtime_filters(plan, filters, global_filters)
        if samples is None and plan.is_root:
            raise MissingSamplesError(
                f"'{plan.key}' has no upstreams, so metaxy can't know its records: give them as "
                "samples=, a frame with the columns "
                f"{list(plan.id_columns)} and 'metaxy_provenance_by_field'.",
                store=self.display(),
                feature=str(plan.key),
            )
        stored = self._stored_rows(plan.key, plan.feature_version)
        expected = None
        if samples is not None:
            expected = checked_samples(
                samples,
                plan,
                native_only=(versioning_engine or self._versioning_engine) == "native",
                table=None if stored.frame is None else stored.frame.collect_schema(),
            )
        upstream = {
            each.upstream: self._stored_rows(
                each.upstream, each.upstream_feature_version, fallback=True
            )
            for each in plan.inputs
            if samples is None or asked.by_feature.get(each.upstream) or asked.everywhere
        }
        with self.create_versioning_engine(plan) as engine:
            increment = engine.resolve(
                upstream=upstream,
                stored=stored,
                samples=expected,
                filters=asked,
                skip_comparison=skip_comparison,
            )
        return increment if lazy else increment.collect()

    def _stored_rows(
        self, key: FeatureKey, feature_version: str, *, fallback: bool = False
    ) -> StoredRows:
        version = self.hash_settings.stamp(feature_version)
        scan = self.scan_chain(key, version) if fallback else self.scan_in_store(key, version)
        return NOTHING_STORED if scan is None else StoredRows(scan.frame, scan.instants)

    # --- reading ---------------------------------------------------------------------------------

    def read_metadata(
        self,
        feature: CoercibleToFeatureKey,
        *,
        feature_version: str | None = None,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        allow_fallback: bool = True,
        current_only: bool = True,
        latest_only: bool = True,
    ) -> nw.LazyFrame[Any]:
        """The records of a feature, one row each, in no particular order; not read yet.

        By default those of the current feature version, each as it was written last. The frame
        shows the table as it is now, whatever is written before it is collected.

        Args:
            feature_version: Another version, as stamped in the lake; needs `current_only=False`.
            filters: Conditions on the records that are given: Narwhals or Polars expressions, or
                SQL. They choose among current records, so an older row never stands in for one
                that a filter leaves out.
            columns: Which of the user's columns to give, by default all. Metaxy's own columns
                always come along, behind them.
            allow_fallback: Whether the fallback stores are asked, too.
            current_only: Only the current feature version. Otherwise versions are kept apart: a
                record may come once with each.
            latest_only: Only the newest row of each record, and none of deleted ones. Otherwise
                all rows, tombstones (with `metaxy_deleted_at`) among them.

        Raises:
            FeatureNotFoundError: No store has a table of the feature, or the graph doesn't know it.
            SystemDataNotFoundError: There is no such system table.
            ValueError: `feature_version` is given along with `current_only=True`.
        """
        self._require_open()
        key = feature_key_of(feature)
        if feature_version is not None and current_only:
            raise ValueError(
                f"feature_version={feature_version!r} asks for one version of '{key}', and "
                "current_only=True for the current one: give current_only=False along with it."
            )
        if key.is_system:
            return self._system_table(key, filters=filters, columns=columns)
        plan = self.graph.plan(key)
        version = self.feature_version(key) if current_only else feature_version
        scan = self.scan_chain(key, version) if allow_fallback else self.scan_in_store(key, version)
        if scan is None:
            raise self._not_found(key, allow_fallback=allow_fallback)
        records = records_read(
            scan,
            plan.records,
            filters=conditions(filters),
            columns=columns,
            latest_only=latest_only,
            across_versions=version is None,
        )
        return nw.from_native(records)

    def _system_table(
        self, key: FeatureKey, *, filters: Sequence[Filter] | None, columns: Sequence[str] | None
    ) -> nw.LazyFrame[Any]:
        rows = self.read_metadata_in_store(key)
        if rows is None:
            raise SystemDataNotFoundError(
                f"{self.display()} has no system table '{key}' yet. `metaxy push` records the "
                "features of a project.",
                feature=str(key),
            )
        frame = polars_lazy(rows)
        for condition in conditions(filters):
            frame = (
                nw.to_native(nw.from_native(frame).filter(condition))
                if isinstance(condition, nw.Expr)
                else frame.filter(condition)
            )
        return nw.from_native(frame if columns is None else frame.select(columns))

    def _not_found(self, key: FeatureKey, *, allow_fallback: bool) -> FeatureNotFoundError:
        asked = [self, *(self.fallback_stores if allow_fallback else ())]
        return FeatureNotFoundError(
            f"No records of '{key}' were ever written to {', '.join(s.display() for s in asked)}. "
            "Write some with write_metadata, or see `metaxy list features` for what is there.",
            feature=str(key),
        )

    def has_feature(self, feature: CoercibleToFeatureKey, *, check_fallback: bool = False) -> bool:
        """Whether there are rows of a feature, of whatever version, in this store.

        Args:
            check_fallback: Or in a fallback store.
        """
        self._require_open()
        key = feature_key_of(feature)
        scan = self.scan_chain(key, None) if check_fallback else self.scan_in_store(key, None)
        return scan is not None and scan.has_rows()

    def list_features(self) -> tuple[FeatureKey, ...]:
        """The features that have a table with rows in this store, sorted."""
        self._require_open()
        return tuple(key for key in self.features_in_store() if self.has_feature(key))

    # --- writing ---------------------------------------------------------------------------------

    def write_metadata(
        self,
        feature: CoercibleToFeatureKey,
        df: IntoFrame | None,
        materialization_id: str | None = None,
        *,
        idempotency_key: str | None = None,
        expanded_parents: IntoFrame | None = None,
    ) -> WriteResult:
        """Append records of a feature: all of them in one commit, or none.

        Metaxy's own columns are added: versions from `metaxy_provenance_by_field` (and
        `metaxy_data_version_by_field`, where it is given), the feature's current version, the
        instant of the commit. Those that the frame has already are replaced. Fallback stores are
        never written to.

        Args:
            df: One row a record: the id columns, `metaxy_provenance_by_field`, and whatever the
                feature's table has or shall have. A lazy frame is streamed. A frame without rows
                writes nothing. None only with `expanded_parents`.
            materialization_id: The run that made the records, in place of the store's.
            idempotency_key: Names the write. If one of this name was committed to the feature
                before, by whomever, nothing is written.
            expanded_parents: For a feature whose records are made by expansion: one row a parent
                that was expanded for this write, with the columns that name it and
                `metaxy_provenance_by_field`. Those without a record in `df` are recorded as having
                none, and not offered again until they change.

        Raises:
            MetadataSchemaError: The frame can't be written; has every reason.
            ProjectMismatchError: The feature is another project's.
            StoreNotOpenError, StoreReadOnlyError: The store is not open for writing.
            WriteConflictError: Other writers kept committing first; nothing was written.
        """
        self._require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        self._check_idempotency_key(idempotency_key)
        what = f"The frame for '{plan.key}'"
        native_only = self._versioning_engine == "native"
        table = self.table_schema(plan.key)
        parents = None
        if expanded_parents is not None:
            parents = polars_frame(
                expanded_parents, what=f"expanded_parents of '{plan.key}'", native_only=native_only
            ).lazy()
        if df is None and parents is not None:
            given = _no_children(plan, parents, table)
        else:
            given = polars_frame(df, what=what, native_only=native_only)
        stamps = self._stamps(plan, materialization_id)
        with source_frame(given) as (frame, engine):
            if parents is None and frame.select(pl.len()).collect().item() == 0:
                return WriteResult(0)
            prepared = prepared_write(
                frame,
                RecordContract.of(plan),
                stamps,
                hashing=self.hash_settings,
                table=table,
                engine=engine,
                expanded_parents=parents,
            )
            if not prepared.height:
                return WriteResult(0)
            rows = prepared.rows if engine == "streaming" else prepared.rows.collect()
            note = _note("write", stamps, rows=prepared.height, idempotency_key=idempotency_key)
            return self._committed(plan.key, rows, note)

    def write_metadata_multi(
        self,
        metadata: Mapping[Any, IntoFrame],
        materialization_id: str | None = None,
    ) -> dict[FeatureKey, WriteResult]:
        """Write several features, dependents before what they depend on.

        Each is a commit of its own. In this order a crash half-way leaves upstreams unwritten whose
        dependents are there, so that the next increment offers the dependents again rather than
        take them for up to date.

        Args:
            metadata: By feature key, the frame to write.
        """
        self._require_open("write")
        frames = {FeatureKey(key): frame for key, frame in metadata.items()}
        order = reversed(self.graph.topological_order(frames))
        return {key: self.write_metadata(key, frames[key], materialization_id) for key in order}

    def delete_metadata(
        self,
        feature: CoercibleToFeatureKey,
        filters: Sequence[Filter] | None = None,
        *,
        records: IntoFrame | None = None,
        materialization_id: str | None = None,
    ) -> WriteResult:
        """End current records: a tombstone is appended for each; history keeps them.

        Args:
            filters: Which current records to delete.
            records: Or a frame with the id columns of those to delete, such as
                `Increment.removed`; with filters, those of them that fulfil the filters.

        Returns:
            How many records were deleted, as `rows`.

        Raises:
            ValueError: Neither filters nor records are given.
        """
        self._require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        if filters is None and records is None:
            raise ValueError(
                f"Say which records of '{plan.key}' to delete: filters=[…] or records=frame. "
                "To delete all that was ever written of it, use drop_feature_metadata."
            )
        version = self.feature_version(plan.key)
        scan = self.scan_in_store(plan.key, version)
        if scan is None:
            return WriteResult(0)
        columns = scan.frame.collect_schema().names()
        current = records_read(
            scan, plan.records, filters=(), columns=None, latest_only=True, across_versions=False
        ).select(columns)
        stamps = self._stamps(plan, materialization_id)
        chosen = None if records is None else polars_frame(records, what="records").lazy()
        rows = tombstones(
            current, plan, stamps, filters=conditions(filters), records=chosen
        ).collect()
        if rows.is_empty():
            return WriteResult(0)
        result = self._committed(plan.key, rows, _note("delete", stamps, rows=rows.height))
        self._record_event("metadata_deleted", plan, rows=rows.height)
        return result

    def drop_feature_metadata(self, feature: CoercibleToFeatureKey) -> None:
        """Remove all records of a feature, of every version, from this store.

        Afterwards `has_feature` is false and fallback stores answer again. Where the store keeps
        history, older versions of the table stay readable until they are vacuumed. A feature
        without a table is left as it is.
        """
        self._require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        if self.table_schema(plan.key) is None:
            return
        self.drop_in_store(plan.key)
        self._record_event("feature_dropped", plan)

    def _stamps(self, plan: FeaturePlan, materialization_id: str | None) -> Stamps:
        return Stamps(
            self.feature_version(plan.key),
            self.hash_settings.stamp(self.graph.snapshot_version_of(plan.project)),
            self._materialization_id if materialization_id is None else materialization_id,
        )

    def _check_idempotency_key(self, key: str | None) -> None:
        if key is not None and not self.supports_idempotency_keys:
            raise StoreError(
                f"{self.display()} can't write with an idempotency_key: it has no way to commit "
                "a key along with rows.",
                store=self.display(),
            )
        if key == "":
            raise ValueError("idempotency_key is empty: give a name for the write, or None.")

    def _committed(
        self, key: FeatureKey, rows: pl.DataFrame | pl.LazyFrame, note: CommitNote
    ) -> WriteResult:
        """Stamp rows with an instant and hand them to the store."""
        self._settings = self.record_hash_settings(self.hash_settings)
        instant = next_instant(datetime.now(UTC), self.newest_instant(key))
        stamped = nw.from_native(with_instant(rows, instant))
        outcome = self.write_metadata_to_store(key, stamped, note=note)
        if outcome is None:
            return WriteResult(note.rows or 0)
        return outcome

    # --- the graph in the lake -------------------------------------------------------------------

    def record_feature_graph_snapshot(self, project: str | None = None) -> system.PushResult:
        """Record the features of a project as they are now (`metaxy push`).

        The newest push of a project says what is deployed. Nothing is recorded when it already says
        what the graph says; a push of an older state again is a new push.

        Args:
            project: By default the store's, or the only one in the graph.

        Raises:
            ValueError: The graph has features of several projects, or none of this one.
        """
        self._require_open("write")
        graph = self.graph
        project = self._pushed_project(project, graph)
        now = datetime.now(UTC)
        recorded = self.read_pushes()
        latest = system.latest_push(recorded, project)
        newest = recorded.get_column("recorded_at").max()
        now = next_instant(now, newest if isinstance(newest, datetime) else None)
        rows = system.snapshot_rows(graph, project, hashing=self.hash_settings, now=now)
        snapshot = self.hash_settings.stamp(graph.snapshot_version_of(project))
        result = system.push_result(rows, latest, snapshot=snapshot, project=project)
        if result.case != "unchanged":
            self._write_system_rows(system.FEATURE_VERSIONS_KEY, rows)
            details = {"case": result.case, "snapshot_version": snapshot, "features": rows.height}
            event = system.event_row("graph_pushed", now=now, project=project, details=details)
            self._write_system_rows(system.EVENTS_KEY, event)
        return result

    def read_pushes(self) -> pl.DataFrame:
        """One row a feature and push, with the columns of `system.FEATURE_VERSIONS`; maybe none."""
        self._require_open()
        rows = self.read_metadata_in_store(system.FEATURE_VERSIONS_KEY)
        if rows is None:
            return pl.DataFrame(schema=system.FEATURE_VERSIONS)
        return polars_lazy(rows).select(system.FEATURE_VERSIONS.names()).collect()

    def load_graph_snapshot(self, snapshot_version: str) -> FeatureGraph:
        """The graph that was pushed as this snapshot; its classes needn't exist any more.

        Raises:
            SystemDataNotFoundError: No such snapshot was pushed.
        """
        return system.restored_graph(self.read_pushes(), snapshot_version)

    def read_events(self) -> pl.DataFrame:
        """One row an event in this lake, with the columns of `system.EVENTS`, oldest first."""
        self._require_open()
        rows = self.read_metadata_in_store(system.EVENTS_KEY)
        if rows is None:
            return pl.DataFrame(schema=system.EVENTS)
        return polars_lazy(rows).select(system.EVENTS.names()).collect().sort("recorded_at")

    def _pushed_project(self, project: str | None, graph: FeatureGraph) -> str:
        projects = graph.projects
        if project is None:
            project = self.project
        if project is None and len(projects) == 1:
            project = projects[0]
        if project is None or project not in projects:
            found = ", ".join(projects) or "none"
            raise ValueError(
                f"Which project is pushed? The graph has features of: {found}. "
                + (f"None is of '{project}'." if project else "Name one of them.")
            )
        return project

    def _record_event(self, kind: str, plan: FeaturePlan, **details: object) -> None:
        event = system.event_row(
            kind,
            now=datetime.now(UTC),
            project=plan.project,
            feature=plan.key,
            details=details,
        )
        self._write_system_rows(system.EVENTS_KEY, event)

    def _write_system_rows(self, key: FeatureKey, rows: pl.DataFrame) -> None:
        self._settings = self.record_hash_settings(self.hash_settings)
        note = CommitNote("system", rows=rows.height)
        self.write_metadata_to_store(key, nw.from_native(rows), note=note)

    # --- what a kind of store implements ---------------------------------------------------------

    @abstractmethod
    def write_metadata_to_store(
        self, feature_key: FeatureKey, df: Frame, **kwargs: Any
    ) -> WriteResult | None:
        """Append rows to a feature's table in one step, creating the table if there is none.

        Args:
            df: Rows with all columns of the table, metaxy's own among them; a LazyFrame when they
                may not fit into memory.
            kwargs: `note`, a `CommitNote`: what the write is about. A store may leave it alone.
        """

    @abstractmethod
    def read_metadata_in_store(
        self,
        feature: CoercibleToFeatureKey,
        *,
        filters: Sequence[Filter] | None = None,
        columns: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> nw.LazyFrame[Any] | None:
        """All rows that this store has of a feature, superseded ones too; None without a table."""

    def scan_in_store(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows of one feature version (None: of all) in this store; None without a table."""
        wanted = [] if feature_version is None else [nw.col(FEATURE_VERSION) == feature_version]
        found = self.read_metadata_in_store(key, filters=wanted)
        if found is None:
            return None
        frame = polars_lazy(found)
        return Scan(
            frame,
            has_rows=lambda: not frame.head(1).collect().is_empty(),
            instants=None,
            source=self.display(),
        )

    def scan_chain(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The same from the first store of the chain that has such rows."""
        own = self.scan_in_store(key, feature_version)
        return first_with_rows(own, self._fallbacks, key, feature_version)

    def table_schema(self, key: FeatureKey) -> pl.Schema | None:
        """The columns of a feature's table; None without a table."""
        found = self.read_metadata_in_store(key)
        return None if found is None else polars_lazy(found).collect_schema()

    def newest_instant(self, key: FeatureKey) -> datetime | None:
        """The latest instant in a feature's table; None where the store sees to instants itself."""
        found = self.read_metadata_in_store(key)
        if found is None:
            return None
        newest = polars_lazy(found).select(pl.col(CREATED_AT).max()).collect().item()
        return newest if isinstance(newest, datetime) else None

    def features_in_store(self) -> tuple[FeatureKey, ...]:
        """The features that have a table; by default, looked for among those of the graph."""
        return tuple(key for key in self.graph.keys if self.read_metadata_in_store(key) is not None)

    def drop_in_store(self, key: FeatureKey) -> None:
        """Remove all rows of a feature's table, which exists."""
        raise StoreError(
            f"{self.display()} can't drop '{key}': a {type(self).__name__} only appends.",
            store=self.display(),
            feature=str(key),
        )

    def read_hash_settings(self) -> HashSettings | None:
        """What the lake has recorded of how it hashes; None if nothing."""
        found = self.read_metadata_in_store(system.LAKE_KEY)
        if found is None:
            return None
        rows = polars_lazy(found).sort("recorded_at").collect()
        if rows.is_empty():
            return None
        first = rows.row(0, named=True)
        return HashSettings(HashAlgorithm(first["hash_algorithm"]), first["hash_truncation_length"])

    def record_hash_settings(self, settings: HashSettings) -> HashSettings:
        """Record how the lake hashes, if it hasn't yet, and give what is recorded now.

        Raises:
            HashSettingsMismatchError: Somebody has just recorded something else.
        """
        recorded = self.read_hash_settings()
        if recorded is None:
            row = system.lake_row(settings, now=datetime.now(UTC))
            note = CommitNote("system", rows=1)
            self.write_metadata_to_store(system.LAKE_KEY, nw.from_native(row), note=note)
            recorded = self.read_hash_settings()
        return still_agreed(settings, recorded, store=self.display())


def _no_children(plan: FeaturePlan, parents: pl.LazyFrame, table: pl.Schema | None) -> pl.DataFrame:
    """A frame of records without rows, for a write that only tells of childless parents."""
    known = dict(table or {}) | dict(parents.collect_schema())
    names = dict.fromkeys((*plan.id_columns, *plan.grain, PROVENANCE_BY_FIELD))
    return pl.DataFrame(schema={name: known.get(name, pl.String()) for name in names})


def _counting(open_store: Any) -> Any:
    """Wrap a subclass's `open` so that the store knows when and how it is open."""

    @functools.wraps(open_store)
    @contextmanager
    def opened(self: MetadataStore, mode: AccessMode = "read") -> Generator[MetadataStore]:
        if mode not in ("read", "write"):
            raise ValueError(f"The mode is {mode!r}; a store is opened for 'read' or 'write'.")
        with (
            open_store(self, mode),
            self._blocks.entered(mode, on_first=self._set_up, on_last=self._clear_up),  # noqa: SLF001 -- a method of the class in all but place
        ):
            yield self

    return opened


def _note(
    operation: str, stamps: Stamps, *, rows: int, idempotency_key: str | None = None
) -> CommitNote:
    return CommitNote(
        operation,
        rows=rows,
        feature_version=stamps.feature_version,
        snapshot_version=stamps.snapshot_version,
        materialization_id=stamps.materialization_id,
        idempotency_key=idempotency_key,
    )
