"""Migrations: metadata carried over changes of definitions that change no result."""

from metaxy.migrations.api import (
    MigrationReport,
    apply_migration,
    apply_migrations_from_directory,
    explain_migration,
    migration_status,
    rollback_migration,
    stamp_migration,
)
from metaxy.migrations.checking import CheckReport, check_migrations
from metaxy.migrations.detect import Detection, detect_changes, detect_feature_changes
from metaxy.migrations.executor import MigrationExecutor
from metaxy.migrations.explaining import MigrationExplanation
from metaxy.migrations.generate import detect_diff_migration, generate_migration
from metaxy.migrations.models import (
    CustomMigration,
    DiffMigration,
    FullGraphMigration,
    Migration,
    PythonMigration,
)
from metaxy.migrations.ops import BaseOperation, DataVersionReconciliation, MetadataBackfill
from metaxy.migrations.planning import MigrationPlan
from metaxy.migrations.progress import MigrationProgress
from metaxy.migrations.result import MigrationResult, OperationResult
from metaxy.migrations.states import MigrationState
from metaxy.migrations.undoing import RollbackResult

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
    "MigrationExecutor",
    "MigrationExplanation",
    "MigrationPlan",
    "MigrationProgress",
    "MigrationReport",
    "MigrationResult",
    "MigrationState",
    "OperationResult",
    "PythonMigration",
    "RollbackResult",
    "apply_migration",
    "apply_migrations_from_directory",
    "check_migrations",
    "detect_changes",
    "detect_diff_migration",
    "detect_feature_changes",
    "explain_migration",
    "generate_migration",
    "migration_status",
    "rollback_migration",
    "stamp_migration",
]
