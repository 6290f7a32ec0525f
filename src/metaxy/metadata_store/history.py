"""The commits of a table, as its history tells them.

What a commit of ours says about itself is in its metadata (`metaxy.metadata_store.commits`); of
commits by other programs there is what Delta writes down.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from metaxy.metadata_store import commits
from metaxy.metadata_store.commits import Entry
from metaxy.versioning.system_columns import INSTANT

HISTORY: Final = pl.Schema(
    {
        "version": pl.Int64(),
        "committed_at": INSTANT,
        "operation": pl.String(),
        "rows": pl.Int64(),
        "materialization_id": pl.String(),
        "feature_version": pl.String(),
        "snapshot_version": pl.String(),
        "idempotency_key": pl.String(),
        "engine": pl.String(),
    }
)
"""What `history_frame` gives."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROW_METRICS: Final = ("num_added_rows", "numOutputRows")


@dataclass(frozen=True, slots=True)
class TableCommit:
    """One commit of a table.

    Attributes:
        version: Of the table, from this commit on.
        committed_at: The instant of the rows that it wrote, where metaxy wrote it, else what Delta
            has, in milliseconds; None where nothing is written down.
        operation: Metaxy's word for it ("write", "delete", "drop", …), else Delta's.
        rows: How many rows it added, where that is written down.
        engine: Which program made it, and who, where that is written down.
    """

    version: int
    committed_at: datetime | None
    operation: str | None
    rows: int | None = None
    materialization_id: str | None = None
    feature_version: str | None = None
    snapshot_version: str | None = None
    idempotency_key: str | None = None
    engine: str | None = None


def table_commit(entry: Entry) -> TableCommit:
    """Read one entry of a Delta table's history."""
    return TableCommit(
        version=int(entry["version"]),
        committed_at=_committed_at(entry),
        operation=entry.get(commits.OPERATION) or entry.get("operation"),
        rows=_rows(entry),
        materialization_id=entry.get(commits.MATERIALIZATION_ID),
        feature_version=entry.get(commits.FEATURE_VERSION),
        snapshot_version=entry.get(commits.SNAPSHOT_VERSION),
        idempotency_key=entry.get(commits.IDEMPOTENCY_KEY),
        engine=_engine(entry),
    )


def history_frame(history: Iterable[TableCommit]) -> pl.DataFrame:
    """One row a commit, in the order given."""
    rows = [tuple(getattr(each, name) for name in HISTORY) for each in history]
    return pl.DataFrame(rows, schema=HISTORY, orient="row")


def version_at(history: Sequence[TableCommit], instant: datetime) -> int | None:
    """The newest version that has nothing later than an instant; None when each has.

    A version holds all commits before it, so it is as late as the latest of them: of two writers
    that raced, or of two machines with clocks apart, the later version may have the earlier instant
    of its own.

    Args:
        history: Newest first.
    """
    newest: int | None = None
    for commit in reversed(history):
        if commit.committed_at is not None and commit.committed_at > instant:
            break
        newest = commit.version
    return newest


def _committed_at(entry: Entry) -> datetime | None:
    own, delta = entry.get(commits.CREATED_AT), entry.get("timestamp")
    if own is not None:
        return _EPOCH + timedelta(microseconds=int(own))
    return None if delta is None else _EPOCH + timedelta(milliseconds=int(delta))


def _rows(entry: Entry) -> int | None:
    metrics: Mapping[str, Any] = entry.get("operationMetrics") or {}
    found = [entry.get(commits.ROWS), *(metrics.get(name) for name in _ROW_METRICS)]
    return next((int(each) for each in found if each is not None), None)


def _engine(entry: Entry) -> str | None:
    program = entry.get(commits.WRITER) or entry.get("engineInfo") or entry.get("clientVersion")
    people = entry.get("userName")
    told = [str(each) for each in (program, people) if each]
    return ", ".join(told) or None
