"""What a commit says about itself, and what can be told from it.

Every commit of ours carries these facts as custom commit metadata, so that they can be read from
the Delta log alone: which instant its rows have, how many there are, of which feature version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metaxy.metadata_store.identity import writer_name

CREATED_AT: Final = "metaxy_created_at_us"
OPERATION: Final = "metaxy_operation"
ROWS: Final = "metaxy_rows"
FEATURE_VERSION: Final = "metaxy_feature_version"
SNAPSHOT_VERSION: Final = "metaxy_snapshot_version"
MATERIALIZATION_ID: Final = "metaxy_materialization_id"
IDEMPOTENCY_KEY: Final = "metaxy_idempotency_key"
WRITE_ID: Final = "metaxy_write_id"
WRITER: Final = "metaxy_writer"

_CREATION: Final = "CREATE TABLE"
_MOVES_NO_ROWS: Final = frozenset(
    {
        *(_CREATION, "OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES"),
        *("ADD COLUMN", "UPDATE TABLE METADATA", "UPDATE FIELD METADATA"),
    }
)

Entry = Mapping[str, Any]
"""One entry of a Delta table's history, as delta-rs gives it."""


@dataclass(frozen=True, slots=True)
class CommitNote:
    """The facts of one commit besides its instant.

    Attributes:
        operation: "write", "delete", "drop", "copy" or the name of a maintenance operation.
        rows: How many rows it adds, when that is known before it is written.
        feature_version: The one that all its rows have, as stamped; None for system tables.
    """

    operation: str
    rows: int | None = None
    feature_version: str | None = None
    snapshot_version: str | None = None
    materialization_id: str | None = None
    idempotency_key: str | None = None

    def metadata(self, *, instant_us: int | None, write_id: str) -> dict[str, str]:
        """The custom metadata of a commit.

        Args:
            instant_us: The instant of its rows, in microseconds since 1970, UTC; None when they
                have several, as copied rows do.
            write_id: Tells whose commit it is when the answer to it was lost.
        """
        facts = {
            CREATED_AT: instant_us,
            OPERATION: self.operation,
            ROWS: self.rows,
            FEATURE_VERSION: self.feature_version,
            SNAPSHOT_VERSION: self.snapshot_version,
            MATERIALIZATION_ID: self.materialization_id,
            IDEMPOTENCY_KEY: self.idempotency_key,
            WRITE_ID: write_id,
            WRITER: writer_name(),
        }
        return {name: str(value) for name, value in facts.items() if value is not None}


def newest_instant_us(history: Iterable[Entry]) -> int | None:
    """The latest instant that any of these commits has; None when none of them is ours."""
    return max((int(entry[CREATED_AT]) for entry in history if CREATED_AT in entry), default=None)


def is_of_write(history: Iterable[Entry], write_id: str) -> bool:
    """Whether one of these commits was made by that write."""
    return any(entry.get(WRITE_ID) == write_id for entry in history)


def instants_us(history: Sequence[Entry], *, feature_version: str) -> tuple[int, ...] | None:
    """The instant of every commit with rows of a feature version; None when that can't be told.

    It can be told when the whole history is known, back to the table's creation, every commit in it
    is ours or moves no rows, and no two commits share an instant. There may be instants too many,
    of commits that were dropped since or made after the version that is read; those have no rows.
    """
    if not any(entry.get("operation") == _CREATION for entry in history):
        return None
    found: list[int] = []
    for entry in history:
        if entry.get("operation") in _MOVES_NO_ROWS:
            continue
        if CREATED_AT not in entry:
            return None
        if entry.get(FEATURE_VERSION) == feature_version:
            found.append(int(entry[CREATED_AT]))
    return tuple(found) if len(set(found)) == len(found) else None
