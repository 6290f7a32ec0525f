"""What a copy is about: which features, which rows of each, which pushes; checked beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from metaxy.errors import (
    ConfigError,
    FeatureNotFoundError,
    FilterError,
    HashSettingsMismatchError,
    MetadataSchemaError,
    StoreError,
    SystemDataNotFoundError,
    UsageError,
    did_you_mean,
    listed,
    redact,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import RecordsPlan
from metaxy.metadata_store import pushing, system
from metaxy.metadata_store.alignment import Alignment, alignment
from metaxy.metadata_store.chain import Scan
from metaxy.metadata_store.copied_registrations import missing_registrations
from metaxy.metadata_store.copied_rows import Selection, selected
from metaxy.metadata_store.frames import Filter, conditions
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.registering import Registration
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey
from metaxy.versioning.scope import Condition, fulfilling
from metaxy.versioning.system_columns import SNAPSHOT_VERSION


@dataclass(frozen=True, slots=True)
class FeatureCopy:
    """What is to be copied of one feature; the rows are of one version of the source's table.

    Attributes:
        registration: Of a storage class, what the destination is to have on record of the table;
            None for other features, and where it has that already.
    """

    key: FeatureKey
    project: str
    scan: Scan
    selection: Selection
    registration: Registration | None


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is to be copied, in this order: upstreams first.

    A copy that is cut off thus leaves features that lack what is made of them, which is offered to
    be computed; the other way round, records would look as if they were to be removed.
    """

    features: tuple[FeatureCopy, ...]
    pushes: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants copied.

    Attributes:
        features: None: all that the source has rows of.
        compares: Whether what the destination has already is left out.
        may_create: Whether the destination may get new tables.
    """

    features: Iterable[CoercibleToFeatureKey] | None
    snapshot: str | None
    filters: Mapping[Any, Iterable[Filter]] | None
    compares: bool
    may_create: bool


@dataclass(frozen=True, slots=True)
class Route:
    """From which lake to which; both are open."""

    source: OpenableStore
    store: OpenableStore


def check_lakes(route: Route) -> None:
    """Refuse lakes that can't be copied between; a new lake takes over how the source hashes.

    Raises:
        ConfigError: They are one lake.
        StoreNotOpenError, StoreReadOnlyError: One isn't open as it must be.
        HashSettingsMismatchError: The lakes hash in different ways.
        UsageError: The source is no store.
    """
    store, source = route.store, route.source
    if not isinstance(source, OpenableStore):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise UsageError(
            f"from_store is {redact(repr(source))}, which is no store: give an open one, such as "
            "that of `with DeltaMetadataStore(…) as source:`."
        )
    store.require_open("write")
    source.require_open()
    if store.is_same_lake(source):
        raise ConfigError(
            f"{store.display()} was to be copied to itself: give the lake to copy from."
        )
    settings = source.read_hash_settings()
    if settings is None:
        return
    if store.read_hash_settings() is None:
        store.adopt_hash_settings(settings, source=source.display())
    if store.hash_settings != settings:
        raise HashSettingsMismatchError(
            f"{source.display()} hashes with {settings}, and {store.display()} with "
            f"{store.hash_settings}: their versions can't be compared, so nothing is copied. "
            "Copy into a new lake, which takes the settings of the source.",
            got=str(settings),
            wanted=str(store.hash_settings),
            store=store.display(),
        )


def copy_plan(route: Route, asked: Asked) -> CopyPlan:
    """Work out what is to be copied; nothing is written, and few rows are read.

    All tables are looked at once, dependents before what they are made from: so whatever others
    write to the source meanwhile, no record is copied without its upstreams.

    Raises:
        FeatureNotFoundError: The source has no rows of a feature, or nobody knows its id columns.
        SystemDataNotFoundError: The source knows no such snapshot.
        FilterError: A filter can't be applied, or is for a feature that isn't copied.
        MetadataSchemaError: The destination has other types, or other tables of storage classes.
    """
    store, source = route.store, route.source
    keys = _wanted(source, asked.features)
    filters = _filters_by_key(keys, asked.filters)
    pushes = _pushes_of(pushing.read_pushes(source), keys, asked.snapshot)
    known = _Known.of(store, source, pushes)
    order = known.in_order(keys)
    scans = {key: source.scan_in_store(key, None) for key in reversed(order)}
    registrations = missing_registrations(source, store, order)
    copies = [
        FeatureCopy(
            key,
            known.project(key),
            _found(scans[key], key, source),
            known.selection(key, conditions(filters.get(key)), asked),
            registrations.get(key),
        )
        for key in order
    ]
    for each in copies:
        _check(store, each, may_create=asked.may_create)
    plan = CopyPlan(tuple(copies), pushes)
    _check_snapshot(source, asked.snapshot, plan)
    return plan


# --- what is asked for --------------------------------------------------------------------------


def _wanted(
    source: OpenableStore, features: Iterable[CoercibleToFeatureKey] | None
) -> tuple[FeatureKey, ...]:
    there = [key for key in source.features_in_store() if _has_rows(source, key)]
    if features is None:
        return tuple(there)
    keys = tuple(dict.fromkeys(map(FeatureKey, _several(features))))
    lacking = [key for key in keys if key not in there and not _has_rows(source, key)]
    if lacking:
        names = [str(key) for key in lacking]
        raise FeatureNotFoundError(
            f"{source.display()} has no records of {listed(names)}, so nothing was copied. "
            f"It has: {listed(map(str, there))}.{did_you_mean(names[0], map(str, there))}",
            feature=names[0],
        )
    return keys


def _several(features: Iterable[CoercibleToFeatureKey]) -> Iterable[CoercibleToFeatureKey]:
    """The features, where only one may have been given."""
    return [features] if isinstance(features, str | FeatureKey | type) else features


def _has_rows(source: OpenableStore, key: FeatureKey) -> bool:
    if key.is_system:
        return False
    scan = source.scan_in_store(key, None)
    return scan is not None and scan.has_rows()


def _filters_by_key(
    keys: Sequence[FeatureKey], filters: Mapping[Any, Iterable[Filter]] | None
) -> dict[FeatureKey, Iterable[Filter]]:
    if filters is not None and not isinstance(filters, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise FilterError(
            f"filters is a {type(filters).__name__}; give a mapping from features to filters."
        )
    given = {FeatureKey(key): each for key, each in (filters or {}).items()}
    for key in given:
        if key not in keys:
            names = [str(each) for each in keys]
            raise FilterError(
                f"There is a filter for '{key}', which isn't copied; to be copied: {listed(names)}."
                f"{did_you_mean(str(key), names)}"
            )
    return given


def _pushes_of(
    recorded: pl.DataFrame, keys: Sequence[FeatureKey], snapshot: str | None
) -> pl.DataFrame:
    """The pushes that have one of the features, whole, so that their graphs can be restored."""
    if snapshot is not None:
        recorded = recorded.filter(pl.col("snapshot_version") == snapshot)
    names = pl.Series([str(key) for key in keys], dtype=pl.String)
    having = recorded.filter(pl.col("feature_key").is_in(names.implode())).get_column("push_id")
    return recorded.filter(pl.col("push_id").is_in(having.implode()))


def _check_snapshot(source: OpenableStore, snapshot: str | None, plan: CopyPlan) -> None:
    """Refuse a snapshot that neither a push nor a row is of."""
    if snapshot is None or plan.pushes.height:
        return
    known: set[str] = set(pushing.read_pushes(source).get_column("snapshot_version"))
    for each in plan.features:
        stamps = each.scan.frame.select(pl.col(SNAPSHOT_VERSION).unique())
        known.update(stamps.collect(engine="streaming").get_column(SNAPSHOT_VERSION).drop_nulls())
    if snapshot not in known:
        raise SystemDataNotFoundError(
            f"{source.display()} has no snapshot '{snapshot}': none was pushed, and no row is "
            f"stamped with it. It has: {listed(sorted(known))}.{did_you_mean(snapshot, known)}"
        )


def _found(scan: Scan | None, key: FeatureKey, source: OpenableStore) -> Scan:
    if scan is None:
        raise FeatureNotFoundError(
            f"{source.display()} has no records of '{key}' any more: they were dropped while it "
            "was copied.",
            feature=str(key),
        )
    return scan


def _check(store: OpenableStore, copy: FeatureCopy, *, may_create: bool) -> None:
    """Refuse what would fail later: filters on columns that aren't there, and other types."""
    rows = selected(copy.scan.frame, copy.selection)
    try:
        fulfilling(rows, copy.selection.conditions)
    except FilterError as error:
        raise FilterError(f"The filter on '{copy.key}' can't be used: {error}") from error
    table = store.table_schema(copy.key)
    if table is None and not may_create:
        raise StoreError(
            f"'{copy.key}' has no table in {store.display()}, and auto_create_tables is off. "
            "Turn it on for the first copy of a feature.",
            store=store.display(),
            feature=str(copy.key),
        )
    refuse_conflicts(store, copy, alignment(copy.scan.frame.collect_schema(), table or pl.Schema()))


def refuse_conflicts(store: OpenableStore, copy: FeatureCopy, aligning: Alignment) -> None:
    """Refuse rows whose types are not those of the destination's table.

    Raises:
        MetadataSchemaError: Has a reason for each column.
    """
    if aligning.conflicts:
        raise MetadataSchemaError(
            f"'{copy.key}' can't be copied from {copy.scan.source} to {store.display()}",
            [
                f"'{each.column}' is {each.got}, and the destination's table has {each.wanted}: "
                "copy into another lake, or drop the feature there first"
                for each in aligning.conflicts
            ],
            store=store.display(),
            feature=str(copy.key),
        )


# --- what is known of features ------------------------------------------------------------------


class _Known:
    """The definitions of features: of the graphs, and of what was pushed to the source."""

    def __init__(self, graphs: Sequence[FeatureGraph], pushes: pl.DataFrame, source: str) -> None:
        self._graphs = list(graphs)
        self._pushes = pushes.sort("recorded_at", "push_id", descending=True)
        self._source = source

    @classmethod
    def of(cls, store: OpenableStore, source: OpenableStore, pushes: pl.DataFrame) -> Self:
        return cls([store.graph, source.graph], pushes, source.display())

    def project(self, key: FeatureKey) -> str:
        """Whose feature it is."""
        return self._graph(key).definition(key).project

    def in_order(self, keys: Sequence[FeatureKey]) -> list[FeatureKey]:
        """Upstreams first, by what the graphs say; those of different graphs in their order."""
        above = {key: self._graph(key).upstream(key) for key in keys}
        ordered: list[FeatureKey] = []
        left = sorted(keys)
        while left:
            free = [key for key in left if not any(up in left for up in above[key])] or left[:1]
            ordered += free
            left = [key for key in left if key not in free]
        return ordered

    def selection(self, key: FeatureKey, filters: tuple[Condition, ...], asked: Asked) -> Selection:
        """Which rows of a feature are copied."""
        plan = self._graph(key).plan(key).records
        return Selection(self._names(key, plan), plan, asked.snapshot, filters, asked.compares)

    def _names(self, key: FeatureKey, plan: RecordsPlan) -> tuple[str, ...]:
        """All columns that have ever named a record of a feature, as far as is known.

        One that no longer does tells no rows apart that are the same.
        """
        pushed = self._pushes.filter(pl.col("feature_key") == str(key)).get_column("definition")
        specs = [FeatureDefinition.from_json(text).spec for text in pushed.unique().sort()]
        return tuple(
            dict.fromkeys(
                (
                    *plan.id_columns,
                    *(plan.expansion_on or ()),
                    *(name for spec in specs for name in spec.id_columns),
                )
            )
        )

    def _graph(self, key: FeatureKey) -> FeatureGraph:
        """The first graph with a feature: the store's, the source's, the newest pushed one."""
        for graph in self._graphs:
            if key in graph:
                return graph
        pushed = self._pushes.filter(pl.col("feature_key") == str(key))
        if pushed.is_empty():
            raise FeatureNotFoundError(
                f"'{key}' is in {self._source}, but neither in the code nor in what was pushed "
                "there, so nobody knows its id columns. Import its class, run `metaxy push` from "
                "where it is defined, or name the features to copy.",
                feature=str(key),
            )
        graph = system.restored_graph(self._pushes, pushed.item(0, "snapshot_version"))
        self._graphs.append(graph)
        return graph
