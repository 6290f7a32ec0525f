"""Who works on a migration: one at a time, for as long as a lease is renewed.

An attempt is claimed by appending its first event under an idempotency key, so that of several who
want it, one gets it. The claim spares work and confusion; that nothing is written twice rests on
how records are carried (docs/adr/0006-migrations.md), so a clock that is wrong does no harm.
"""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from metaxy.errors import MigrationConflictError, StoreError
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.identity import user_name
from metaxy.migrations.events import Holder, LeaseRenewed, MigrationEvent, MigrationStarted, record
from metaxy.migrations.states import MigrationState, migration_states

LEASE: Final = timedelta(minutes=5)
"""How long a holder of another machine that says nothing is waited for."""

_RENEWALS_PER_LEASE: Final = 3
_PROC: Final = Path("/proc")


def read_states(store: MetadataStore) -> dict[str, MigrationState]:
    """The states of all migrations that anything is recorded of in the lake, by id."""
    return migration_states(store.read_events(), now=datetime.now(UTC), is_gone=is_gone)


def read_state(store: MetadataStore, migration_id: str) -> MigrationState:
    """The state of one migration; "pending" where nothing is recorded."""
    return read_states(store).get(migration_id, MigrationState(migration_id=migration_id))


def this_holder() -> Holder:
    """This process."""
    pid = os.getpid()
    return Holder(
        user=user_name(),
        host=socket.gethostname(),
        pid=pid,
        machine=_machine(),
        process=_process(pid),
    )


def is_gone(holder: Holder) -> bool:
    """Whether a holder is known to have ended: only of processes of this machine can that be."""
    if holder.host != socket.gethostname() or holder.machine != _machine():
        return False
    if not _exists(holder.pid):
        return True
    process = _process(holder.pid)
    return None not in (process, holder.process) and process != holder.process


class Claim:
    """An attempt that this process has; its lease is renewed for the length of a block."""

    def __init__(
        self,
        store: MetadataStore,
        started: MigrationStarted,
        *,
        project: str | None,
        lease: timedelta,
    ) -> None:
        self.store = store
        self.started = started
        self.project = project
        self._lease = lease
        self._until = started.lease_until
        self._ended = threading.Event()
        self._lost = threading.Event()

    @property
    def attempt(self) -> int:
        """Its number."""
        return self.started.attempt

    def record(self, event: MigrationEvent) -> None:
        """Append an event of the attempt."""
        record(self.store, event, project=self.project)

    def set_tag(self) -> None:
        """Tag the lake as it is before anything is written."""
        if self.started.tag is not None:
            what = f"Before attempt {self.attempt} of the migration {self.started.migration_id}."
            self.store.tag(self.started.tag, what)

    def check(self) -> None:
        """Refuse to go on after somebody else has taken over.

        Raises:
            MigrationConflictError: Somebody has.
        """
        if not self._lost.is_set() and datetime.now(UTC) >= self._until:
            self._renew()  # this process was asleep
        if self._lost.is_set():
            migration_id = self.started.migration_id
            raise MigrationConflictError(
                f"Somebody else has taken over the migration '{migration_id}' from attempt "
                f"{self.attempt} of {self.started.holder}. `metaxy migrations status` tells who.",
                migration=migration_id,
            )

    @contextmanager
    def kept(self) -> Generator["Claim"]:
        """Renew the lease inside the block."""
        thread = threading.Thread(target=self._keep, name="metaxy-migration-lease", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def _keep(self) -> None:
        pause = self._lease.total_seconds() / _RENEWALS_PER_LEASE
        while not self._ended.wait(pause) and not self._lost.is_set():
            # What the lake refuses now it may take the next time; until then the lease runs on.
            with suppress(StoreError, OSError):
                self._renew()

    def _renew(self) -> None:
        own = self.started
        last = read_state(self.store, own.migration_id).last
        if last is not None and last.number > own.attempt:
            self._lost.set()
            return
        until = datetime.now(UTC) + self._lease
        renewed = LeaseRenewed(
            migration_id=own.migration_id, attempt=own.attempt, lease_until=until
        )
        self.record(renewed)
        self._until = until


def claim(
    store: MetadataStore,
    started: MigrationStarted,
    *,
    project: str | None,
    lease: timedelta = LEASE,
) -> Claim | None:
    """Claim an attempt; None where somebody else has just done so."""
    if not record(store, started, project=project, is_claim=True):
        return None
    return Claim(store, started, project=project, lease=lease)


def _machine() -> str | None:
    """What tells one set of process numbers from another: the running system and its namespace."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _process(pid: int) -> str | None:
    """When a process was started, in ticks of its system; None where that can't be told."""
    try:
        told = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is the program's name, in brackets, and may have blanks and brackets itself.
    return told.rpartition(")")[2].split()[19]


def _exists(pid: int) -> bool:
    if os.name != "posix":
        return True  # asking there would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice."""
    try:
        told = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] == "Z"
