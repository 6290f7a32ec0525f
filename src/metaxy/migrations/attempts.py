"""An attempt at a migration: how it begins, and how it ends when it ends badly."""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from metaxy.errors import MetaxyError, StoreError
from metaxy.hashing import digest
from metaxy.metadata_store import system
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.claims import Claim, this_holder
from metaxy.migrations.events import MigrationFailed, MigrationStarted
from metaxy.migrations.models import Migration
from metaxy.migrations.planning import MigrationPlan
from metaxy.migrations.states import MigrationState

_TAG_LENGTH: Final = 100
_DIGITS: Final = 12


def started(
    store: MetadataStore,
    migration: Migration,
    plan: MigrationPlan,
    *,
    attempt: int,
    lease: timedelta,
) -> MigrationStarted:
    """The first event of an attempt at a migration."""
    return MigrationStarted(
        migration_id=migration.migration_id,
        attempt=attempt,
        content_hash=migration.content_hash,
        run=plan.run,
        holder=this_holder(),
        lease_until=datetime.now(UTC) + lease,
        tag=tag_name(migration.migration_id, attempt) if _keeps_versions(store) else None,
        parent=migration.parent,
        from_snapshot_version=plan.from_snapshot_version,
        to_snapshot_version=plan.to_snapshot_version,
        table_versions=plan.table_versions,
    )


def next_attempt(state: MigrationState | None) -> int:
    """The number of what is begun next."""
    return 1 if state is None or state.last is None else state.last.number + 1


def tag_name(migration_id: str, attempt: int) -> str:
    """The tag that is set before an attempt writes anything; tags have names of limited length."""
    name = f"migration/{migration_id}/{attempt}"
    if len(name) <= _TAG_LENGTH:
        return name
    short = digest("metaxy/migration-tag/1", migration_id)[:_DIGITS]
    kept = _TAG_LENGTH - len(f"migration/-{short}/{attempt}")
    return f"migration/{migration_id[:kept]}-{short}/{attempt}"


@contextmanager
def on_record(claimed: Claim) -> Generator[None]:
    """Put on record what ends the block before its time, Ctrl-C included."""
    began = time.monotonic()
    try:
        yield
    except BaseException as error:
        failed = MigrationFailed(
            migration_id=claimed.started.migration_id,
            attempt=claimed.attempt,
            content_hash=claimed.started.content_hash,
            errors={"": told(error)},
            duration_seconds=time.monotonic() - began,
        )
        # What ended the block may keep this from being written, too; it is told in any case.
        with suppress(MetaxyError, OSError):
            claimed.record(failed)
        raise


def told(error: BaseException) -> str:
    """An error in a line, as events and results have it."""
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted."
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _keeps_versions(store: MetadataStore) -> bool:
    try:
        store.table_version(system.EVENTS_KEY)
    except StoreError:
        return False
    return True
