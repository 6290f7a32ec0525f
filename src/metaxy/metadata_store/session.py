"""Whether a store is open, and for what: counted, since blocks nest and threads share a store."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

AccessMode = Literal["read", "write"]


class OpenBlocks:
    """The `with` blocks in which a store is open at this moment, in all threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open = {"read": 0, "write": 0}

    @property
    def is_open(self) -> bool:
        """Whether any block is open."""
        return any(self._open.values())

    @property
    def is_writable(self) -> bool:
        """Whether a block for writing is open."""
        return self._open["write"] > 0

    @contextmanager
    def entered(
        self, mode: AccessMode, *, on_first: Callable[[], None], on_last: Callable[[], None]
    ) -> Generator[None]:
        """Count a block; set up with the first one and clear up with the last one."""
        with self._lock:
            if not self.is_open:
                on_first()
            self._open[mode] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[mode] -= 1
                if not self.is_open:
                    on_last()
