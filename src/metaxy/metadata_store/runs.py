"""Which run writes are stamped with, where a write names none."""

import threading
from collections.abc import Generator
from contextlib import contextmanager


class RunName:
    """The materialization id of a store, and those that threads work under for a while.

    Args:
        own: Of the store, where it has one.
    """

    def __init__(self, own: str | None) -> None:
        self.own = own
        self._local = threading.local()

    def __reduce__(self) -> tuple[type["RunName"], tuple[str | None]]:
        """Travel without what threads are at just now."""
        return RunName, (self.own,)

    @property
    def current(self) -> str | None:
        """What a write of this thread is stamped with."""
        names = self._names
        return names[-1] if names else self.own

    @contextmanager
    def used(self, name: str) -> Generator[None]:
        """Stamp what this thread writes inside the block."""
        self._names.append(name)
        try:
            yield
        finally:
            self._names.pop()

    @property
    def _names(self) -> list[str]:
        names: list[str] = self._local.__dict__.setdefault("names", [])
        return names
