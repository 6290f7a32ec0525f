"""What a commit says about itself, and what can be told from it.

Every commit of ours carries these facts as custom commit metadata, so that they can be read from the
Delta log alone: which instant its rows have, how many there are, and of which feature version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CREATED_AT: Final = "metaxy_created_at_us"
OPERATION: Final = "metaxy_operation"
ROWS: Final = "metaxy_rows"
FEATURE_VERSION: Final = "metaxy_feature_version"
SNAPSHOT_VERSION: Final = "metaxy_snapshot_version"
MATERIALIZATION_ID: Final = "metaxy_materialization_id"
IDEMPOTENCY_KEY: Final = "metaxy_idempotency_key"

_MOVES_NO_ROWS: Final = frozenset(
    {"CREATE TABLE", "OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES"}
)

Entry = Mapping[str, Any]
"""One entry of a Delta table's history, as delta-rs gives it."""


@dataclass(frozen=True, slots=True)
class CommitNote:
    """The facts of one commit besides its instant.

    Attributes:
        operation: "write", "delete", "drop" or the name of a maintenance operation.
        rows: How many rows it adds, when that is known before it is written.
        feature_version: The one feature version of all its rows, as stamped; None for system tables.
    """

    operation: str
    rows: int | None = None
    feature_version: str | None = None
    snapshot_version: str | None = None
    materialization_id: str | None = None
    idempotency_key: str | None = None

    def metadata(self, *, instant_us: int) -> dict[str, str]:
        """The custom metadata of a commit whose rows have this instant (µs since 1970, UTC)."""
        facts = {
            CREATED_AT: instant_us,
            OPERATION: self.operation,
            ROWS: self.rows,
            FEATURE_VERSION: self.feature_version,
            SNAPSHOT_VERSION: self.snapshot_version,
            MATERIALIZATION_ID: self.materialization_id,
            IDEMPOTENCY_KEY: self.idempotency_key,
        }
        return {name: str(value) for name, value in facts.items() if value is not None}


def newest_instant_us(history: Iterable[Entry]) -> int | None:
    """The instant that the newest commit of ours has; None when none of them is ours."""
    return next((int(entry[CREATED_AT]) for entry in history if CREATED_AT in entry), None)


def instants_us(history: Sequence[Entry], *, feature_version: str) -> tuple[int, ...] | None:
    """The instant of every commit with rows of a feature version; None when that can't be told.

    It can be told when the whole history is known and every commit in it is ours or moves no rows,
    and no two commits share an instant.
    """
    if not history or min(entry["version"] for entry in history) > 0:
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
