"""What changed between two snapshots of a project, and what that means for its records.

How definitions differ is for `metaxy.graph.diff` to say; here each difference is classified, and
told by which other features it is felt.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from metaxy.graph.changes import AffectedField, Change, ChangeKind, FeatureChange
from metaxy.graph.diff import diff_graphs
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.system import restored_graph
from metaxy.migrations.reconciliation import affected_features, refusals
from metaxy.migrations.snapshots import (
    code_snapshot,
    graph_at,
    migrated_project,
    newest_snapshot,
    pushed_snapshots,
    whole_version,
)
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.keys import FeatureKey, FieldKey

ChangeClass: TypeAlias = Literal[
    "fields added",
    "fields removed",
    "fields renamed",
    "code version",
    "dependency",
    "lineage",
    "id columns",
    "filters",
    "columns",
    "project",
    "descriptions",
]
"""What kinds of things changed in a feature.

`fields renamed` is a guess: a field is gone, and one that is made in the same way is new.
`dependency` is which features and fields it is made from, and how their columns enter.
`descriptions` is all that says the same in other words.
"""

_CLASSES: Final[Mapping[ChangeKind, ChangeClass]] = MappingProxyType(
    {
        "code_version": "code version",
        "dependency": "dependency",
        "field_parents": "dependency",
        "rename": "dependency",
        "optional": "dependency",
        "selection": "dependency",
        "lineage": "lineage",
        "id_columns": "id columns",
        "filters": "filters",
        "column": "columns",
        "project": "project",
        "description": "descriptions",
        "tags": "descriptions",
        "metadata": "descriptions",
        "notation": "descriptions",
    }
)


@dataclass(frozen=True, slots=True)
class FieldRename:
    """A field that may have got another name: same code version, made of the same fields."""

    old: FieldKey
    new: FieldKey

    def __str__(self) -> str:
        return f"'{self.old}' may be '{self.new}' now"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedChange:
    """A feature that is defined in another way.

    Attributes:
        from_feature_version: As stamped in the lake.
        to_feature_version: The same one if no record is touched by the change.
        changes: What differs, at least one; sorted by kind and subject.
        classes: The kinds of things that these are.
        renames: Guesses.
        is_own: Whether a change of its own gives it another version; else only its upstreams do.
    """

    feature: FeatureKey
    from_feature_version: str
    to_feature_version: str
    changes: tuple[Change, ...]
    classes: tuple[ChangeClass, ...]
    renames: tuple[FieldRename, ...]
    is_own: bool

    @property
    def changes_version(self) -> bool:
        """Whether the feature has another version; false for descriptions and the like."""
        return self.from_feature_version != self.to_feature_version

    def __str__(self) -> str:
        facts = [*map(str, self.changes), *map(str, self.renames)]
        head = f"{self.feature} ({', '.join(self.classes)})"
        return "\n".join([head, *(f"  {fact}" for fact in facts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class DownstreamChange:
    """A feature that has another version only because features upstream of it have.

    Attributes:
        follows: Its direct upstreams that have another version, sorted.
        through: Its fields, each with the parent fields that have another version.
    """

    feature: FeatureKey
    from_feature_version: str
    to_feature_version: str
    follows: tuple[FeatureKey, ...]
    through: tuple[AffectedField, ...]

    def __str__(self) -> str:
        upstream = ", ".join(map(str, self.follows))
        fields = "; ".join(map(str, self.through)) or "its fields are made of others now"
        return f"Follows from {upstream}: {fields}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How two snapshots of a project differ.

    Attributes:
        old: The graph of the snapshot that is compared with.
        new: The graph of the other: the code's own, or one that was pushed.
        changes: Features of the project that are defined in another way, upstreams first.
        downstream: Those that have another version although nothing of their own gives it to
            them, upstreams first. One whose description changed is in both.
        added: Features that only the new snapshot has, sorted.
        removed: Features that only the old snapshot has, sorted.
    """

    project: str
    from_snapshot_version: str
    to_snapshot_version: str
    old: FeatureGraph
    new: FeatureGraph
    changes: tuple[DetectedChange, ...]
    downstream: tuple[DownstreamChange, ...]
    added: tuple[FeatureKey, ...]
    removed: tuple[FeatureKey, ...]

    @property
    def affected(self) -> tuple[FeatureKey, ...]:
        """The project's features that have another version, upstreams first."""
        return tuple(
            key
            for key in affected_features(self.old, self.new)
            if self.new.definition(key).project == self.project
        )

    def refusals(
        self, *, backfilled: Iterable[FeatureKey] = (), assume_same_result: bool = False
    ) -> Mapping[FeatureKey, tuple[str, ...]]:
        """Why the records of each affected feature can't be carried; empty where they can.

        Args:
            backfilled: Features that get their records by operations of their own.
            assume_same_result: Take the user's word where nothing can be shown.
        """
        carried = set(backfilled)
        found: dict[FeatureKey, tuple[str, ...]] = {}
        for key in self.affected:
            found[key] = ()
            if key not in carried:
                found[key] = refusals(
                    self.old,
                    self.new,
                    key,
                    assume_same_result=assume_same_result,
                    carried=frozenset(carried),
                )
            if not found[key]:
                carried.add(key)
        return found

    def is_unproved(self, feature: FeatureKey) -> bool:
        """Whether the user's word is all that can let the records of a feature be carried."""
        return any(
            refusals(
                self.old,
                self.new,
                feature,
                assume_same_result=False,
                carried=frozenset(self.affected),
            )
        )


def detect_changes(
    store: MetadataStore,
    *,
    project: str | None = None,
    from_snapshot: str | None = None,
    to_snapshot: str | None = None,
) -> Detection:
    """Compare two snapshots of a project: by default what was pushed last, and the code.

    Args:
        project: Whose; None: the store's, or the only one in the code.
        from_snapshot: A snapshot version or the beginning of one; None: that of the newest push,
            even if the same snapshot was pushed earlier, too.
        to_snapshot: The same; None: the code.

    Raises:
        MigrationError: It isn't clear which project is meant.
        SystemDataNotFoundError: There is no such snapshot, or the project was never pushed.
    """
    with store.open("read"):
        owner = migrated_project(store, project)
        own = code_snapshot(store, owner)
        pushed = [each.snapshot_version for each in pushed_snapshots(store, owner)]
        if from_snapshot is None:
            before = newest_snapshot(store, owner).snapshot_version
        else:
            before = whole_version(from_snapshot, [*pushed, own])
        after = own if to_snapshot is None else whole_version(to_snapshot, [own, *pushed])
        # What was pushed may have other descriptions than the code, in the same snapshot.
        is_pushed = before in pushed
        old = (
            restored_graph(store.read_pushes(), before, project=owner)
            if is_pushed
            else graph_at(store, before)
        )
        new = graph_at(store, after, project=owner)
        return _detection(store, old, new, versions=(before, after), project=owner)


def detect_feature_changes(
    store: MetadataStore,
    *,
    project: str | None = None,
    from_snapshot: str | None = None,
    to_snapshot: str | None = None,
) -> tuple[DetectedChange, ...]:
    """The features that are defined in another way than in what was pushed last; upstreams first.

    Changes of descriptions are among them; `DetectedChange.changes_version` tells them apart. For
    what follows downstream, and for the arguments and errors, see `detect_changes`.
    """
    return detect_changes(
        store, project=project, from_snapshot=from_snapshot, to_snapshot=to_snapshot
    ).changes


def _detection(
    store: MetadataStore,
    old: FeatureGraph,
    new: FeatureGraph,
    *,
    versions: tuple[str, str],
    project: str,
) -> Detection:
    diff = diff_graphs(old, new)
    stamp = store.hash_settings.stamp
    rank = {key: rank for rank, key in enumerate(new.topological_order())}
    changes = [
        _detected(each, old, new, stamped=(stamp(each.old_version), stamp(each.new_version)))
        for each in sorted(diff.changed, key=lambda change: rank[change.key])
        if new.definition(each.key).project == project
    ]
    own = {each.feature for each in changes if each.is_own}
    through = {each.key: each.fields for each in diff.affected}
    affected = affected_features(old, new)
    downstream = [
        DownstreamChange(
            feature=key,
            from_feature_version=stamp(old.feature_version(key)),
            to_feature_version=stamp(new.feature_version(key)),
            follows=tuple(sorted({*new.upstream(key, recursive=False)} & {*affected})),
            through=through.get(key, ()),
        )
        for key in affected
        if key not in own and new.definition(key).project == project
    ]
    return Detection(
        project=project,
        from_snapshot_version=versions[0],
        to_snapshot_version=versions[1],
        old=old,
        new=new,
        changes=tuple(changes),
        downstream=tuple(downstream),
        added=tuple(key for key in diff.added if new.definition(key).project == project),
        removed=tuple(key for key in diff.removed if old.definition(key).project == project),
    )


def _detected(
    change: FeatureChange, old: FeatureGraph, new: FeatureGraph, *, stamped: tuple[str, str]
) -> DetectedChange:
    before, after = old.definition(change.key).spec, new.definition(change.key).spec
    renames = tuple(_renames(change, old, new))
    return DetectedChange(
        feature=change.key,
        from_feature_version=stamped[0],
        to_feature_version=stamped[1],
        changes=change.changes,
        classes=_classes(change, is_renamed=bool(renames)),
        renames=renames,
        is_own=any(
            each.changes_version and (each.kind != "field_parents" or _maps_anew(before, after))
            for each in change.changes
        ),
    )


def _classes(change: FeatureChange, *, is_renamed: bool) -> tuple[ChangeClass, ...]:
    found: list[ChangeClass] = ["fields renamed"] if is_renamed else []
    for each in change.changes:
        if each.kind == "field":
            found.append("fields added" if each.old is None else "fields removed")
        else:
            found.append(_CLASSES[each.kind])
    return tuple(dict.fromkeys(found))


def _maps_anew(old: FeatureSpec, new: FeatureSpec) -> bool:
    """Whether a spec itself says in another way what its fields are made of."""
    return _mapping(old) != _mapping(new)


def _mapping(spec: FeatureSpec) -> tuple[object, ...]:
    fields = {field.key: field.deps for field in spec.fields}
    return fields, {dep.feature: dep.fields_mapping for dep in spec.deps}


def _renames(change: FeatureChange, old: FeatureGraph, new: FeatureGraph) -> Iterator[FieldRename]:
    before = {field.key: field for field in old.definition(change.key).spec.fields}
    after = {field.key: field for field in new.definition(change.key).spec.fields}
    for gone in sorted(before.keys() - after.keys()):
        for come in sorted(after.keys() - before.keys()):
            is_same_code = before[gone].code_version == after[come].code_version
            parents = old.field_parents(change.key, gone), new.field_parents(change.key, come)
            if is_same_code and parents[0] == parents[1]:
                yield FieldRename(gone, come)
