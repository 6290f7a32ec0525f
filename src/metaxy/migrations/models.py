"""What a migration is: from which definitions, to which, by which operations.

How files are found, and how they form a chain, is for `files` and `chain`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    field_validator,
)

from metaxy.errors import MigrationError, MigrationFileError, SystemDataNotFoundError
from metaxy.hashing import Encodable, digest
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import yaml_text
from metaxy.migrations.expanding import explicit_operations, snapshots_of_versions
from metaxy.migrations.file_data import is_older, read_operations, told_faults
from metaxy.migrations.ops import (
    BaseOperation,
    CustomFunction,
    DataVersionReconciliation,
    FeatureVersionMigration,
    as_operation,
)
from metaxy.migrations.reconciliation import affected_features
from metaxy.migrations.result import MigrationResult
from metaxy.migrations.snapshots import code_snapshot, graph_at, migrated_project
from metaxy.migrations.spelling import FORMAT, OLDER_NAMES, canonical
from metaxy.models.keys import FeatureKey

INITIAL: Final = "initial"
"""The parent of a migration that is the first one."""

_CONTENT_DOMAIN: Final = "metaxy/migration/1"
_ID_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
)


def _operations(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    try:
        return tuple(as_operation(each) for each in value)
    except MigrationError as error:
        raise ValueError(str(error)) from error


Operations = Annotated[tuple[SerializeAsAny[BaseOperation], ...], BeforeValidator(_operations)]


class Migration(BaseModel):
    """One step in the history of a project's metadata; frozen.

    Use `DiffMigration` (what YAML files have), `PythonMigration`, `FullGraphMigration` or
    `CustomMigration`. Subclasses may have fields and validators of their own.

    Attributes:
        migration_id: Its name, `id` in files: that of the file without its suffix.
        created_at: With a time zone.
        parent: The id of the migration that comes before it; `initial` for the first one.
        description: For people.
        project: Whose features it is about; None: those of the project that is being migrated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    migration_id: str
    created_at: datetime
    parent: str = INITIAL
    description: str = ""
    project: str | None = None

    _content_hash: str | None = PrivateAttr(default=None)

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot versions that it leads from and to; None where it names none."""
        return None

    @property
    def content_hash(self) -> str:
        """A hash over what it says, by which an edit is seen; comments don't count."""
        if self._content_hash is not None:
            return self._content_hash
        said = self.model_dump(mode="json", fallback=str)
        return digest(_CONTENT_DOMAIN, [type(self).__qualname__, cast("Encodable", said)])

    @abstractmethod
    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The features that it is about, upstreams first. May be overridden."""

    def resolved(self, store: MetadataStore, project: str | None = None) -> "Migration":
        """The same with all that only the lake knows; itself where that is nothing.

        A file of the older format names feature versions, which the pushes tell the snapshots of.
        The result has the id and the content hash of the original.

        Raises:
            SystemDataNotFoundError: The lake doesn't know what the migration names.
        """
        del store, project
        return self

    def operations(
        self, store: MetadataStore, project: str | None = None
    ) -> tuple[BaseOperation, ...]:
        """What is to be done, in this order: each operation names its feature.

        Raises:
            MigrationError: The operations contradict each other or the definitions.
            SystemDataNotFoundError: The lake doesn't know a snapshot.
        """
        del store, project
        return ()

    def hashed_as(self, content: str) -> Self:
        """A copy whose content hash is that of a text, such as the code of its class."""
        copy = self.model_copy()
        copy._content_hash = digest(_CONTENT_DOMAIN, content)  # noqa: SLF001 -- of its own class
        return copy

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file in any of the spellings that there have been.

        Raises:
            MigrationFileError: It can't be read, or is no migration of this class; has every
                fault, with the key and the value.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MigrationFileError(f"{path} can't be read: {error}") from error
        found = _migration_of(text, source=str(path))
        if not isinstance(found, cls):
            raise MigrationFileError(
                f"{path} is a {type(found).__name__}, not a {cls.__name__}; read it with "
                f"{type(found).__name__}.from_yaml or Migration.from_yaml.",
                migration=found.migration_id,
            )
        return found

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it: JSON data in the canonical spelling.

        Raises:
            MigrationFileError: It is Python code, which no YAML can say.
        """
        raise MigrationFileError(
            f"{self.migration_id!r} is a {type(self).__name__}, which no YAML file can hold: keep "
            "it as a Python file.",
            migration=self.migration_id,
        )

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Give it as YAML, and write that to a file if there is a path.

        Of a file that is there already, comments and layout stay.

        Raises:
            MigrationFileError: It is Python code, which no YAML can say.
        """
        data = self.to_data()
        file = None if path is None else Path(path)
        over = file.read_text(encoding="utf-8") if file is not None and file.exists() else None
        text = yaml_text.written(data, over=over, respelled=OLDER_NAMES)
        if file is not None:
            yaml_text.replace_file(file, text)
        return text

    @field_validator("migration_id", "parent")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not value or not _ID_CHARACTERS.issuperset(value):
            raise ValueError("an id has letters, digits, '_' and '-', and at least one")
        return value

    @field_validator("created_at")
    @classmethod
    def _has_time_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("it has no time zone; write for instance 2026-01-31T12:00:00Z")
        return value.astimezone(UTC)

    def _head(self) -> dict[str, object]:
        """What all files begin with."""
        head: dict[str, object] = {
            "version": FORMAT,
            "id": self.migration_id,
            "parent": self.parent,
            "description": self.description,
            "created_at": self.created_at.isoformat().replace("+00:00", "Z"),
        }
        if self.project is not None:
            head["project"] = self.project
        return head


class DiffMigration(Migration):
    """From one snapshot to another: operations on the features that differ.

    Attributes:
        from_snapshot_version: Of the definitions that the records were made by.
        to_snapshot_version: Of those that they shall count in.
        ops: Operations, or what files say of them. A `DataVersionReconciliation` without a feature
            stands for all affected ones.
    """

    from_snapshot_version: str
    to_snapshot_version: str
    ops: Operations = ()

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot versions that it leads from and to."""
        return self.from_snapshot_version, self.to_snapshot_version

    def build_operations(self) -> Sequence[BaseOperation | Mapping[str, Any]]:
        """The operations, as a file would have them: `ops`. May be overridden."""
        return self.ops

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The project's features with another version in the other snapshot, upstreams first."""
        owner = migrated_project(store, self.project if project is None else project)
        old, new = (graph_at(store, each) for each in self.snapshots or ())
        return [key for key in affected_features(old, new) if new.definition(key).project == owner]

    def operations(
        self, store: MetadataStore, project: str | None = None
    ) -> tuple[BaseOperation, ...]:
        """What is to be done: one operation a feature, each after those that it depends on."""
        given = built_operations(self)
        old, new = (graph_at(store, each) for each in self.snapshots or ())
        affected = self.get_affected_features(store, project)
        return explicit_operations(given, affected, old=old, new=new)

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it."""
        if type(self) is not DiffMigration:
            return super().to_data()
        return self._head() | {
            "from_snapshot_version": self.from_snapshot_version,
            "to_snapshot_version": self.to_snapshot_version,
            "ops": [each.to_data() for each in self.ops],
        }


class PythonMigration(DiffMigration):
    """From one snapshot to another by operations that code works out: `build_operations`."""

    @abstractmethod
    def build_operations(self) -> Sequence[BaseOperation | Mapping[str, Any]]:
        """The operations, or mappings with `type` and what the operation takes."""


class FullGraphMigration(Migration):
    """Operations within one snapshot, such as a backfill of a new feature.

    Attributes:
        snapshot_version: Of the definitions that the records count in.
    """

    snapshot_version: str
    ops: Operations = ()

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot version, twice."""
        return self.snapshot_version, self.snapshot_version

    def build_operations(self) -> Sequence[BaseOperation | Mapping[str, Any]]:
        """The operations, as a file would have them: `ops`. May be overridden."""
        return self.ops

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The features that the operations name, upstreams first."""
        return list(dict.fromkeys(each.feature_key for each in self.operations(store, project)))

    def operations(
        self, store: MetadataStore, project: str | None = None
    ) -> tuple[BaseOperation, ...]:
        """What is to be done, each operation after those on features that it depends on."""
        del project
        graph = graph_at(store, self.snapshot_version)
        return explicit_operations(built_operations(self), (), old=graph, new=graph)

    @field_validator("ops")
    @classmethod
    def _carries_nothing(cls, value: tuple[BaseOperation, ...]) -> tuple[BaseOperation, ...]:
        wrong = [each.id for each in value if isinstance(each, DataVersionReconciliation)]
        if wrong:
            raise ValueError(
                f"{wrong[0]!r} reconciles two snapshots, and here is one. Give "
                "'from_snapshot_version' and 'to_snapshot_version' instead of 'snapshot_version'."
            )
        return value

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it."""
        if type(self) is not FullGraphMigration:
            return super().to_data()
        return self._head() | {
            "snapshot_version": self.snapshot_version,
            "ops": [each.to_data() for each in self.ops],
        }


class CustomMigration(Migration):
    """Whatever `execute` does."""

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """None, unless overridden: what `execute` is about is known to it alone."""
        del store, project
        return []

    @abstractmethod
    def execute(
        self, store: MetadataStore, project: str | None, *, dry_run: bool = False
    ) -> MigrationResult:
        """Do it. It may be called again after it was interrupted.

        Args:
            store: Open for writing; for reading in a dry run.
            project: Whose features are migrated.
            dry_run: Write nothing, and tell what would be done.
        """


class FeatureVersionsMigration(Migration):
    """What a file of the older format says: features from one feature version to another.

    The snapshots that have these versions are found in the lake; see `resolved`.
    """

    ops: Operations = ()

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The features that its operations name and those downstream, upstreams first."""
        return list(dict.fromkeys(each.feature_key for each in self.operations(store, project)))

    def operations(
        self, store: MetadataStore, project: str | None = None
    ) -> tuple[BaseOperation, ...]:
        """What is to be done, down to all that is affected downstream."""
        return self.resolved(store, project).operations(store, project)

    def resolved(self, store: MetadataStore, project: str | None = None) -> DiffMigration:
        """The same between snapshots: the newest pushed ones that have these versions.

        The code's own snapshot comes before those that were pushed as the one that it leads to.

        Raises:
            SystemDataNotFoundError: No snapshot has these versions.
        """
        owner = migrated_project(store, self.project if project is None else project)
        named = [
            each for each in self.ops if isinstance(each, FeatureVersionMigration | CustomFunction)
        ]
        pushed = _recorded_versions(store, owner)
        stamp = store.hash_settings.stamp
        own = code_snapshot(store, owner)
        code = [(own, str(key), stamp(each)) for key, each in store.graph.feature_versions.items()]
        old = snapshots_of_versions(pushed, named, is_new=False)
        new = snapshots_of_versions([*code, *pushed], named, is_new=True)
        if not (old and new):
            which = "'from'" if not old else "'to'"
            raise SystemDataNotFoundError(
                f"No snapshot of the project {owner!r} in {store.display()} has the feature "
                f"versions that {self.migration_id!r} gives as {which}. `metaxy graph history` "
                "lists what was pushed."
            )
        diff = DiffMigration(
            migration_id=self.migration_id,
            created_at=self.created_at,
            parent=self.parent,
            description=self.description,
            project=self.project,
            from_snapshot_version=old[0],
            to_snapshot_version=new[0],
            ops=self.ops,
        )
        diff._content_hash = self.content_hash  # noqa: SLF001 -- it is the same migration
        return diff

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it."""
        return self._head() | {"ops": [each.to_data() for each in self.ops]}


def built_operations(migration: DiffMigration | FullGraphMigration) -> tuple[BaseOperation, ...]:
    """What `build_operations` gives, as operations.

    Raises:
        MigrationError: It gives something else.
    """
    found, faults = read_operations(list(migration.build_operations()))
    if faults:
        raise MigrationError(
            f"The operations of {migration.migration_id!r} are not valid",
            faults,
            migration=migration.migration_id,
        )
    return tuple(found)


def _migration_of(text: str, *, source: str) -> Migration:
    """The migration that a YAML text says."""
    data, faults = canonical(yaml_text.parsed(text, source=source))
    operations, more = read_operations(data.get("ops", []))
    cls = _class_for(data)
    keys = {name: "id" if name == "migration_id" else name for name in cls.model_fields}
    named = {"migration_id" if key == "id" else key: value for key, value in data.items()}
    found: Migration | None = None
    try:
        found = cls.model_validate(named | {"ops": operations})
    except ValidationError as error:
        more = [*told_faults(error, keys), *more]
    if found is None or faults or more:
        raise MigrationFileError(f"{source} is not a valid migration", [*faults, *more])
    return found


def _class_for(data: Mapping[str, object]) -> type[Migration]:
    if "snapshot_version" in data:
        return FullGraphMigration
    return FeatureVersionsMigration if is_older(data) else DiffMigration


def _recorded_versions(store: MetadataStore, project: str) -> list[tuple[str, str, str]]:
    """Snapshot version, feature and feature version of every push, the newest first."""
    rows = store.read_pushes().filter(project=project)
    newest_first = rows.sort("recorded_at", "push_id", descending=True)
    columns = ["snapshot_version", "feature_key", "feature_version"]
    return [(a, b, c) for a, b, c in newest_first.select(columns).iter_rows()]
