"""How migrations stand, by their events, whoever wrote them and in whichever order they came."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from metaxy.errors import MigrationError
from metaxy.metadata_store import system
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
)
from metaxy.migrations.states import MigrationState, migration_states

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ANNA = Holder(user="anna", host="north", pid=1)


def started(attempt: int = 1, **given: object) -> MigrationStarted:
    """The begin of an attempt, which has the lake for an hour."""
    facts: dict[str, object] = {
        "migration_id": "m",
        "attempt": attempt,
        "content_hash": "hash",
        "run": "migration:m",
        "holder": ANNA,
        "lease_until": NOON + timedelta(hours=1),
        "tag": f"migration/m/{attempt}",
    }
    return MigrationStarted.model_validate(facts | given)


def done(operation: str, attempt: int = 1) -> OperationCompleted:
    """An operation that wrote three rows."""
    return OperationCompleted(
        migration_id="m", attempt=attempt, operation=operation, feature="video", rows=3
    )


def failed(attempt: int = 1) -> MigrationFailed:
    """The end of an attempt that left something undone."""
    return MigrationFailed(
        migration_id="m",
        attempt=attempt,
        content_hash="hash",
        errors={"faces": "OSError: disk"},
        duration_seconds=1,
    )


def completed(attempt: int = 1) -> MigrationCompleted:
    """The end of an attempt that did all."""
    return MigrationCompleted(
        migration_id="m", attempt=attempt, content_hash="hash", rows=3, duration_seconds=1
    )


def undone(attempt: int) -> MigrationRolledBack:
    """The end of a rollback."""
    return MigrationRolledBack(
        migration_id="m",
        attempt=attempt,
        content_hash="hash",
        restored=1,
        ended=2,
        kept=0,
        duration_seconds=1,
    )


def rows(*events: MigrationEvent) -> pl.DataFrame:
    """Events as a lake has them, a minute apart."""
    return pl.concat(
        system.event_row(
            each.kind,
            now=NOON + timedelta(minutes=number),
            details=each.model_dump(mode="json"),
        )
        for number, each in enumerate(events)
    )


def state(*events: MigrationEvent, now: datetime = NOON, is_gone: bool = False) -> MigrationState:
    """What they come to."""
    return migration_states(rows(*events), now=now, is_gone=lambda _: is_gone)["m"]


def test_the_last_attempt_tells_the_status() -> None:
    """An attempt goes on, fails with something done or nothing, is completed, is taken back."""
    assert state(started()).status == "running"
    assert state(started(), failed()).status == "failed"
    assert state(started(), done("a"), failed()).status == "partial"
    assert state(started(), done("a"), failed(), started(2)).status == "running"
    assert state(started(), done("a"), completed()).status == "completed"
    back = started(2, purpose="rollback")
    assert state(started(), done("a"), completed(), back).status == "running"
    assert state(started(), done("a"), completed(), back, undone(2)).status == "rolled_back"


def test_a_holder_that_is_gone_or_silent_is_succeeded() -> None:
    """Then the attempt was cut off: nobody knows what it has done. A renewed lease goes on."""
    late = NOON + timedelta(hours=1)
    renewed = LeaseRenewed(migration_id="m", attempt=1, lease_until=late + timedelta(hours=1))

    assert state(started(), is_gone=True).status == "partial"
    assert state(started(), now=late).status == "partial"
    assert state(started(), renewed, now=late).status == "running"
    assert state(started(), is_gone=True).blocking == {
        "m": "the run by anna@north, process 1 was cut off"
    }
    assert state(started()).holder == ANNA
    assert state(started(), is_gone=True).holder is None


def test_what_blocks_a_partial_migration_is_told() -> None:
    """The operations that failed and those that wait for them, by feature."""
    broken = OperationFailed(
        migration_id="m", attempt=1, operation="b", feature="faces", error="OSError: disk"
    )
    waiting = OperationSkipped(
        migration_id="m", attempt=1, operation="c", feature="crops", blocked_by="faces"
    )

    found = state(started(), done("a"), broken, waiting, failed())

    assert found.status == "partial"
    assert found.blocking == {"faces": "OSError: disk", "crops": "waits for faces"}
    assert {name: each.outcome for name, each in found.operations.items()} == {
        "a": "completed",
        "b": "failed",
        "c": "skipped",
    }


def test_a_later_attempt_completes_what_an_earlier_one_began() -> None:
    """Each operation is told as it was tried last; taking back begins anew."""
    broken = OperationFailed(migration_id="m", attempt=1, operation="b", error="OSError: disk")
    twice = (started(), done("a"), broken, failed(), started(2), done("b", 2), completed(2))
    back = (started(3, purpose="rollback"), undone(3))

    assert {name: each.attempt for name, each in state(*twice).operations.items()} == {
        "a": 1,
        "b": 2,
    }
    assert [each.number for each in state(*twice).standing] == [1, 2]
    assert state(*twice, *back).operations == {}
    assert [each.number for each in state(*twice, *back, started(4)).standing] == [4]


def test_the_order_of_rows_does_not_matter() -> None:
    """Clocks of machines differ; attempts are counted."""
    events = (started(), done("a"), failed(), started(2), completed(2))

    assert state(*events).status == state(*reversed(events)).status == "completed"


def test_a_stamp_counts_as_applied() -> None:
    """It is an attempt by itself, with the hash of what was stamped."""
    stamp = MigrationStamped(migration_id="m", attempt=1, content_hash="hash", holder=ANNA)

    found = state(stamp)

    assert (found.status, found.is_applied, found.content_hash) == ("stamped", True, "hash")


def test_other_events_are_passed_over_and_broken_ones_told() -> None:
    """A lake has events of other kinds; one of ours that can't be read is an error."""
    other = system.event_row("graph_pushed", now=NOON, details={"case": "new"})
    broken = system.event_row("migration_started", now=NOON, details={"attempt": "one"})

    assert migration_states(other, now=NOON, is_gone=lambda _: False) == {}
    with pytest.raises(MigrationError, match="can't be read"):
        migration_states(broken, now=NOON, is_gone=lambda _: False)


def test_facts_of_later_versions_are_passed_over() -> None:
    """An event may have more facts than are known here."""
    known = started().model_dump(mode="json") | {"weather": "fair"}
    row = system.event_row("migration_started", now=NOON, details=known)

    assert migration_states(row, now=NOON, is_gone=lambda _: False)["m"].status == "running"
