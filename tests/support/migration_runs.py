"""Runs of a migration in processes of their own, which may be killed at a step or a moment.

Functions of a module that take and give plain values, for processes that are started afresh.
"""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.migrations import DiffMigration, apply_migration, rollback_migration
from support.refactoring import narrow

_PRELOADED = ["support.migration_runs", "metaxy.metadata_store.delta"]


class DyingStore(DeltaMetadataStore):
    """Kills its process instead of making the n-th commit; None: makes them all.

    Between two commits nothing on disk changes, so these are all the steps that there are.
    """

    dies_before: int | None = None
    commits: int = 0

    def write_metadata_to_store(self, *args: Any, **kwargs: Any) -> Any:
        """Append rows, or die."""
        self._step()
        return super().write_metadata_to_store(*args, **kwargs)

    def append_worked_out(self, *args: Any, **kwargs: Any) -> Any:
        """Append rows, or die."""
        self._step()
        return super().append_worked_out(*args, **kwargs)

    def _step(self) -> None:
        self.commits += 1
        if self.commits == self.dies_before:
            os.kill(os.getpid(), signal.SIGKILL)


def run(
    root: Path,
    step: DiffMigration,
    *,
    is_rollback: bool = False,
    dies_before: int | None = None,
    parallel: int = 1,
) -> int:
    """Apply a migration, or take it back; gives how many commits that took."""
    store = DyingStore(root, graph=narrow())
    store.dies_before = dies_before
    with store.open("write"):
        if is_rollback:
            rollback_migration(store, step)
        else:
            assert apply_migration(store, step, parallel=parallel).status in {
                "completed",
                "skipped",
            }
    return store.commits


def _reported_run(pipe: Connection, arguments: dict[str, Any]) -> None:
    pipe.send("begun")
    run(**arguments)


def killed_run(*, after_s: float | None = None, **arguments: Any) -> bool:
    """Let a process do `run`; whether it was killed.

    Args:
        after_s: How long it lives once it has begun; None: until it ends or kills itself.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_reported_run, args=(theirs, arguments))
    process.start()
    try:
        theirs.close()
        assert ours.recv() == "begun"
        if after_s is not None:
            time.sleep(after_s)
            process.kill()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
        return process.exitcode != 0
    finally:
        process.kill()
        process.join()
        ours.close()


def apply_at_once(
    gate: Any, root: str, options: dict[str, str], step: DiffMigration
) -> tuple[str, int, str]:
    """Apply a migration when others do, too: the status, the rows, and what was said."""
    store = DeltaMetadataStore(root, graph=narrow(), storage_options=options)
    with store.open("write"):
        gate.wait()
        result = apply_migration(store, step)
    return result.status, result.rows_affected, result.errors.get("", "")
