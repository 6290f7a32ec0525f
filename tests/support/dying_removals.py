"""Removals in processes of their own, which are killed at a step or a moment.

Functions of a module that take and give plain values, for processes that are started afresh.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from metaxy.metadata_store import maintenance, tables
from metaxy.metadata_store.maintenance import MaintainedTables
from metaxy.metadata_store.table_files import TableFiles
from support.removals import REMOVALS
from support.store_writers import PRELOADED, LakePlace

LONGEST_S: Final = 60.0
STEPS: Final[tuple[tuple[Any, str], ...]] = (
    (maintenance, "write_deltalake"),
    (tables, "write_deltalake"),
    (MaintainedTables, "_make_append_only"),
    (MaintainedTables, "checkpoint"),
    (TableFiles, "overwrite"),
    (TableFiles, "remove"),
)
"""What changes something on the disk, but for what delta-rs does by itself in a vacuum."""


def _remove(pipe: Connection, place: LakePlace, removal: str, dies_before: int | None) -> None:
    steps = count(1)

    def dying(step: Callable[..., Any]) -> Callable[..., Any]:
        def die_or_go_on(*arguments: Any, **options: Any) -> Any:
            if next(steps) == dies_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        return die_or_go_on

    for owner, name in STEPS:
        setattr(owner, name, dying(getattr(owner, name)))
    with place.store().open("write") as store:
        pipe.send("begun")
        REMOVALS[removal](store)
        pipe.send("done")


@contextmanager
def started_removal(
    place: LakePlace, removal: str, *, dies_before: int | None = None
) -> Generator["Removal"]:
    """A process that has begun a removal; it is killed at the end of the block at the latest.

    Args:
        dies_before: It kills itself before this step of `STEPS`, counted from 1.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, "support.dying_removals"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_remove, args=(theirs, place, removal, dies_before))
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "begun"
        yield Removal(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()


@dataclass(frozen=True)
class Removal:
    """A removal that is under way in a process."""

    process: BaseProcess
    pipe: Any  # of a type that differs between systems

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()

    def is_done(self) -> bool:
        """Whether it was acknowledged; waits until its process has ended."""
        self.process.join(LONGEST_S)
        assert self.process.exitcode is not None
        try:
            return bool(self.pipe.recv() == "done")
        except EOFError:
            return False
