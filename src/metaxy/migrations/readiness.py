"""Whether somebody has said why the operations of a migration are right."""

from collections.abc import Sequence

from metaxy.migrations.models import (
    DiffMigration,
    FeatureVersionsMigration,
    FullGraphMigration,
    Migration,
    OperationsMigration,
    built_operations,
)
from metaxy.migrations.ops import TODO, BaseOperation

_OF_FILES = (DiffMigration, FullGraphMigration, FeatureVersionsMigration)


def unready_reasons(migration: Migration) -> tuple[str, ...]:
    """What keeps a migration from being applied: a sentence for each reason that isn't there.

    In a YAML file every operation needs one. In Python code a reason may be left out, since the
    code has comments; but one that begins with TODO is still to be written.
    """
    is_file = type(migration) in _OF_FILES
    return tuple(
        f"The reason of {each.id!r} {fault}. Say why the results are the same, or take the "
        "operation out, so that the records are computed again."
        for each in _given(migration)
        if (fault := _fault(each, is_needed=is_file)) is not None
    )


def unready_in_file(migration: Migration) -> tuple[str, ...]:
    """What `unready_reasons` gives of a YAML file; nothing of Python code, which isn't called."""
    return unready_reasons(migration) if type(migration) in _OF_FILES else ()


def _given(migration: Migration) -> Sequence[BaseOperation]:
    return built_operations(migration) if isinstance(migration, OperationsMigration) else ()


def _fault(operation: BaseOperation, *, is_needed: bool) -> str | None:
    reason = operation.reason.strip()
    if reason.upper().startswith(TODO):
        return f"still has to be written: {reason!r}"
    return "is empty" if is_needed and not reason else None
