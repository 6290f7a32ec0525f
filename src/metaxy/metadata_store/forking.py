"""Processes that are forked off after metaxy has worked: told, before they would hang.

delta-rs and Polars work in threads of their own, which a forked process doesn't have: delta-rs
panics there, and Polars waits for ever. A process that was forked before all work is fine.
"""

import os
from typing import Final

from metaxy.errors import StoreError


class _Work:
    """Whether this process has worked, or was forked off one that had."""

    def __init__(self) -> None:
        self.has_begun = False
        self.began_before_fork = False

    def forked(self) -> None:
        self.began_before_fork = self.has_begun


_WORK: Final = _Work()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WORK.forked)


def begin_work() -> None:
    """Say that delta-rs or Polars are about to work in this process.

    Raises:
        StoreError: They can't: the process was forked off one in which they have worked.
    """
    if _WORK.began_before_fork:
        raise StoreError(
            "This process was forked off one that had used a store. The threads that delta-rs and "
            "Polars work in don't exist here, and they would hang. Start processes afresh, with "
            "multiprocessing.get_context('spawn') or 'forkserver': as mp_context= of a "
            "ProcessPoolExecutor, as multiprocessing_context= of a DataLoader."
        )
    _WORK.has_begun = True
