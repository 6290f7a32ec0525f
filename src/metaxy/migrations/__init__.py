"""Migrations: metadata carried over changes of definitions that change no result."""

from metaxy.migrations.models import (
    CustomMigration,
    DiffMigration,
    FullGraphMigration,
    Migration,
    PythonMigration,
)
from metaxy.migrations.ops import BaseOperation, DataVersionReconciliation, MetadataBackfill
from metaxy.migrations.result import MigrationResult, OperationResult

__all__ = [
    "BaseOperation",
    "CustomMigration",
    "DataVersionReconciliation",
    "DiffMigration",
    "FullGraphMigration",
    "MetadataBackfill",
    "Migration",
    "MigrationResult",
    "OperationResult",
    "PythonMigration",
]
