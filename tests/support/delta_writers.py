"""Writers that tests run in many processes at once, with Polars and deltalake alone.

They are functions of a module, and take and give plain values, so that a spawned process can have
them: a forked one would inherit the threads of delta-rs, which it refuses.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

SCHEMA: Final = pl.Schema({"batch": pl.String(), "row": pl.Int64()})
ENOUGH_RETRIES: Final = 200

_ATTEMPTS: Final = 40

Outcome = Literal["written", "already there"]


@dataclass(frozen=True)
class Place:
    """A table and how to reach it."""

    uri: str
    options: Mapping[str, str]

    def open(self) -> DeltaTable:
        """A handle on the newest version."""
        return DeltaTable(self.uri, storage_options=dict(self.options))


def in_processes(
    work: Callable[[Any], Any], arguments: Iterable[Any], *, processes: int
) -> list[Any]:
    """What `work` gives for each argument, each from one of so many processes at once."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        return list(pool.map(work, arguments))


def create(place: Place, *, schema: pl.Schema = SCHEMA, configuration: Mapping[str, str]) -> bool:
    """Create a table; tells whether this call did. By default two creators can both succeed."""
    try:
        DeltaTable.create(
            place.uri,
            schema,
            mode="error",
            configuration=dict(configuration),
            storage_options=dict(place.options),
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except (DeltaError, CommitFailedError):
        return False
    return True


def create_with_own_column(task: tuple[Place, str]) -> bool:
    """Create a table with a column that no other creator has."""
    place, column = task
    return create(place, schema=pl.Schema({column: pl.Int64()}), configuration={})


def append_batches(task: tuple[Place, list[str]]) -> int:
    """Append each batch with a handle of its own; gives how many were acknowledged."""
    place, batches = task
    for batch in batches:
        write_deltalake(
            place.uri,
            batch_of(batch, rows=1),
            mode="append",
            storage_options=dict(place.options),
            commit_properties=CommitProperties(max_commit_retries=ENOUGH_RETRIES),
        )
    return len(batches)


def append_once(task: tuple[Place, str, int]) -> Outcome:
    """Append a batch unless it is there, whatever the answers to earlier attempts were.

    A handle that has not seen a transaction id can't commit it where another commit has: looking
    and writing by one handle is one step. After any error the look tells what has happened.

    Raises:
        CommitFailedError: The last of many attempts failed; likewise `OSError`, `DeltaError`.
    """
    place, batch, rows = task
    for attempt in range(_ATTEMPTS):
        try:
            table = place.open()
            if table.transaction_version(batch) is not None:
                # An attempt before this one may be what wrote it.
                return "already there" if attempt == 0 else "written"
            write_deltalake(
                table,
                batch_of(batch, rows=rows),
                mode="append",
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(batch, 1)], max_commit_retries=ENOUGH_RETRIES
                ),
            )
        except (CommitFailedError, DeltaError, OSError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(min(0.02 * 2**attempt, 0.5))
        else:
            return "written"
    raise AssertionError


def batch_of(name: str, *, rows: int) -> pl.DataFrame:
    """A batch whose rows are numbered from 0."""
    return pl.DataFrame({"batch": [name] * rows, "row": range(rows)}, schema=SCHEMA)
