"""What the history of a table tells, without a table."""

from datetime import UTC, datetime, timedelta

import pytest

from metaxy.metadata_store.history import TableCommit, table_commit, version_at

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def commits(*seconds: float | None) -> list[TableCommit]:
    """Commits from version 0 on, so many seconds after noon; the newest first."""
    times = [None if each is None else NOON + timedelta(seconds=each) for each in seconds]
    return [TableCommit(version, at, "write") for version, at in enumerate(times)][::-1]


@pytest.mark.parametrize(
    ("seconds", "version"), [(-1, None), (0, 0), (0.5, 0), (1, 1), (2.5, 2), (99, 3)]
)
def test_a_time_means_the_newest_version_that_is_no_later(
    seconds: float, version: int | None
) -> None:
    """An instant itself is no later than itself."""
    assert version_at(commits(0, 1, 2, 3), NOON + timedelta(seconds=seconds)) == version


def test_a_version_is_as_late_as_the_latest_commit_in_it() -> None:
    """A racing writer's earlier instant, or a clock that is behind, lets nothing later through."""
    history = commits(0, 10, 5, 6, 11)

    assert version_at(history, NOON + timedelta(seconds=7)) == 0
    assert version_at(history, NOON + timedelta(seconds=10)) == 3
    assert version_at(history, NOON + timedelta(seconds=11)) == 4


def test_a_commit_without_a_time_goes_with_the_one_before_it() -> None:
    """Nothing is written down of when it was made."""
    assert version_at(commits(0, None, 2), NOON + timedelta(seconds=1)) == 1
    assert version_at([], NOON) is None


def test_a_commit_of_another_program_has_what_delta_has() -> None:
    """Its time in milliseconds, its own word for what it did, its metrics."""
    entry = {
        "version": 7,
        "timestamp": 1795262400123,
        "operation": "WRITE",
        "operationMetrics": {"numOutputRows": "12"},
        "engineInfo": "Apache-Spark/4.0",
        "userName": "ada",
    }

    assert table_commit(entry) == TableCommit(
        version=7,
        committed_at=datetime(2026, 11, 21, 12, 0, 0, 123000, tzinfo=UTC),
        operation="WRITE",
        rows=12,
        engine="Apache-Spark/4.0, ada",
    )


def test_a_commit_of_ours_speaks_for_itself() -> None:
    """Its instant is that of its rows, to the microsecond."""
    entry = {
        "version": 3,
        "timestamp": 1795262400999,
        "operation": "WRITE",
        "metaxy_operation": "delete",
        "metaxy_created_at_us": "1795262400123456",
        "metaxy_rows": "2",
        "metaxy_feature_version": "f",
        "metaxy_snapshot_version": "s",
        "metaxy_materialization_id": "run",
        "metaxy_idempotency_key": "key",
        "metaxy_writer": "metaxy 1.0, ada@engine",
        "engineInfo": "delta-rs",
    }

    assert table_commit(entry) == TableCommit(
        3,
        datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC),
        "delete",
        rows=2,
        materialization_id="run",
        feature_version="f",
        snapshot_version="s",
        idempotency_key="key",
        engine="metaxy 1.0, ada@engine",
    )
