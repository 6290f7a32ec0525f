"""metaxy: which records of a feature must be computed, computed again, or dropped?

The public names. Each is imported when it is first used, so that `import metaxy` is quick and
does not import data frame libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaxy.config import MetaxyConfig
    from metaxy.errors import (
        ColumnCollisionError,
        CommitStateUnknownError,
        ConfigError,
        ContractViolationError,
        CopyError,
        DefinitionError,
        EntrypointError,
        EventNotRecordedError,
        FallbackStoreError,
        FeatureNotFoundError,
        FilterError,
        GraphError,
        HashSettingsMismatchError,
        InvalidKeyError,
        MetadataSchemaError,
        MetaxyError,
        MetaxyWarning,
        MigrationConflictError,
        MigrationError,
        MigrationFileError,
        MigrationRefusedError,
        MissingColumnsError,
        MissingSamplesError,
        NoLakeWarning,
        ProjectMismatchError,
        SnapshotError,
        StorageNotRegisteredError,
        StoreError,
        StoreNotOpenError,
        StoreReadOnlyError,
        SystemDataNotFoundError,
        TableVersionNotFoundError,
        TagExistsError,
        TagNotFoundError,
        UnreadableTableError,
        UsageError,
        VersioningEngineMismatchError,
        WriteConflictError,
    )
    from metaxy.feature.base import BaseFeature
    from metaxy.feature.registry import FeatureRegistry
    from metaxy.graph.graph import FeatureGraph
    from metaxy.metadata_store.base import MetadataStore
    from metaxy.metadata_store.copying import CopyProgress, CopyResult
    from metaxy.metadata_store.delta import DeltaMetadataStore, DeltaMetadataStoreConfig
    from metaxy.models.columns import ColumnSpec, ColumnType
    from metaxy.models.contract import TableContract
    from metaxy.models.definition import FeatureDefinition
    from metaxy.models.feature_spec import FeatureDep, FeatureSpec
    from metaxy.models.fields import ALL, FieldDep, FieldSpec, SpecialFieldDep
    from metaxy.models.fields_mapping import FieldsMapping
    from metaxy.models.filters import SqlFilter
    from metaxy.models.keys import (
        CoercibleToFeatureKey,
        CoercibleToFieldKey,
        FeatureKey,
        FieldKey,
    )
    from metaxy.models.lineage import Lineage
    from metaxy.project import init_metaxy
    from metaxy.versioning.types import HashAlgorithm, Increment, LazyIncrement

_NAMES = {
    "metaxy.config": ("MetaxyConfig",),
    "metaxy.errors": (
        "ColumnCollisionError",
        "CommitStateUnknownError",
        "ConfigError",
        "ContractViolationError",
        "CopyError",
        "DefinitionError",
        "EntrypointError",
        "EventNotRecordedError",
        "FallbackStoreError",
        "FeatureNotFoundError",
        "FilterError",
        "GraphError",
        "HashSettingsMismatchError",
        "InvalidKeyError",
        "MetadataSchemaError",
        "MetaxyError",
        "MetaxyWarning",
        "MigrationConflictError",
        "MigrationError",
        "MigrationFileError",
        "MigrationRefusedError",
        "MissingColumnsError",
        "MissingSamplesError",
        "NoLakeWarning",
        "ProjectMismatchError",
        "SnapshotError",
        "StorageNotRegisteredError",
        "StoreError",
        "StoreNotOpenError",
        "StoreReadOnlyError",
        "SystemDataNotFoundError",
        "TableVersionNotFoundError",
        "TagExistsError",
        "TagNotFoundError",
        "UnreadableTableError",
        "UsageError",
        "VersioningEngineMismatchError",
        "WriteConflictError",
    ),
    "metaxy.feature.base": ("BaseFeature",),
    "metaxy.feature.registry": ("FeatureRegistry",),
    "metaxy.graph.graph": ("FeatureGraph",),
    "metaxy.metadata_store.base": ("MetadataStore",),
    "metaxy.metadata_store.copying": ("CopyProgress", "CopyResult"),
    "metaxy.metadata_store.delta": ("DeltaMetadataStore", "DeltaMetadataStoreConfig"),
    "metaxy.models.columns": ("ColumnSpec", "ColumnType"),
    "metaxy.models.contract": ("TableContract",),
    "metaxy.models.definition": ("FeatureDefinition",),
    "metaxy.models.feature_spec": ("FeatureDep", "FeatureSpec"),
    "metaxy.models.fields": ("ALL", "FieldDep", "FieldSpec", "SpecialFieldDep"),
    "metaxy.models.fields_mapping": ("FieldsMapping",),
    "metaxy.models.filters": ("SqlFilter",),
    "metaxy.models.keys": (
        "CoercibleToFeatureKey",
        "CoercibleToFieldKey",
        "FeatureKey",
        "FieldKey",
    ),
    "metaxy.models.lineage": ("Lineage",),
    "metaxy.project": ("init_metaxy",),
    "metaxy.versioning.types": ("HashAlgorithm", "Increment", "LazyIncrement"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "ALL",
    "BaseFeature",
    "CoercibleToFeatureKey",
    "CoercibleToFieldKey",
    "ColumnCollisionError",
    "ColumnSpec",
    "ColumnType",
    "CommitStateUnknownError",
    "ConfigError",
    "ContractViolationError",
    "CopyError",
    "CopyProgress",
    "CopyResult",
    "DefinitionError",
    "DeltaMetadataStore",
    "DeltaMetadataStoreConfig",
    "EntrypointError",
    "EventNotRecordedError",
    "FallbackStoreError",
    "FeatureDefinition",
    "FeatureDep",
    "FeatureGraph",
    "FeatureKey",
    "FeatureNotFoundError",
    "FeatureRegistry",
    "FeatureSpec",
    "FieldDep",
    "FieldKey",
    "FieldSpec",
    "FieldsMapping",
    "FilterError",
    "GraphError",
    "HashAlgorithm",
    "HashSettingsMismatchError",
    "Increment",
    "InvalidKeyError",
    "LazyIncrement",
    "Lineage",
    "MetadataSchemaError",
    "MetadataStore",
    "MetaxyConfig",
    "MetaxyError",
    "MetaxyWarning",
    "MigrationConflictError",
    "MigrationError",
    "MigrationFileError",
    "MigrationRefusedError",
    "MissingColumnsError",
    "MissingSamplesError",
    "NoLakeWarning",
    "ProjectMismatchError",
    "SnapshotError",
    "SpecialFieldDep",
    "SqlFilter",
    "StorageNotRegisteredError",
    "StoreError",
    "StoreNotOpenError",
    "StoreReadOnlyError",
    "SystemDataNotFoundError",
    "TableContract",
    "TableVersionNotFoundError",
    "TagExistsError",
    "TagNotFoundError",
    "UnreadableTableError",
    "UsageError",
    "VersioningEngineMismatchError",
    "WriteConflictError",
    "init_metaxy",
]


if not TYPE_CHECKING:  # to a checker, a misspelt name must not look like one that is found here

    def __getattr__(name: str) -> object:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'metaxy' has no attribute {name!r}", name=name, obj=None)
        value: object = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
