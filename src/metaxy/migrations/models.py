"""What a migration is: from which definitions, to which, by which operations.

What all say, and how it is written, is in `document`; how files are found, and how they form a
chain, is for `files` and `chain`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    SerializeAsAny,
    ValidationError,
    field_validator,
)

from metaxy.errors import MigrationError, MigrationFileError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import yaml_text
from metaxy.migrations.document import MigrationDocument
from metaxy.migrations.expanding import explicit_operations
from metaxy.migrations.file_data import is_older, read_operations, told_faults
from metaxy.migrations.older_format import snapshots_meant
from metaxy.migrations.ops import (
    BaseOperation,
    DataVersionReconciliation,
    as_operation,
)
from metaxy.migrations.reconciliation import affected_features
from metaxy.migrations.result import MigrationResult
from metaxy.migrations.snapshots import graph_at, migrated_project
from metaxy.migrations.spelling import canonical
from metaxy.models.keys import FeatureKey


def _operations(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    try:
        return tuple(as_operation(each) for each in value)
    except MigrationError as error:
        raise ValueError(str(error)) from error


Operations = Annotated[tuple[SerializeAsAny[BaseOperation], ...], BeforeValidator(_operations)]


class Migration(MigrationDocument):
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

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot versions that it leads from and to; None where it names none."""
        return None

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


class OperationsMigration(Migration):
    """The base of those that have operations.

    Attributes:
        ops: Operations, or what files say of them.
    """

    ops: Operations = ()

    def build_operations(self) -> Sequence[BaseOperation | Mapping[str, Any]]:
        """The operations, as a file would have them: `ops`. May be overridden."""
        return self.ops

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The features that the operations name, upstreams first."""
        return list(dict.fromkeys(each.feature_key for each in self.operations(store, project)))


class DiffMigration(OperationsMigration):
    """From one snapshot to another: operations on the features that differ.

    Attributes:
        from_snapshot_version: Of the definitions that the records were made by.
        to_snapshot_version: Of those that they shall count in.
        ops: Operations, or what files say of them. A `DataVersionReconciliation` without a feature
            stands for all affected ones.
    """

    from_snapshot_version: str
    to_snapshot_version: str

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot versions that it leads from and to."""
        return self.from_snapshot_version, self.to_snapshot_version

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


class FullGraphMigration(OperationsMigration):
    """Operations within one snapshot, such as a backfill of a new feature.

    Attributes:
        snapshot_version: Of the definitions that the records count in.
    """

    snapshot_version: str

    @property
    def snapshots(self) -> tuple[str, str] | None:
        """The snapshot version, twice."""
        return self.snapshot_version, self.snapshot_version

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


class FeatureVersionsMigration(OperationsMigration):
    """What a file of the older format says: features from one feature version to another.

    The snapshots that have these versions are found in the lake; see `resolved`.
    """

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
        old, new = snapshots_meant(store, owner, self.ops, migration=self.migration_id)
        diff = DiffMigration(
            migration_id=self.migration_id,
            created_at=self.created_at,
            parent=self.parent,
            description=self.description,
            project=self.project,
            from_snapshot_version=old,
            to_snapshot_version=new,
            ops=self.ops,
        )
        diff._content_hash = self.content_hash  # noqa: SLF001 -- it is the same migration
        return diff

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it."""
        return self._head() | {"ops": [each.to_data() for each in self.ops]}


def built_operations(migration: OperationsMigration) -> tuple[BaseOperation, ...]:
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
