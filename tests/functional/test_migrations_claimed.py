"""Who has a migration: leases, take-overs, and attempts that were cut off early."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from films import stored
from metaxy.errors import MigrationConflictError, MigrationError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.migrations import (
    DiffMigration,
    FullGraphMigration,
    MigrationExecutor,
    MigrationProgress,
    apply_migration,
    apply_migrations_from_directory,
    migration_status,
    rollback_migration,
    stamp_migration,
)
from metaxy.migrations.claims import is_gone, read_state, this_holder
from metaxy.migrations.events import Holder, LeaseRenewed, MigrationStarted, record
from support.refactoring import MIGRATION_ID, contents, fill, migration, narrow, to_compute, wide

SHORT = timedelta(milliseconds=60)
FAR = Holder(user="anna", host="another machine", pid=1)


@pytest.fixture
def store(tmp_path: Path) -> DeltaMetadataStore:
    """A lake that is to be migrated."""
    with DeltaMetadataStore(tmp_path / "lake", graph=wide()).open("write") as store:
        fill(store, count=2)
    return DeltaMetadataStore(tmp_path / "lake", graph=narrow())


def claimed_by(
    store: DeltaMetadataStore, step: DiffMigration, holder: Holder, *, until: datetime
) -> None:
    """Let somebody begin an attempt, and say no more."""
    event = MigrationStarted(
        migration_id=step.migration_id,
        attempt=1,
        content_hash=step.content_hash,
        run="migration:m",
        holder=holder,
        lease_until=until,
    )
    assert record(store, event, project="films", is_claim=True)
    assert not record(store, event, project="films", is_claim=True)


def at_first_operation(deed: Callable[[], Any]) -> Callable[[MigrationProgress], None]:
    """Do something as the first operation begins."""
    left = [deed]

    def tell(step: MigrationProgress) -> None:
        if step.phase == "running" and left:
            left.pop()()

    return tell


def test_a_holder_elsewhere_is_waited_for_until_its_lease_ends(store: DeltaMetadataStore) -> None:
    """Nobody can look for its process; it is named, also to who stamps or takes back."""
    with store.open("write"):
        step = migration(store)
        claimed_by(store, step, FAR, until=datetime.now(UTC) + timedelta(seconds=1))
        told = apply_migration(store, step)
        for deed in (stamp_migration, rollback_migration):
            with pytest.raises(MigrationConflictError, match="anna@another machine, process 1 is"):
                deed(store, step)
        time.sleep(1)
        done = apply_migration(store, step)

    assert told.status == "refused"
    assert told.errors[""].startswith("anna@another machine, process 1 is applying")
    assert done.status == "completed"


def test_a_process_of_another_start_is_gone() -> None:
    """A number that was given again doesn't stand for the process that had it before."""
    own = this_holder()

    assert not is_gone(own)
    assert is_gone(own.model_copy(update={"process": "before"}))
    assert is_gone(own.model_copy(update={"pid": 2**22 + 1}))
    assert not is_gone(own.model_copy(update={"machine": "another"}))
    assert not is_gone(FAR)


def test_a_lease_is_renewed_while_the_run_goes_on(store: DeltaMetadataStore) -> None:
    """So that a long operation is nobody's prey."""
    found: list[str] = []

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not store.read_events().filter(kind=LeaseRenewed.kind).height:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found.append(read_state(store, MIGRATION_ID).status)

    lease = timedelta(seconds=3)
    with store.open("write"):
        executor = MigrationExecutor(store, on_progress=at_first_operation(wait), lease=lease)
        assert executor.apply(migration(store)).status == "completed"

    assert found == ["running"]


def test_a_run_that_was_succeeded_stops(store: DeltaMetadataStore) -> None:
    """It notices before its next operation; the records are those of one run."""
    with store.open("write"):
        step = migration(store)

        def take_over() -> None:
            assert apply_migration(store, step, force=True).status == "completed"
            time.sleep(0.2)

        executor = MigrationExecutor(store, on_progress=at_first_operation(take_over), lease=SHORT)
        with pytest.raises(MigrationConflictError, match="Somebody else has taken over"):
            executor.apply(step)

        assert read_state(store, MIGRATION_ID).status == "completed"
        rows = contents(store)
    assert {key: len(each) for key, each in rows.items()} == {
        "video": 3,
        "transcript": 4,
        "faces": 4,
        "summary": 4,
        "crops": 4,
    }


def full(*_: object) -> None:
    """Fail, in place of something that writes."""
    raise OSError("the disk is full")


def test_an_attempt_without_a_tag_has_written_nothing(
    store: DeltaMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the next one wrote is taken back by its own tag; without any it can't be."""
    with store.open("write"):
        step = migration(store)
        with monkeypatch.context() as patched:
            patched.setattr(store, "tag", full)
            with pytest.raises(OSError, match="the disk is full"):
                apply_migration(store, step)
        assert read_state(store, MIGRATION_ID).status == "failed"
        assert apply_migration(store, step).rows_affected == 8
        assert rollback_migration(store, step).counts.ended == 8
        assert stored(store, "crops", "id") == []

        assert apply_migration(store, step).rows_affected == 8
        store.untag(f"migration/{MIGRATION_ID}/4")
        with pytest.raises(MigrationError, match="doesn't have that any more"):
            rollback_migration(store, step)


def test_a_run_that_is_interrupted_says_so(store: DeltaMetadataStore) -> None:
    """Ctrl-C ends the attempt on record, and the next one goes on."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with store.open("write"):
        step = migration(store)
        with pytest.raises(KeyboardInterrupt):
            apply_migration(store, step, on_progress=at_first_operation(interrupt))
        state = read_state(store, MIGRATION_ID)
        assert (state.status, dict(state.blocking)) == ("failed", {"": "It was interrupted."})
        assert apply_migration(store, step).status == "completed"


def test_a_folder_is_applied_in_the_order_of_parents(
    store: DeltaMetadataStore, tmp_path: Path
) -> None:
    """A dry run takes the parent for applied; the first that can't be done ends it."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    with store.open("write"):
        step = migration(store)
        later = FullGraphMigration(
            migration_id="20260101_000000_later",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            parent=MIGRATION_ID,
            snapshot_version=step.to_snapshot_version,
        )
        step.to_yaml(folder / f"{step.migration_id}.yaml")
        later.to_yaml(folder / f"{later.migration_id}.yaml")
        stale = to_compute(store, "crops")

        planned = apply_migrations_from_directory(store, folder, dry_run=True)
        done = apply_migrations_from_directory(store, folder)
        again = apply_migrations_from_directory(store, folder)

        assert [(each.migration_id, each.status) for each in planned] == [
            (MIGRATION_ID, "planned"),
            (later.migration_id, "planned"),
        ]
        assert [each.status for each in done] == ["completed", "completed"]
        assert [each.status for each in again] == ["skipped", "skipped"]
        assert to_compute(store, "crops") == stale
        assert [each.status for each in migration_status(store, folder)] == ["completed"] * 2
        rollback_migration(store, later.migration_id)
        rollback_migration(store, step)
        passed = apply_migrations_from_directory(store, folder)
    assert [each.status for each in passed] == ["skipped", "skipped"]
    assert all("It was rolled back." in each.notes[0] for each in passed)
