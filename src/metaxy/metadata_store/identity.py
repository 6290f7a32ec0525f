"""The names under which a store object commits, so that its commits can be recognised."""

import os
import threading
import uuid
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
