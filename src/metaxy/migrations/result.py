"""What became of a migration, operation by operation."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from metaxy.errors import counted
from metaxy.models.keys import FeatureKey

MigrationStatus: TypeAlias = Literal[
    "completed", "partial", "failed", "skipped", "planned", "refused"
]
"""What became of a migration.

`partial`: some operations did not get done, others did; `failed`: none got done; `skipped`: nothing
was left to do; `planned`: a dry run; `refused`: nothing was tried, since it must not be done.
"""

OperationStatus: TypeAlias = Literal["completed", "failed", "skipped", "planned", "refused"]
"""What became of an operation; `skipped`: it was done before, or what it needs has failed."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OperationResult(_Value):
    """What became of one operation.

    Attributes:
        operation: Its id.
        rows: How many were written; in a dry run, would be.
        in_sync: Of the records carried, those that are up to date.
        out_of_date: Those that were to be computed again, and still are.
        orphaned: Those whose upstream record is gone.
        already: Records that the new version had before.
        out_of_date_examples: A few of them, as `id=1`.
        error: Why it failed; None when it didn't.
        blocked_by: The features that failed, because of which it was skipped.
        refusals: Why it must not be done.
    """

    operation: str
    feature_key: FeatureKey
    status: OperationStatus
    rows: int = 0
    in_sync: int = 0
    out_of_date: int = 0
    orphaned: int = 0
    already: int = 0
    out_of_date_examples: tuple[str, ...] = ()
    error: str | None = None
    blocked_by: tuple[FeatureKey, ...] = ()
    refusals: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Give a line, and one more for each reason why it was not done."""
        told = [f"{counted(self.rows, 'row')}"]
        told += [f"{self.out_of_date} out of date"] if self.out_of_date else []
        told += [f"{self.orphaned} without upstream record"] if self.orphaned else []
        told += [f"{self.already} there already"] if self.already else []
        told += [f"waits for {', '.join(map(str, self.blocked_by))}"] if self.blocked_by else []
        reasons = [*self.refusals, *([self.error] if self.error else [])]
        head = f"{self.operation} ({self.feature_key}): {self.status}, {', '.join(told)}"
        return "\n".join([head, *(f"  {reason}" for reason in reasons)])


class MigrationResult(_Value):
    """What became of a migration.

    Attributes:
        affected_features: Those that it is about, upstreams first.
        rows_affected: How many rows were written; in a dry run, would be.
        errors: What went wrong, by feature key as text; "" stands for the whole.
        operations: One each, in the order in which they were done.
        notes: What has changed in the lake since it was planned.
    """

    migration_id: str
    status: MigrationStatus
    affected_features: tuple[FeatureKey, ...] = ()
    rows_affected: int = 0
    errors: dict[str, str] = {}
    duration_seconds: float = 0.0
    operations: tuple[OperationResult, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Tell all of it in a few lines, for people."""
        head = f"{self.migration_id}: {self.status}, {self._extent()}"
        told = {str(each.feature_key) for each in self.operations if each.error or each.refusals}
        errors = [
            f"  {name}: {error}" if name else f"  {error}"
            for name, error in self.errors.items()
            if name not in told
        ]
        lines = [f"  {each}".replace("\n", "\n  ") for each in self.operations]
        notes = [f"  {each}" for each in self.notes]
        return "\n".join([head, *lines, *errors, *notes])

    def _extent(self) -> str:
        if self.status == "refused":
            return "nothing was written"
        if self.status == "skipped" and not self.operations:
            return "nothing was written" if self.notes else "nothing is left to do"
        verb = "to write" if self.status == "planned" else "written"
        return (
            f"{counted(len(self.affected_features), 'feature')}, "
            f"{counted(self.rows_affected, 'row')} {verb} in {self.duration_seconds:.1f} s"
        )
