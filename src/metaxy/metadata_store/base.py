"""The store: what users read from, write to and ask for increments.

`MetadataStore` holds the rules that every store keeps: what is checked and stamped, which rows are
current, which store of a chain answers. A concrete store says how rows get in and out: it
implements `open`, `write_metadata_to_store`, `read_metadata_in_store`, `display` and
`config_model`, and may override the hooks of `metaxy.metadata_store.interface` where its format
allows something better.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, Self, overload

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from metaxy.errors import (
    ConfigError,
    FeatureNotFoundError,
    StoreError,
    SystemDataNotFoundError,
    UsageError,
    did_you_mean,
    listed,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store import pushing, storing, system, tagging
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.copy_planning import Asked, Route, check_lakes
from metaxy.metadata_store.copying import CopyResult, OnProgress, copy_rows
from metaxy.metadata_store.diffing import differences, differences_by_version, records_at
from metaxy.metadata_store.frames import Filter, conditions, polars_lazy
from metaxy.metadata_store.hash_settings import RequestedSettings
from metaxy.metadata_store.history import history_frame
from metaxy.metadata_store.history_copy import copy_histories
from metaxy.metadata_store.older_versions import older_plans
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.projects import ProjectGuard
from metaxy.metadata_store.purging import PurgeResult, carry_out, traced
from metaxy.metadata_store.reading import records_read
from metaxy.metadata_store.records import Stamps
from metaxy.metadata_store.resolving import assembled
from metaxy.metadata_store.runs import RunName
from metaxy.metadata_store.session import AccessMode
from metaxy.metadata_store.store_config import MetadataStoreConfig, VersioningEngineOptions
from metaxy.metadata_store.tagging import Tag
from metaxy.metadata_store.travel import Moment, checked_moment
from metaxy.metadata_store.vacuuming import Vacuumed, checked_retention, vacuum_tables
from metaxy.metadata_store.writing import WriteResult
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.engine import PolarsVersioningEngine
from metaxy.versioning.scope import fulfilling
from metaxy.versioning.types import HashAlgorithm, Increment, LazyIncrement

__all__ = ["AccessMode", "MetadataStore", "MetadataStoreConfig", "VersioningEngineOptions"]

_ENGINES = ("auto", "native", "polars")


class MetadataStore(OpenableStore):
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
        requested = RequestedSettings.checked(hash_algorithm, hash_truncation_length)
        super().__init__(requested=requested, fallback_stores=fallback_stores)
        self._versioning_engine_cls = versioning_engine_cls
        self._versioning_engine: VersioningEngineOptions = _known_engine(versioning_engine)
        self.auto_create_tables = auto_create_tables is not False
        self._run = RunName(materialization_id)
        self._project_guard = ProjectGuard(project)
        self._graph = graph

    # --- what it is ------------------------------------------------------------------------------

    @classmethod
    def from_config(
        cls,
        config: MetadataStoreConfig,
        **kwargs: Any,  # noqa: ANN401 -- whatever the store's own class takes
    ) -> Self:
        """Make a store from its options; `kwargs` are what no configuration holds.

        Fallback stores have names there; who knows the names (`metaxy.project`) gives the stores
        as `fallback_stores`.
        """
        options = {name: getattr(config, name) for name in type(config).model_fields}
        names = options.pop("fallback_stores")
        if names and "fallback_stores" not in kwargs:
            raise UsageError(
                f"The fallback stores {names} have only names here. Build the store with "
                "init_metaxy().get_store(), or give the stores as fallback_stores=[…]."
            )
        return cls(**(options | kwargs))

    def __repr__(self) -> str:
        return self.display()

    @property
    def materialization_id(self) -> str | None:
        """The run that writes of this thread are stamped with, unless they give their own."""
        return self._run.current

    @property
    def project(self) -> str | None:
        """Whose features may be written; None when that isn't checked."""
        return self._project_guard.project

    @property
    def graph(self) -> FeatureGraph:
        """The features: those given, or else the active graph."""
        return FeatureGraph.get_active() if self._graph is None else self._graph

    def native_implementation(self) -> nw.Implementation:
        """The frame library that the store reads into."""
        return nw.Implementation.POLARS

    @contextmanager
    def create_versioning_engine(
        self, plan: FeaturePlan, implementation: nw.Implementation = nw.Implementation.POLARS
    ) -> Generator[PolarsVersioningEngine]:
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
    def allow_cross_project_writes(self) -> Generator[None]:
        """Let features of other projects be written inside the block."""
        with self._project_guard.waived():
            yield

    @contextmanager
    def materializing(self, materialization_id: str) -> Generator[None]:
        """Stamp what is written inside the block with a run, unless a write gives its own.

        It holds for the thread that is in the block, and not for threads that it starts.
        """
        with self._run.used(materialization_id):
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
        self.require_open()
        plan = self.graph.plan(feature)
        wanted_engine = _known_engine(versioning_engine or self._versioning_engine)
        known = assembled(
            self,
            plan,
            samples=samples,
            filters=filters,
            global_filters=global_filters,
            native_only=wanted_engine == "native",
        )
        with self.create_versioning_engine(plan) as engine:
            increment = engine.resolve(
                upstream=known.upstream,
                stored=known.stored,
                samples=known.samples,
                filters=known.filters,
                skip_comparison=skip_comparison,
            )
        return increment if lazy else increment.collect()

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
        table_version: Moment | None = None,
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
                record may come once with each. Which columns named the records of an older one is
                looked up in the pushes; of one that was never pushed, those of today count.
            latest_only: Only the newest row of each record, and none of deleted ones. Otherwise
                all rows, tombstones (with `metaxy_deleted_at`) among them.
            table_version: Read what there was at another moment: an aware datetime or a tag, as
                `as_of` does, fallback stores included; or a version of the table, an int, which
                only this store is asked for. The other arguments mean what they mean now: the
                current feature version is today's.

        Raises:
            FeatureNotFoundError: No store has a table of the feature, or the graph doesn't know it.
            SystemDataNotFoundError: There is no such system table.
            ValueError: `feature_version` is given along with `current_only=True`, or
                `table_version` is a time without a time zone.
            TableVersionNotFoundError: The table has no such version, or not any more.
            TagNotFoundError: There is no such tag.
        """
        self.require_open()
        key = FeatureKey(feature)
        if table_version is not None:
            table_version = checked_moment(table_version, argument="table_version")
        if isinstance(table_version, datetime | str):
            return self.as_of(table_version).read_metadata(
                key,
                feature_version=feature_version,
                filters=filters,
                columns=columns,
                allow_fallback=allow_fallback,
                current_only=current_only,
                latest_only=latest_only,
            )
        if feature_version is not None and current_only:
            raise UsageError(
                f"feature_version={feature_version!r} asks for one version of '{key}', and "
                "current_only=True for the current one: give current_only=False along with it."
            )
        if key.is_system:
            return self._system_table(
                key, filters=filters, columns=columns, table_version=table_version
            )
        plan = self.graph.plan(key)
        version = self.feature_version(key) if current_only else feature_version
        older = {} if current_only else older_plans(self, plan.records)
        records = records_read(
            self._scanned(key, version, table_version, allow_fallback=allow_fallback),
            plan.records if version is None else older.get(version, plan.records),
            filters=conditions(filters),
            columns=columns,
            latest_only=latest_only,
            across_versions=version is None,
            definition=self.graph.definition(key) if current_only else None,
            older=older,
        )
        return nw.from_native(records)

    def _scanned(
        self,
        key: FeatureKey,
        feature_version: str | None,
        table_version: int | None,
        *,
        allow_fallback: bool,
    ) -> Scan:
        """The rows of one feature version, or of all; of a table's version, in this store only.

        Raises:
            FeatureNotFoundError: There is no table.
            TableVersionNotFoundError: The table has no such version, or not any more.
        """
        allow_fallback = allow_fallback and table_version is None
        if table_version is not None:
            scan = self.scan_version(key, feature_version, table_version)
        elif allow_fallback:
            scan = self.scan_chain(key, feature_version)
        else:
            scan = self.scan_in_store(key, feature_version)
        if scan is None:
            raise self._not_found(key, allow_fallback=allow_fallback)
        return scan

    def _system_table(
        self,
        key: FeatureKey,
        *,
        filters: Sequence[Filter] | None,
        columns: Sequence[str] | None,
        table_version: int | None,
    ) -> nw.LazyFrame[Any]:
        if table_version is None:
            read = self.read_metadata_in_store(key)
            rows = None if read is None else polars_lazy(read)
        else:
            scan = self.scan_version(key, None, table_version)
            rows = None if scan is None else scan.frame
        if rows is None:
            raise self._not_found(key, allow_fallback=False)
        found = fulfilling(rows, conditions(filters))
        return nw.from_native(found if columns is None else found.select(columns))

    def _not_found(self, key: FeatureKey, *, allow_fallback: bool) -> FeatureNotFoundError:
        missing = self.missing_lake()
        if key.is_system:
            way_out = missing or "`metaxy push` records the features of a project."
            return SystemDataNotFoundError(
                f"{self.display()} has no system table '{key}' yet. {way_out}", feature=str(key)
            )
        asked = [self, *(self.fallback_stores if allow_fallback else ())]
        slip = "" if key in self.graph else did_you_mean(str(key), map(str, self.graph.keys))
        way_out = missing or (
            "Write some with write_metadata, or see `metaxy list features` for what is there."
            + slip
        )
        return FeatureNotFoundError(
            f"No records of '{key}' were ever written to {', '.join(s.display() for s in asked)}. "
            f"{way_out}",
            feature=str(key),
        )

    def has_feature(self, feature: CoercibleToFeatureKey, *, check_fallback: bool = False) -> bool:
        """Whether there are rows of a feature, of whatever version, in this store.

        Args:
            check_fallback: Or in a fallback store.
        """
        self.require_open()
        key = FeatureKey(feature)
        scan = self.scan_chain(key, None) if check_fallback else self.scan_in_store(key, None)
        return scan is not None and scan.has_rows()

    def list_features(self) -> tuple[FeatureKey, ...]:
        """The features that have a table with rows in this store, sorted."""
        self.require_open()
        return tuple(key for key in self.features_in_store() if self.has_feature(key))

    # --- the past --------------------------------------------------------------------------------

    def history(self, feature: CoercibleToFeatureKey) -> pl.DataFrame:
        """One row a commit of a feature's table in this store, newest first.

        The columns are `metaxy.metadata_store.history.HISTORY`: the version of the table, when,
        what ("write", "delete", "drop", …; of other programs' commits what Delta has) and of how
        many rows, with which materialization id, feature version, snapshot version and idempotency
        key, and by which program and person. System tables have a history, too.

        Raises:
            FeatureNotFoundError: There is no such table in this store.
        """
        self.require_open()
        key = FeatureKey(feature)
        commits = self.table_history(key)
        if commits is None:
            raise self._not_found(key, allow_fallback=False)
        return history_frame(commits)

    def diff(
        self,
        feature: CoercibleToFeatureKey,
        a: Moment,
        b: Moment,
        *,
        feature_version: str | None = None,
        current_only: bool = True,
    ) -> Increment:
        """Tell which current records came, changed or went in this store between two moments.

        A record changed when its provenance, its data version or a column of the user's did; that
        it was written again as it was is no change.

        Args:
            a: The earlier moment: a version of the table, an aware datetime or a tag. At a time at
                which there was no table there were no records.
            b: The later one.
            feature_version: Records of another feature version; needs `current_only=False`.
            current_only: Only records of the feature version that is current today. Otherwise
                versions are kept apart, as by `read_metadata`.

        Returns:
            `added` and `changed` have records as they were at `b`, `removed` as they were at `a`.

        Raises:
            FeatureNotFoundError: There is no table of the feature in this store.
            TableVersionNotFoundError, TagNotFoundError: One of the moments can't be read.
        """
        self.require_open()
        plan = self.graph.plan(feature)
        if self.table_version(plan.key) is None:
            raise self._not_found(plan.key, allow_fallback=False)
        version = self.feature_version(plan.key) if current_only else feature_version
        older = {} if current_only else older_plans(self, plan.records)
        told = plan.records if version is None else older.get(version, plan.records)
        before, after = (
            records_at(
                self,
                told,
                checked_moment(each, argument=name),
                feature_version=version,
                older=older,
            )
            for name, each in (("a", a), ("b", b))
        )
        if version is None:
            return differences_by_version(before, after, told, older=older)
        return differences(before, after, told, across_versions=False)

    def as_of(self, moment: datetime | str) -> "MetadataStore":
        """A read-only view of the whole lake at a moment, in which nothing changes.

        Reads, increments, listings and histories in it are those of that moment; it may also be
        copied from. Of each table it shows the newest version without anything later than the given
        time, or the one that the tag pins; a table that did not exist then is absent. Fallback
        stores are seen at the same time (of a tag: when it was set). The features, and so which
        feature versions are current, are today's.

        The view is open as long as this store is.

        Args:
            moment: An aware datetime or the name of a tag.

        Raises:
            ValueError: The time has no time zone.
            TagNotFoundError: There is no such tag.
        """
        del moment
        raise StoreError(
            f"{self.display()} can't show its past: a {type(self).__name__} keeps no versions of "
            "its tables.",
            store=self.display(),
        )

    def tag(self, name: str, message: str | None = None) -> Tag:
        """Give the newest versions of all tables of this lake a name, in one commit.

        What a tag needs is never vacuumed. Of features that are written meanwhile it has either
        state, but never a record without the upstream records that it was made from.

        Args:
            name: Up to 100 of A-Z, a-z, 0-9, `.`, `_`, `-`, `/`, beginning with a letter.
            message: What it is for.

        Raises:
            ValueError: The name can't be one.
            TagExistsError: It is taken.
        """
        self.require_open("write")
        return tagging.set_tag(self, name, message)

    def untag(self, name: str) -> None:
        """Remove a tag; what it pinned may be vacuumed from now on.

        Raises:
            TagNotFoundError: There is no such tag.
        """
        self.require_open("write")
        tagging.remove_tag(self, name)

    def tags(self) -> pl.DataFrame:
        """One row a tag, newest first: `name`, `tagged_at`, `message`, how many `tables`."""
        self.require_open()
        return tagging.tag_listing(tagging.read_tags(self))

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
        self.require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        return storing.write_records(
            self,
            plan,
            df,
            stamps=self._stamps(plan, materialization_id),
            native_only=self._versioning_engine == "native",
            may_create=self.auto_create_tables,
            idempotency_key=idempotency_key,
            expanded_parents=expanded_parents,
        )

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
        self.require_open("write")
        frames = {FeatureKey(key): frame for key, frame in metadata.items()}
        if len(frames) < len(metadata):
            raise UsageError("Two of the keys name one feature: give each feature one frame.")
        for key in frames:
            self._project_guard.check(self.graph.definition(key))
        order = reversed(self.graph.topological_order(frames))
        return {key: self.write_metadata(key, frames[key], materialization_id) for key in order}

    def delete_metadata(
        self,
        feature: CoercibleToFeatureKey,
        filters: Sequence[Filter] | None = None,
        *,
        records: IntoFrame | None = None,
        soft: bool = True,
        current_only: bool = True,
        materialization_id: str | None = None,
    ) -> WriteResult:
        """Delete records: softly, so that history keeps them, or with all their rows.

        A soft deletion appends a tombstone for each current record that is chosen. A hard one
        rewrites the table without any row of the chosen records, superseded rows and tombstones
        among them; older versions of the table show them until they are vacuumed.

        A record that somebody else writes while this runs stays.

        Args:
            filters: Which records to delete: of the current ones, or in a hard deletion of all that
                there ever were, the newest row of each telling.
            records: Or a frame with the id columns of those to delete, such as
                `Increment.removed`; with filters, those of them that fulfil the filters.
            soft: False for a hard deletion.
            current_only: False for a hard deletion of records of all feature versions, each version
                apart; `metaxy_feature_version` may be filtered by.

        Returns:
            How many records were deleted, as `rows`.

        Raises:
            ValueError: Neither filters nor records are given, or a soft deletion is to end more
                than current records.
            WriteConflictError: Other writers kept committing first; nothing was deleted.
        """
        self.require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        stamps = self._stamps(plan, materialization_id)
        if soft:
            if not current_only:
                raise UsageError(
                    "current_only=False goes with soft=False: a tombstone ends a current record, "
                    "and those of older feature versions are history already."
                )
            result = storing.delete_records(
                self, plan, stamps=stamps, filters=filters, records=records
            )
        else:
            result = storing.erase_records(
                self,
                plan,
                feature_version=stamps.feature_version if current_only else None,
                materialization_id=stamps.materialization_id,
                filters=filters,
                records=records,
            )
        if result.rows:
            how = {} if soft else {"soft": False}
            pushing.record_event(
                self,
                "metadata_deleted",
                project=plan.project,
                feature=plan.key,
                rows=result.rows,
                **how,
            )
        return result

    def drop_feature_metadata(self, feature: CoercibleToFeatureKey) -> None:
        """Remove all records of a feature, of every version, from this store.

        Afterwards `has_feature` is false and fallback stores answer again. Where the store keeps
        history, older versions of the table stay readable until they are vacuumed. A feature
        without a table is left as it is.
        """
        self.require_open("write")
        plan = self.graph.plan(feature)
        self._project_guard.check(self.graph.definition(plan.key))
        if self.table_schema(plan.key) is None:
            return
        self.drop_in_store(plan.key)
        pushing.record_event(self, "feature_dropped", project=plan.project, feature=plan.key)

    def vacuum(
        self,
        features: Iterable[CoercibleToFeatureKey] | None = None,
        *,
        retention: timedelta = timedelta(days=7),
        dry_run: bool = False,
    ) -> dict[FeatureKey, Vacuumed]:
        """Remove the files of this lake that nothing needs any more.

        What stays is what the newest version of a table is read from, and every version that was
        the newest within the retention time, and every version that a tag pins. Older versions
        can't be read afterwards. Files that belong to no version, as writers leave that were
        killed, go when they are older than that, too.

        Args:
            features: Of which tables; by default of all, other projects' and system tables among
                them.
            retention: In whole hours, rounded up. With less than the longest read, write or tag
                takes, those that run meanwhile may fail, or lose what they write.
            dry_run: Only tell what would go.

        Returns:
            By feature, the files that went; features from which none did are left out.

        Raises:
            FeatureNotFoundError: There is no such table in this store.
            ValueError: The retention is no time.
        """
        self.require_open("read" if dry_run else "write")
        retention = checked_retention(retention)
        there = self.tables_in_store()
        keys = there if features is None else [FeatureKey(each) for each in features]
        for key in keys:
            if key not in there:
                raise self._not_found(key, allow_fallback=False)
        return vacuum_tables(self, keys, retention=retention, dry_run=dry_run)

    def purge(
        self,
        feature: CoercibleToFeatureKey,
        records: IntoFrame | None = None,
        *,
        filters: Sequence[Filter] | None = None,
        dry_run: bool = False,
    ) -> PurgeResult:
        """Remove every version of some records, and of all that was made from them, files included.

        For the erasure of one person's data. From the feature down the graph, every row goes that
        has the ids of these records, or of one that was made from them; of an aggregation the whole
        group, which is then offered again without them. Rows of all feature versions go, also those
        that only older versions of a table have: the files that they are in are removed, with what
        the log tells of their values. Versions and tags that need such a file can't be read
        afterwards; all others can.

        Done again it goes on where it was cut off. Fallback stores, copies of the lake and data
        outside of it aren't touched. Let nobody write the records meanwhile.

        Args:
            records: A frame with the id columns of the records, stored or not.
            filters: Or conditions on the newest row of a record, of whatever feature version; with
                records, those of them that fulfil the conditions.
            dry_run: Only tell what would go.

        Returns:
            By feature what went, and which tables couldn't be looked at.

        Raises:
            MetadataSchemaError: The records lack id columns.
            ProjectMismatchError: A feature that has something of it is another project's.
            StoreError: Rows that fulfil the filters have no ids, because they are of an older
                feature version that had others and was never pushed. Nothing was removed.
            ValueError: Neither records nor filters are given.
            WriteConflictError: Other writers kept committing first; do it again.
        """
        self.require_open("read" if dry_run else "write")
        plan = self.graph.plan(feature)
        chosen = storing.records_to_purge(self, plan, filters=filters, records=records)
        trace = traced(self, plan.key, chosen)
        if dry_run:
            return trace.result
        for key in trace.marks:
            self._project_guard.check(self.graph.definition(key))
        carry_out(self, trace)
        return trace.result

    # --- copying ---------------------------------------------------------------------------------

    def copy_metadata(
        self,
        from_store: OpenableStore,
        features: Iterable[CoercibleToFeatureKey] | None = None,
        *,
        from_snapshot: str | None = None,
        filters: Mapping[Any, Iterable[Filter]] | None = None,
        incremental: bool = True,
        history: bool = False,
        on_progress: OnProgress | None = None,
    ) -> dict[str, CopyResult]:
        """Copy records from another lake, as they are: with their instants, versions and runs.

        All rows are copied, of all feature versions, superseded ones and tombstones among them, so
        that the copy answers every question as the source does. Each feature is one commit,
        upstreams first. What the source's fallbacks have is not copied, and what this store's
        fallbacks have counts as missing. The pushes that have the features come along. Features of
        all projects may be copied.

        Args:
            from_store: Open; or a view of it at some time.
            features: By default all that the source has records of.
            from_snapshot: Copy only rows that were written under this snapshot version.
            filters: By feature key, conditions on its records, as `read_metadata` takes them. A
                record is copied with its whole history or not at all, of an expansion all children
                of a parent. One that fulfilled them when it was copied before is copied on.
            incremental: Leave out rows that are here already: those with the same ids and the
                same version stamps. Without it they are written once more, and history has them
                twice.
            history: Copy tables file by file, with all their versions, so that time travel works
                here, too. Goes on where it was cut off. Takes neither filters nor a snapshot.
            on_progress: Called as each feature begins, and as its rows are copied.

        Returns:
            By feature, how many rows were copied, and what more there is to know.

        Raises:
            ConfigError: Both are one lake.
            CopyError: A feature can't be copied; has what was copied before it, which stays.
            FeatureNotFoundError: The source has no records of a feature, or nobody knows its ids.
            HashSettingsMismatchError: The lakes hash in different ways.
            StoreNotOpenError, StoreReadOnlyError: One isn't open as it must be.
            SystemDataNotFoundError: The source knows no such snapshot.
        """
        route = Route(from_store, self)
        check_lakes(route)
        asked = Asked(
            features,
            from_snapshot,
            filters,
            compares=incremental,
            may_create=self.auto_create_tables,
        )
        copy = copy_histories if history else copy_rows
        return copy(route, asked, on_progress=on_progress)

    def _stamps(self, plan: FeaturePlan, materialization_id: str | None) -> Stamps:
        return Stamps(
            self.feature_version(plan.key),
            self.hash_settings.stamp(self.graph.snapshot_version_of(plan.project)),
            self.materialization_id if materialization_id is None else materialization_id,
        )

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
        self.require_open("write")
        asked = self.project if project is None else project
        return pushing.push_graph(self, pushing.pushed_project(asked, self.graph))

    def read_pushes(self) -> pl.DataFrame:
        """One row a feature and push, with the columns of `system.FEATURE_VERSIONS`; maybe none."""
        self.require_open()
        return pushing.read_pushes(self)

    def load_graph_snapshot(self, snapshot_version: str) -> FeatureGraph:
        """The graph that was pushed as this snapshot; its classes needn't exist any more.

        Raises:
            SystemDataNotFoundError: No such snapshot was pushed.
        """
        return system.restored_graph(self.read_pushes(), snapshot_version)

    def read_events(self) -> pl.DataFrame:
        """One row an event in this lake, with the columns of `system.EVENTS`, oldest first."""
        self.require_open()
        return pushing.read_events(self)


def _known_engine(name: VersioningEngineOptions) -> VersioningEngineOptions:
    if name in _ENGINES:
        return name
    raise ConfigError(
        f"versioning_engine is {name!r}; known are {listed(_ENGINES)}."
        f"{did_you_mean(str(name), _ENGINES)}",
        setting="versioning_engine",
    )
