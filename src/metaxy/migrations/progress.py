"""How far a migration is, as told to whoever asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from metaxy.models.keys import FeatureKey

Phase: TypeAlias = Literal["planning", "running", "completed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """One step of a migration.

    Attributes:
        operation: Its id; None for the migration as a whole.
        feature: The feature of the operation.
        phase: What has just begun ("planning", "running") or how it ended.
        done: How many operations have ended.
        total: How many there are; 0 while that isn't known.
    """

    migration_id: str
    operation: str | None
    feature: FeatureKey | None
    phase: Phase
    done: int
    total: int


OnProgress: TypeAlias = Callable[[MigrationProgress], None]
"""Called at each step, from whichever thread takes it, and by one at a time."""
