"""How migrations stand: what their events come to.

Attempts are ordered by their numbers, not by the clocks of those who made them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from types import MappingProxyType
from typing import Literal

import polars as pl

from metaxy.migrations.events import (
    Holder,
    LeaseRenewed,
    MigrationCompleted,
    MigrationEvent,
    MigrationFailed,
    MigrationRolledBack,
    MigrationStamped,
    MigrationStarted,
    OperationCompleted,
    OperationFailed,
    OperationSkipped,
    Purpose,
    read_migration_events,
)

Ending = Literal["completed", "failed", "stamped", "rolled_back"]
Status = Literal["pending", "running", "partial", "completed", "failed", "stamped", "rolled_back"]
Outcome = Literal["completed", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationState:
    """What came of an operation when it was tried last.

    Attributes:
        attempt: In which attempt that was.
        rows: How many were written; 0 unless it is completed.
        error: Why it failed.
        blocked_by: The feature or operation that it waits for, where it was skipped.
    """

    operation: str
    feature: str | None
    outcome: Outcome
    attempt: int
    recorded_at: datetime
    rows: int = 0
    error: str | None = None
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to apply a migration or to take it back, or its stamp.

    Attributes:
        purpose: None for a stamp.
        lease_until: When the claim ended or will end; None for a stamp.
        ending: None where it goes on, or was cut off.
        errors: By feature or operation.
    """

    number: int
    purpose: Purpose | None
    content_hash: str
    holder: Holder
    started_at: datetime
    lease_until: datetime | None = None
    tag: str | None = None
    parent: str | None = None
    from_snapshot_version: str | None = None
    to_snapshot_version: str | None = None
    table_versions: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    operations: tuple[OperationState, ...] = ()
    ended_at: datetime | None = None
    ending: Ending | None = None
    rows: int = 0
    errors: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """All that is known of a migration in a lake at a moment.

    Attributes:
        status: "running" while an attempt goes on; "partial" where one was cut off, or left
            something undone; "failed" where it got nothing done.
        attempts: In order.
    """

    migration_id: str
    status: Status = "pending"
    attempts: tuple[Attempt, ...] = ()

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_applied(self) -> bool:
        """Whether there is nothing more to do, by what is recorded."""
        return self.status in ("completed", "stamped")

    @property
    def holder(self) -> Holder | None:
        """Who is at it now."""
        return self.last.holder if self.last is not None and self.status == "running" else None

    @property
    def ended_at(self) -> datetime | None:
        """When the newest attempt ended, or was begun if it didn't."""
        return None if self.last is None else (self.last.ended_at or self.last.started_at)

    @property
    def content_hash(self) -> str | None:
        """Of the file as it was when it was tried last, or stamped."""
        return None if self.last is None else self.last.content_hash

    @property
    def standing(self) -> tuple[Attempt, ...]:
        """The attempts to apply it whose rows have not been rolled back."""
        undone = [each.number for each in self.attempts if each.ending == "rolled_back"]
        since = max(undone, default=0)
        return tuple(
            each for each in self.attempts if each.number > since and each.purpose == "apply"
        )

    @property
    def operations(self) -> Mapping[str, OperationState]:
        """By id, what came of each operation when it was tried last."""
        latest = {each.operation: each for attempt in self.standing for each in attempt.operations}
        return MappingProxyType(latest)

    @property
    def blocking(self) -> Mapping[str, str]:
        """What keeps it from being completed, by feature or operation."""
        if self.last is None or self.status not in ("partial", "failed"):
            return MappingProxyType({})
        undone = [each for each in self.last.operations if each.outcome != "completed"]
        # A feature may have several operations; that one failed tells more than that one waits.
        by_weight = sorted(undone, key=lambda each: each.outcome == "failed")
        waiting = {each.feature or each.operation: _why(each) for each in by_weight}
        told = waiting | dict(self.last.errors)
        if not told and self.last.ending is None:
            deed = "rollback" if self.last.purpose == "rollback" else "run"
            told[self.migration_id] = f"the {deed} by {self.last.holder} was cut off"
        return MappingProxyType(told)


def migration_states(
    events: pl.DataFrame, *, now: datetime, is_gone: Callable[[Holder], bool]
) -> dict[str, MigrationState]:
    """Work out the states of all migrations that there are events of, by id.

    Args:
        events: As `MetadataStore.read_events` gives them.
        now: At what moment; leases that end before have run out.
        is_gone: Whether a holder is known not to work any more.
    """
    attempts: dict[tuple[str, int], Attempt] = {}
    later: list[tuple[MigrationEvent, datetime]] = []
    for event, recorded_at in read_migration_events(events):
        begun = _begun(event, recorded_at)
        if begun is None:
            later.append((event, recorded_at))
        else:
            attempts.setdefault((event.migration_id, event.attempt), begun)
    for event, recorded_at in later:
        key = event.migration_id, event.attempt
        if key in attempts:
            attempts[key] = _with_event(attempts[key], event, recorded_at)
    by_id: dict[str, list[Attempt]] = {}
    for (migration_id, _), attempt in sorted(attempts.items(), key=itemgetter(0)):
        by_id.setdefault(migration_id, []).append(attempt)
    states = [
        MigrationState(migration_id=migration_id, attempts=tuple(own))
        for migration_id, own in by_id.items()
    ]
    return {
        each.migration_id: replace(each, status=_status(each, now=now, is_gone=is_gone))
        for each in states
    }


def _begun(event: MigrationEvent, recorded_at: datetime) -> Attempt | None:
    if isinstance(event, MigrationStarted):
        return Attempt(
            number=event.attempt,
            purpose=event.purpose,
            content_hash=event.content_hash,
            holder=event.holder,
            started_at=recorded_at,
            lease_until=event.lease_until,
            tag=event.tag,
            parent=event.parent,
            from_snapshot_version=event.from_snapshot_version,
            to_snapshot_version=event.to_snapshot_version,
            table_versions=event.table_versions,
        )
    if isinstance(event, MigrationStamped):
        return Attempt(
            number=event.attempt,
            purpose=None,
            content_hash=event.content_hash,
            holder=event.holder,
            parent=event.parent,
            started_at=recorded_at,
            ended_at=recorded_at,
            ending="stamped",
        )
    return None


def _with_event(attempt: Attempt, event: MigrationEvent, recorded_at: datetime) -> Attempt:
    match event:
        case LeaseRenewed():
            until = max(attempt.lease_until or event.lease_until, event.lease_until)
            return replace(attempt, lease_until=until)
        case OperationCompleted() | OperationFailed() | OperationSkipped():
            told = _operation_state(event, recorded_at)
            return replace(attempt, operations=(*attempt.operations, told))
        case MigrationCompleted():
            return replace(attempt, ended_at=recorded_at, ending="completed", rows=event.rows)
        case MigrationFailed():
            return replace(attempt, ended_at=recorded_at, ending="failed", errors=event.errors)
        case MigrationRolledBack():
            rows = event.restored + event.ended
            return replace(attempt, ended_at=recorded_at, ending="rolled_back", rows=rows)
        case _:
            return attempt


def _operation_state(
    event: OperationCompleted | OperationFailed | OperationSkipped, recorded_at: datetime
) -> OperationState:
    state = OperationState(
        operation=event.operation,
        feature=event.feature,
        outcome="completed",
        attempt=event.attempt,
        recorded_at=recorded_at,
    )
    match event:
        case OperationCompleted():
            return replace(state, rows=event.rows)
        case OperationFailed():
            return replace(state, outcome="failed", error=event.error)
        case OperationSkipped():
            return replace(state, outcome="skipped", blocked_by=event.blocked_by)


def _status(state: MigrationState, *, now: datetime, is_gone: Callable[[Holder], bool]) -> Status:
    last = state.attempts[-1]
    if last.ending in ("completed", "stamped", "rolled_back"):
        return last.ending
    if last.ending is None:
        is_held = last.lease_until is not None and now < last.lease_until
        return "running" if is_held and not is_gone(last.holder) else "partial"
    is_begun = last.purpose == "rollback" or _done(state.standing)
    return "partial" if is_begun else "failed"


def _done(attempts: Sequence[Attempt]) -> bool:
    """Whether something may have been written: an operation was done, or an attempt cut off."""
    return any(
        attempt.ending is None or any(each.outcome == "completed" for each in attempt.operations)
        for attempt in attempts
    )


def _why(operation: OperationState) -> str:
    if operation.outcome == "failed":
        return operation.error or "it failed"
    return f"waits for {operation.blocked_by}"
