"""What differs between two graphs, as frozen values that can be read.

How the differences are found is `metaxy.graph.diff`.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from metaxy.errors import counted
from metaxy.graph.parents import FieldName
from metaxy.models.keys import FeatureKey, FieldKey

ChangeKind: TypeAlias = Literal[
    "id_columns",
    "dependency",
    "lineage",
    "rename",
    "filters",
    "optional",
    "field",
    "code_version",
    "field_parents",
    "selection",
    "column",
    "project",
    "description",
    "tags",
    "metadata",
    "notation",
]
"""The kinds of changes; those before `selection` give the feature another version.

`dependency`, `field` and `column` are one added, removed or, for a column, of another type.
`selection` is `FeatureDep.columns`. `notation` is all that a spec says in another way with the same
result, such as field dependencies that equal what the mapping gave.
"""

_KINDS_WITHOUT_VERSION = frozenset(
    {"selection", "column", "project", "description", "tags", "metadata", "notation"}
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs in a feature.

    Attributes:
        subject: What of the feature it is, such as `field 'audio'`; empty for the feature itself.
        old: As text; None when there was nothing.
        new: As text; None when there is nothing any more.
    """

    kind: ChangeKind
    subject: str
    old: str | None
    new: str | None

    @property
    def changes_version(self) -> bool:
        """Whether the feature has another version because of it."""
        return self.kind not in _KINDS_WITHOUT_VERSION

    def __str__(self) -> str:
        what = self.kind.replace("_", " ")
        name = f"{self.subject}: {what}" if self.subject else what
        if self.old is None:
            return f"{name} added: {self.new}"
        if self.new is None:
            return f"{name} removed: {self.old}"
        return f"{name}: {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """A feature that both graphs have and that is defined differently in them.

    Attributes:
        changes: Sorted by kind, as the kinds are listed, then by subject; at least one.
    """

    key: FeatureKey
    old_version: str
    new_version: str
    changes: tuple[Change, ...]

    @property
    def changes_version(self) -> bool:
        """Whether its records have to be computed anew; false for descriptions and the like."""
        return self.old_version != self.new_version

    def __str__(self) -> str:
        kept = "" if self.changes_version else " (same feature version)"
        return "\n".join([f"~ {self.key}{kept}", *(f"    {each}" for each in self.changes)])


@dataclass(frozen=True, slots=True)
class AffectedField:
    """A field that has another version because upstream fields have.

    Attributes:
        through: Its direct parents, in both graphs, that have another version; sorted.
    """

    field: FieldKey
    through: tuple[FieldName, ...]

    def __str__(self) -> str:
        names = ", ".join(f"{feature}.{field}" for feature, field in self.through)
        return f"field '{self.field}' through {names}"


@dataclass(frozen=True, slots=True)
class AffectedFeature:
    """A feature that changes with its upstream, whether or not it is changed itself."""

    key: FeatureKey
    fields: tuple[AffectedField, ...]

    def __str__(self) -> str:
        return "\n".join([f"> {self.key}", *(f"    {each}" for each in self.fields)])


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """From one graph to another.

    A feature whose upstream only selects other rows keeps its version and is not in here: the
    next increment sees the rows.

    Attributes:
        added: Keys that only the new graph has, sorted.
        removed: Keys that only the old graph has, sorted.
        changed: Features defined differently, sorted by key.
        affected: Features with fields that change with their upstream, each after those that it
            depends on.
    """

    old_snapshot_version: str
    new_snapshot_version: str
    added: tuple[FeatureKey, ...] = ()
    removed: tuple[FeatureKey, ...] = ()
    changed: tuple[FeatureChange, ...] = ()
    affected: tuple[AffectedFeature, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the graphs say the same, down to the descriptions."""
        return not (self.added or self.removed or self.changed)

    def __str__(self) -> str:
        """Tell everything, a line a fact: `+` added, `-` removed, `~` changed, `>` affected."""
        if self.is_empty:
            return f"No difference: both graphs are {self.new_snapshot_version[:12]}."
        head = (
            f"{self.old_snapshot_version[:12]} -> {self.new_snapshot_version[:12]}: "
            f"{counted(len(self.added), 'feature')} added, {len(self.removed)} removed, "
            f"{len(self.changed)} changed, {len(self.affected)} affected by upstream"
        )
        return "\n".join(
            [
                head,
                *(f"+ {key}" for key in self.added),
                *(f"- {key}" for key in self.removed),
                *map(str, self.changed),
                *map(str, self.affected),
            ]
        )
