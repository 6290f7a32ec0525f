"""The names under which a store object commits, and who it is that does."""

import functools
import getpass
import os
import socket
import threading
import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple


class TransactionName(NamedTuple):
    """A Delta application transaction: only the last version of each application is kept."""

    app_id: str
    version: int


class WriterIdentity:
    """Names the transactions of one store object: one application a thread, counting up.

    An application a thread keeps the log short. A process that was forked off has its own, or its
    commits would be taken for those of its parent.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def next_transaction(self) -> TransactionName:
        """A name that nobody has used."""
        own = self._local
        if getattr(own, "process", None) != os.getpid():
            own.process = os.getpid()
            own.app_id = f"metaxy/writer/{uuid.uuid4().hex}"
            own.count = 0
        own.count += 1
        return TransactionName(own.app_id, own.count)


def keyed_transaction(idempotency_key: str) -> TransactionName:
    """The name of a write that is to happen once, whoever does it."""
    return TransactionName(f"metaxy/key/{idempotency_key}", 1)


@functools.cache
def writer_name() -> str:
    """Which program commits and who runs it, for people: `metaxy 1.2.0, somebody@machine`."""
    try:
        program = f"metaxy {version('metaxy-lake')}"
    except PackageNotFoundError:
        program = "metaxy"
    return f"{program}, {user_name()}@{socket.gethostname()}"


def user_name() -> str:
    """Who runs this process, for people."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
