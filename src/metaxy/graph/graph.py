"""The immutable graph of features, from which everything about definitions is asked."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from metaxy.errors import FeatureNotFoundError, GraphError, SnapshotError, did_you_mean, listed
from metaxy.graph import versions
from metaxy.graph.active import active_graph, pinned_graph
from metaxy.graph.checks import faults
from metaxy.graph.field_graph import field_graph
from metaxy.graph.order import reachable, reversed_edges, topological_order
from metaxy.graph.parents import FieldName
from metaxy.graph.plan import FeaturePlan
from metaxy.graph.planning import feature_plan
from metaxy.graph.snapshot import Snapshot
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import (
    CoercibleToFeatureKey,
    CoercibleToFieldKey,
    FeatureKey,
    FieldKey,
)

_EMPTY: Final = (
    "it has none at all. Import the modules that declare features, or call init_metaxy(), which "
    "imports those that the configuration names."
)


class FeatureGraph:
    """Features that fit together: every dependency is in the graph and there are no cycles.

    Made by `from_definitions` or `from_snapshot`. Equal graphs have equal definitions; where
    classes or hooks came from does not count. Wherever a key is taken, its text or the feature
    class will do.
    """

    __slots__ = (
        "_children",
        "_definitions",
        "_fields",
        "_order",
        "_parents",
        "_plans",
        "_rank",
    )

    def __init__(self, definitions: Iterable[FeatureDefinition]) -> None:
        """Take definitions that have been checked; everyone else calls `from_definitions`."""
        self._definitions = {each.key: each for each in sorted(definitions, key=_key)}
        self._parents = {
            key: tuple(sorted(dep.feature for dep in each.spec.deps))
            for key, each in self._definitions.items()
        }
        self._children = reversed_edges(self._parents)
        self._order = topological_order(self._parents)
        self._rank = {key: rank for rank, key in enumerate(self._order)}
        self._fields = field_graph(self._definitions[key] for key in self._order)
        self._plans: dict[FeatureKey, FeaturePlan] = {}

    @classmethod
    def from_definitions(cls, definitions: Iterable[FeatureDefinition]) -> FeatureGraph:
        """Check that definitions fit together and make a graph of them.

        Raises:
            GraphError: With every fault of the whole graph.
        """
        given = tuple(definitions)
        if found := faults(given):
            raise GraphError(found)
        return cls(given)

    @classmethod
    def from_snapshot(cls, data: Mapping[str, object]) -> FeatureGraph:
        """Restore what `to_snapshot` gave, without the classes, with equal versions and plans.

        Raises:
            SnapshotError: The data is no snapshot, or its graph comes out in other versions than
                it was recorded with.
        """
        stored = Snapshot.from_data(data)
        if found := faults(stored.definitions):
            raise SnapshotError(
                f"The snapshot {stored.snapshot_version[:12]!r} has features that do not fit "
                f"together: {' '.join(found)}",
                snapshot_version=stored.snapshot_version,
            )
        graph = cls(stored.definitions)
        stored.check_versions(graph.feature_versions, of_graph=graph.snapshot_version)
        return graph

    def to_snapshot(self) -> dict[str, object]:
        """Give the graph as JSON data, from which `from_snapshot` restores an equal one."""
        return Snapshot(
            self.snapshot_version, self.feature_versions, tuple(self._definitions.values())
        ).to_data()

    @classmethod
    def get_active(cls) -> FeatureGraph:
        """The graph pinned by `use`, else that of all declared features."""
        active = active_graph()
        return active if isinstance(active, FeatureGraph) else cls(())

    @contextmanager
    def use(self) -> Generator[FeatureGraph]:
        """Make this the active graph inside the block, for this thread or task."""
        with pinned_graph(self):
            yield self

    @property
    def definitions(self) -> Mapping[FeatureKey, FeatureDefinition]:
        """All definitions, sorted by key."""
        return MappingProxyType(self._definitions)

    @property
    def keys(self) -> tuple[FeatureKey, ...]:
        """All keys, sorted."""
        return tuple(self._definitions)

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects that have features here, sorted."""
        return tuple(sorted({each.project for each in self._definitions.values()}))

    @property
    def roots(self) -> tuple[FeatureKey, ...]:
        """The features that depend on none, sorted."""
        return tuple(key for key, parents in self._parents.items() if not parents)

    def definition(self, key: CoercibleToFeatureKey) -> FeatureDefinition:
        """The definition of a feature.

        Raises:
            FeatureNotFoundError: The graph has no such feature; tells the nearest.
        """
        return self._definitions[self._known(key)]

    def plan(self, key: CoercibleToFeatureKey) -> FeaturePlan:
        """The plan of a feature; made when it is first asked for."""
        known = self._known(key)
        if known not in self._plans:
            self._plans[known] = feature_plan(
                self._definitions[known], graph=self._definitions, fields=self._fields
            )
        return self._plans[known]

    def topological_order(
        self, keys: Iterable[CoercibleToFeatureKey] | None = None
    ) -> tuple[FeatureKey, ...]:
        """All features, or those given, each after all that it depends on.

        Where there is a choice the smallest key is next, so equal graphs give equal orders.
        """
        return self._order if keys is None else self._in_order(map(self._known, keys))

    def upstream(
        self, key: CoercibleToFeatureKey, *, recursive: bool = True
    ) -> tuple[FeatureKey, ...]:
        """What a feature depends on, directly or at all, in topological order."""
        known = self._known(key)
        found = reachable([known], self._parents) if recursive else self._parents[known]
        return self._in_order(found)

    def downstream(
        self, key: CoercibleToFeatureKey, *, recursive: bool = True
    ) -> tuple[FeatureKey, ...]:
        """What depends on a feature, directly or at all, in topological order."""
        known = self._known(key)
        found = reachable([known], self._children) if recursive else self._children[known]
        return self._in_order(found)

    def field_parents(
        self, key: CoercibleToFeatureKey, field: CoercibleToFieldKey
    ) -> tuple[FieldName, ...]:
        """The (feature, field) pairs that a field is made of, sorted."""
        return self._fields.parents[self._known_field(key, field)]

    def field_version(self, key: CoercibleToFeatureKey, field: CoercibleToFieldKey) -> str:
        """The version of one field, whole."""
        return self._fields.field_versions[self._known_field(key, field)]

    @property
    def feature_versions(self) -> Mapping[FeatureKey, str]:
        """The version of every feature, whole; sorted by key."""
        return {key: self._fields.feature_versions[key] for key in self._definitions}

    def feature_version(self, key: CoercibleToFeatureKey) -> str:
        """The version that a feature's records are stamped with, whole."""
        return self._fields.feature_versions[self._known(key)]

    def code_version(self, key: CoercibleToFeatureKey) -> str:
        """The version of a feature's own code, whole."""
        return versions.code_version(self.definition(key).spec)

    def feature_spec_version(self, key: CoercibleToFeatureKey) -> str:
        """The version of a feature's whole spec, whole."""
        return versions.feature_spec_version(self.definition(key).spec)

    def full_definition_version(self, key: CoercibleToFeatureKey) -> str:
        """The version of a feature's spec, columns and project, whole."""
        return versions.full_definition_version(self.definition(key))

    @property
    def snapshot_version(self) -> str:
        """The version of the whole graph, whole."""
        return versions.snapshot_version(self._fields.feature_versions.items())

    def snapshot_version_of(self, project: str) -> str:
        """The version of the features of one project, whole.

        Upstream features of other projects are in it as far as fields are made of theirs.

        Raises:
            FeatureNotFoundError: The project has no features here.
        """
        own = self._of_project(project)
        return versions.snapshot_version((key, self._fields.feature_versions[key]) for key in own)

    def for_project(self, project: str) -> FeatureGraph:
        """The features of a project with all that they depend on, in whatever project.

        Raises:
            FeatureNotFoundError: The project has no features here.
        """
        return self.subgraph(self._of_project(project))

    def subgraph(self, keys: Iterable[CoercibleToFeatureKey]) -> FeatureGraph:
        """The given features with all that they depend on."""
        known = {self._known(key) for key in keys}
        wanted = known | reachable(known, self._parents)
        return FeatureGraph(self._definitions[key] for key in wanted)

    def __contains__(self, key: object) -> bool:
        known = key if isinstance(key, FeatureKey) else FeatureKey(key)
        return known in self._definitions

    def __iter__(self) -> Iterator[FeatureKey]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureGraph):
            return NotImplemented
        return self._definitions == other._definitions

    def __hash__(self) -> int:
        return hash(self.snapshot_version)

    def __repr__(self) -> str:
        return f"<FeatureGraph {self.snapshot_version[:12]}: {listed(map(str, self))}>"

    def _known(self, key: CoercibleToFeatureKey) -> FeatureKey:
        known = key if isinstance(key, FeatureKey) else FeatureKey(key)
        if known not in self._definitions:
            names = [str(each) for each in self]
            there = f"it has {listed(names)}.{did_you_mean(str(known), names)}" if names else _EMPTY
            raise FeatureNotFoundError(
                f"The graph has no feature '{known}'; {there}", feature=str(known)
            )
        return known

    def _known_field(self, key: CoercibleToFeatureKey, field: CoercibleToFieldKey) -> FieldName:
        known = self._known(key)
        name = (known, field if isinstance(field, FieldKey) else FieldKey(field))
        if name not in self._fields.parents:
            names = sorted(str(each.key) for each in self._definitions[known].spec.fields)
            raise FeatureNotFoundError(
                f"'{known}' has no field '{name[1]}'; it has {listed(names)}."
                f"{did_you_mean(str(name[1]), names)}",
                feature=str(known),
            )
        return name

    def _of_project(self, project: str) -> tuple[FeatureKey, ...]:
        own = tuple(key for key, each in self._definitions.items() if each.project == project)
        if not own:
            raise FeatureNotFoundError(
                f"No feature of the graph is of the project {project!r}; its projects are "
                f"{listed(self.projects)}.{did_you_mean(project, self.projects)}"
            )
        return own

    def _in_order(self, keys: Iterable[FeatureKey]) -> tuple[FeatureKey, ...]:
        return tuple(sorted(set(keys), key=self._rank.__getitem__))


def _key(definition: FeatureDefinition) -> FeatureKey:
    return definition.key
