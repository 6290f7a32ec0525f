"""Migrations: metadata carried over changes of definitions that change no result."""

from metaxy.migrations.checking import CheckReport, check_migrations
from metaxy.migrations.detect import Detection, detect_changes, detect_feature_changes
from metaxy.migrations.generate import detect_diff_migration, generate_migration
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
    "CheckReport",
    "CustomMigration",
    "DataVersionReconciliation",
    "Detection",
    "DiffMigration",
    "FullGraphMigration",
    "MetadataBackfill",
    "Migration",
    "MigrationResult",
    "OperationResult",
    "PythonMigration",
    "check_migrations",
    "detect_changes",
    "detect_diff_migration",
    "detect_feature_changes",
    "generate_migration",
]
