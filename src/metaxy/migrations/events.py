"""What happened to migrations: events in the lake.

Nothing about a migration is ever updated. Whoever begins one, ends one or gets an operation done
appends a row to `metaxy-system/events`; what they come to is worked out by
`metaxy.migrations.states`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from metaxy.errors import MigrationError
from metaxy.metadata_store import pushing, system
from metaxy.metadata_store.base import MetadataStore
from metaxy.models.keys import FeatureKey

Purpose = Literal["apply", "rollback"]


class _Facts(BaseModel):
    """Facts as they are kept in JSON; those that a later version adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Holder(_Facts):
    """Who works on a migration.

    Attributes:
        machine: Names the running system that `pid` counts in; None where there is no such name.
        process: Tells the process from later ones of the same `pid`; None where nothing does.
    """

    user: str
    host: str
    pid: int
    machine: str | None = None
    process: str | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}"


class MigrationEvent(_Facts):
    """One event of an attempt at a migration.

    Attributes:
        attempt: 1 for the first; whatever is begun next has the next number.
    """

    kind: ClassVar[str]
    migration_id: str
    attempt: int

    @property
    def feature_key(self) -> FeatureKey | None:
        """The feature that it is about, if it is about one."""
        return None


class MigrationStarted(MigrationEvent):
    """Somebody has claimed the attempt.

    Attributes:
        run: The materialization id of what is written.
        lease_until: When the claim ends, unless it is renewed.
        tag: What the lake is tagged with before anything is written.
        table_versions: Of the features of the plan, as it was made; None without a table.
    """

    kind: ClassVar[str] = "migration_started"
    purpose: Purpose = "apply"
    content_hash: str
    run: str
    holder: Holder
    lease_until: datetime
    tag: str | None = None
    parent: str | None = None
    from_snapshot_version: str | None = None
    to_snapshot_version: str | None = None
    table_versions: dict[str, int | None] = {}


class LeaseRenewed(MigrationEvent):
    """Its holder is still at it."""

    kind: ClassVar[str] = "migration_lease_renewed"
    lease_until: datetime


class _OperationEvent(MigrationEvent):
    operation: str
    feature: str | None = None

    @property
    def feature_key(self) -> FeatureKey | None:
        """The feature of the operation."""
        return None if self.feature is None else FeatureKey(self.feature)


class OperationCompleted(_OperationEvent):
    """An operation is done; the counts are those of `CarryResult`, or null."""

    kind: ClassVar[str] = "migration_operation_completed"
    rows: int
    in_sync: int | None = None
    out_of_date: int | None = None
    orphaned: int | None = None
    already: int | None = None


class OperationFailed(_OperationEvent):
    """An operation ended in an error."""

    kind: ClassVar[str] = "migration_operation_failed"
    error: str


class OperationSkipped(_OperationEvent):
    """An operation was not begun, since another one, which it needs, is not done."""

    kind: ClassVar[str] = "migration_operation_skipped"
    blocked_by: str


class MigrationCompleted(MigrationEvent):
    """All operations are done."""

    kind: ClassVar[str] = "migration_completed"
    content_hash: str
    rows: int
    duration_seconds: float


class MigrationFailed(MigrationEvent):
    """The attempt ended, and not all is done; `errors` are by feature or operation."""

    kind: ClassVar[str] = "migration_failed"
    content_hash: str
    errors: dict[str, str]
    duration_seconds: float


class MigrationStamped(MigrationEvent):
    """Somebody has said that it needs not be run here."""

    kind: ClassVar[str] = "migration_stamped"
    content_hash: str
    holder: Holder
    parent: str | None = None


class MigrationRolledBack(MigrationEvent):
    """What it wrote doesn't count any more; see `RollbackCounts`."""

    kind: ClassVar[str] = "migration_rolled_back"
    content_hash: str
    restored: int
    ended: int
    kept: int
    duration_seconds: float


_KINDS: Final[Mapping[str, type[MigrationEvent]]] = {
    each.kind: each
    for each in (
        *(MigrationStarted, LeaseRenewed, OperationCompleted, OperationFailed, OperationSkipped),
        *(MigrationCompleted, MigrationFailed, MigrationStamped, MigrationRolledBack),
    )
}


def record(
    store: MetadataStore, event: MigrationEvent, *, project: str | None, is_claim: bool = False
) -> bool:
    """Append an event.

    Args:
        is_claim: It is the first of its attempt, which only one can begin.

    Returns:
        Whether it was appended: of several claims of an attempt, one is.
    """
    key = f"migration/{event.migration_id}/{event.attempt}" if is_claim else None
    row = system.event_row(
        event.kind,
        now=datetime.now(UTC),
        project=project,
        feature=event.feature_key,
        details=event.model_dump(mode="json"),
    )
    return pushing.append_event(store, row, idempotency_key=key)


def read_migration_events(events: pl.DataFrame) -> list[tuple[MigrationEvent, datetime]]:
    """The events of migrations among those of a lake, each with when it was recorded.

    Args:
        events: As `MetadataStore.read_events` gives them.

    Raises:
        MigrationError: One can't be read.
    """
    wanted = events.filter(pl.col("kind").is_in(list(_KINDS)))
    columns = wanted.select("event_id", "recorded_at", "kind", "details")
    return [
        (_event(event_id, kind, details), recorded_at)
        for event_id, recorded_at, kind, details in columns.iter_rows()
    ]


def _event(event_id: str, kind: str, details: str) -> MigrationEvent:
    try:
        known: dict[str, Any] = json.loads(details)
        return _KINDS[kind].model_validate(known)
    except (ValueError, ValidationError) as error:
        raise MigrationError(
            f"The event '{event_id}' ({kind}) in the lake can't be read: {error}. Was it written "
            "by another version of metaxy?"
        ) from error
