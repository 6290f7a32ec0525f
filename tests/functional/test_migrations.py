"""Migrations are applied, go on after failures, say what has changed, and are taken back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from films import stored, update, videos
from memory_store import MemoryStore
from metaxy.errors import MigrationConflictError, MigrationError
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.migrations import (
    BaseOperation,
    CustomMigration,
    DataVersionReconciliation,
    FullGraphMigration,
    MetadataBackfill,
    MigrationResult,
)
from metaxy.migrations.api import (
    apply_migration,
    explain_migration,
    migration_status,
    rollback_migration,
    stamp_migration,
)
from metaxy.migrations.claims import read_state
from metaxy.migrations.progress import MigrationProgress
from metaxy.models.keys import FeatureKey
from support.refactoring import (
    MIGRATED,
    MIGRATION_ID,
    contents,
    fill,
    migration,
    narrow,
    reconciliations,
    to_compute,
    wide,
)
from support.s3_servers import S3Server

RUN = f"migration:{MIGRATION_ID}"
STALE = {"transcript": ["v0"], "faces": ["v0"], "summary": [], "crops": []}
"""What is to be computed before, by the old definitions, and after, by the new ones."""


@pytest.fixture(params=["local", "moto"])
def place(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> dict[str, Any]:
    """Where a lake is, and how to reach it."""
    if request.param == "local":
        return {"root_path": tmp_path / "lake"}
    server: S3Server = request.getfixturevalue("moto")
    return {
        "root_path": server.owner.uri(prefix),
        "storage_options": server.owner.storage_options(),
    }


@pytest.fixture
def old(tmp_path: Path) -> DeltaMetadataStore:
    """A lake by the old definitions, filled and pushed."""
    store = DeltaMetadataStore(tmp_path / "lake", graph=wide())
    with store.open("write"):
        fill(store)
    return store


@pytest.fixture
def store(old: DeltaMetadataStore) -> DeltaMetadataStore:
    """The same lake for code with the new definitions."""
    return DeltaMetadataStore(old.root_path, graph=narrow())


class Broken(BaseOperation):
    """Fails, or writes a record, as a switch says."""

    switch: str

    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Do either."""
        del from_snapshot_version, to_snapshot_version
        if dry_run:
            return 1
        if Path(self.switch).exists():
            raise OSError("the disk is full")
        return store.write_metadata("video", videos(("extra", "1", "1"))).rows


def test_records_in_sync_stay_in_sync_and_no_others(place: dict[str, Any]) -> None:
    """From a dry run to a rollback, on a local lake and on S3; each step is told as it is."""
    with DeltaMetadataStore(graph=wide(), **place).open("write") as before:
        fill(before)
        assert to_compute(before) == STALE
    steps: list[MigrationProgress] = []
    with DeltaMetadataStore(graph=narrow(), **place).open("write") as store:
        step = migration(store)
        untouched = contents(store), store.tags().height, store.read_events().height

        planned = apply_migration(store, step, dry_run=True)

        assert (planned.status, planned.rows_affected) == ("planned", 24)
        assert [each.out_of_date for each in planned.operations] == [1, 0, 1, 0]
        assert untouched == (contents(store), store.tags().height, store.read_events().height)

        done = apply_migration(store, step, parallel=2, on_progress=steps.append)

        assert (done.status, done.rows_affected, done.errors) == ("completed", 24, {})
        assert [each.rows for each in done.operations] == [each.rows for each in planned.operations]
        assert to_compute(store) == STALE
        assert stored(store, "crops", "metaxy_materialization_id") == [RUN] * 6
        assert store.tags()["name"].to_list() == [f"migration/{MIGRATION_ID}/1"]
        assert apply_migration(store, step).status == "skipped"

        back = rollback_migration(store, step)

        assert back.summary().startswith(f"{MIGRATION_ID}: rolled back, 24 records ended, as")
        assert stored(store, "crops", "id") == []
        assert rollback_migration(store, step).status == "skipped"
        assert apply_migration(store, step).rows_affected == 24
        assert to_compute(store) == STALE
    assert [(each.phase, each.done, each.total) for each in steps if each.phase != "running"] == [
        ("planning", 0, 0),
        *(("completed", number, 4) for number in (1, 2, 3, 4)),
    ]


def test_what_failed_keeps_back_its_dependents_and_is_taken_up_again(
    store: DeltaMetadataStore, tmp_path: Path
) -> None:
    """The others are done at once; the second attempt does the rest, and nothing twice."""
    switch = tmp_path / "full"
    switch.touch()
    broken = Broken(
        feature_key=FeatureKey("faces"), id="broken", switch=str(switch), reason="For a test."
    )
    with store.open("write"):
        step = migration(store, ops=[broken, *reconciliations()])
        first = apply_migration(store, step)
        state = read_state(store, MIGRATION_ID)

        assert first.status == "partial"
        assert first.errors == {"faces": "OSError: the disk is full"}
        assert {each.operation: each.status for each in first.operations} == {
            "broken": "failed",
            "reconcile_faces": "skipped",
            "reconcile_crops": "skipped",
            "reconcile_transcript": "completed",
            "reconcile_summary": "completed",
        }
        assert state.status == "partial"
        assert state.blocking == {"faces": "OSError: the disk is full", "crops": "waits for faces"}

        switch.unlink()
        second = apply_migration(store, step)
        again = apply_migration(store, step, rerun=True)

    assert (second.status, second.rows_affected) == ("completed", 13)
    assert [each.status for each in second.operations if each.operation == "broken"] == [
        "completed"
    ]
    assert (again.status, again.rows_affected) == ("completed", 1)


def test_what_a_user_operation_wrote_is_not_written_again(
    store: DeltaMetadataStore, tmp_path: Path
) -> None:
    """An operation that is done is passed over when the migration goes on; they have the run."""
    switch = tmp_path / "full"
    writes = Broken(
        feature_key=FeatureKey("transcript"), id="writes", switch=str(switch), reason="For a test."
    )
    fails = Broken(
        feature_key=FeatureKey("faces"), id="fails", switch=str(tmp_path), reason="For a test."
    )
    with store.open("write"):
        step = migration(store, ops=[writes, fails])
        first, second = apply_migration(store, step), apply_migration(store, step)
        history = stored(store, "video", "id", "metaxy_materialization_id", latest_only=False)

    assert (first.status, second.status) == ("partial", "failed")
    assert {each.operation: each.status for each in second.operations} == {
        "writes": "skipped",
        "fails": "failed",
    }
    assert [each for each in history if each[0] == "extra"] == [("extra", RUN)]


def test_what_others_have_written_meanwhile_is_said_or_refused(
    old: DeltaMetadataStore, store: DeltaMetadataStore, tmp_path: Path
) -> None:
    """Going on after a failure plans anew, and says so; locked it doesn't go on."""
    switch = tmp_path / "full"
    switch.touch()
    broken = Broken(
        feature_key=FeatureKey("faces"), id="broken", switch=str(switch), reason="For a test."
    )
    with store.open("write"):
        step = migration(store, ops=[broken, *reconciliations()])
        apply_migration(store, step)
    with old.open("write"):
        update(old, "faces")
    switch.unlink()
    with store.open("write"):
        events = store.read_events().height
        locked = apply_migration(store, step, locked=True)
        events_then = store.read_events().height
        done = apply_migration(store, step)

        assert locked.status == "refused"
        assert locked.errors[""].startswith("Others have written 'faces' since attempt 1")
        assert events_then == events
        assert done.status == "completed"
        assert [note for note in done.notes if "'faces'" in note]
        assert to_compute(store) == {
            "transcript": ["extra", "v0"],
            "faces": ["extra"],
            "summary": [],
            "crops": ["v0"],
        }


def test_a_write_between_the_plan_and_the_append_is_carried_too(
    old: DeltaMetadataStore, store: DeltaMetadataStore
) -> None:
    """The notes say that it is other than was planned; locked the operation fails."""

    def write(step: MigrationProgress) -> None:
        if step.phase == "running" and step.operation == "reconcile_faces":
            with old.open("write"):
                old.delete_metadata("faces", ["id = 'v3'"])

    with store.open("write"):
        step = migration(store)
        locked = apply_migration(store, step, locked=True, on_progress=write)
        done = apply_migration(store, step)

    assert locked.status == "partial"
    assert "Others have written 'faces' since it was planned" in locked.errors["faces"]
    assert (done.status, done.rows_affected) == ("completed", 11)


def test_an_upstream_that_changes_after_the_plan_is_told_in_the_notes(
    old: DeltaMetadataStore, store: DeltaMetadataStore
) -> None:
    """As many records are carried as planned, and fewer of them are up to date."""

    def write(step: MigrationProgress) -> None:
        if step.phase == "running" and step.operation == "reconcile_faces":
            with old.open("write"):
                old.write_metadata("video", videos(("v3", "a3", "NEW")))

    with store.open("write"):
        done = apply_migration(store, migration(store), on_progress=write)

    assert done.status == "completed"
    assert [note for note in done.notes if "'faces'" in note] == [
        "Of the records of 'faces' that were up to date by the old definitions, 1 can't be by the "
        "new ones: the lake has changed since it was planned, or they are not expected now."
    ]


def test_a_change_that_may_change_results_is_refused_before_anything_is_written(
    old: DeltaMetadataStore, tmp_path: Path
) -> None:
    """Each reason is told, and there is no event; so it is with a reason that is to be written."""
    del tmp_path
    store = DeltaMetadataStore(old.root_path, graph=narrow())
    with store.open("write"):
        todo = DataVersionReconciliation(feature_key=FeatureKey("faces"), reason="TODO: why?")
        unwritten = apply_migration(store, migration(store, ops=[todo]))
        alone = DataVersionReconciliation(feature_key=FeatureKey("crops"), reason="Same results.")
        unfounded = apply_migration(store, migration(store, ops=[alone]))

        assert unwritten.status == unfounded.status == "refused"
        assert "still has to be written" in unwritten.errors[""]
        assert "made from 'faces'" in unfounded.errors["crops"]
        assert read_state(store, MIGRATION_ID).status == "pending"


def test_an_edited_migration_is_refused_after_it_was_applied(store: DeltaMetadataStore) -> None:
    """With force what was applied stands, with rerun it is done again."""
    with store.open("write"):
        step = migration(store)
        apply_migration(store, step)
        edited = migration(store, description="Something else.")

        assert apply_migration(store, edited).status == "refused"
        assert "edited after it was applied" in apply_migration(store, edited).errors[""]
        assert migration_status(store, [edited])[0].is_edited
        assert apply_migration(store, edited, force=True).status == "skipped"
        assert apply_migration(store, edited, rerun=True).status == "completed"
        assert not migration_status(store, [edited])[0].is_edited


def test_a_migration_waits_for_its_parent(store: DeltaMetadataStore) -> None:
    """A parent that is stamped counts as applied."""
    with store.open("write"):
        parent = migration(store).model_copy(update={"migration_id": "first"})
        child = migration(store, parent="first")

        waiting = apply_migration(store, child)
        assert stamp_migration(store, parent).status == "stamped"

        assert waiting.status == "refused"
        assert "comes after 'first', which is pending here" in waiting.errors[""]
        assert apply_migration(store, child).status == "completed"
        assert apply_migration(store, parent).status == "skipped"


def test_a_rollback_restores_what_was_before_and_leaves_what_others_wrote(
    store: DeltaMetadataStore,
) -> None:
    """A record that was computed since stays; it doesn't go while a later migration rests on it."""
    with store.open("write"):
        step = migration(store)
        apply_migration(store, step)
        update(store, "transcript")
        later = FullGraphMigration(
            migration_id="later",
            created_at=datetime(2026, 1, 3, tzinfo=UTC),
            parent=MIGRATION_ID,
            snapshot_version=step.to_snapshot_version,
        )
        apply_migration(store, later)
        with pytest.raises(MigrationConflictError, match="'later' came after"):
            rollback_migration(store, step)
        rollback_migration(store, later)
        back = rollback_migration(store, step)

        kept = {str(key): (each.ended, each.kept) for key, each in back.features.items()}
        assert kept["transcript"] == (5, 1)
        assert kept["faces"] == (6, 0)
        assert stored(store, "transcript", "id") == ["v0"]
        assert migration_status(store, [step])[0].status == "rolled_back"
        with pytest.raises(MigrationError, match="Did you mean 'later'"):
            rollback_migration(store, "latre")


def test_a_custom_migration_does_as_it_likes_under_the_run(store: DeltaMetadataStore) -> None:
    """What it writes is known as its own, so that it can be taken back."""

    class Extra(CustomMigration):
        migration_id: str = "extra"
        created_at: datetime = datetime(2026, 1, 2, tzinfo=UTC)

        def execute(
            self, store: MetadataStore, project: str | None, *, dry_run: bool = False
        ) -> MigrationResult:
            assert project == "films"
            rows = 1 if dry_run else store.write_metadata("video", videos(("x", "1", "1"))).rows
            return MigrationResult(
                migration_id=self.migration_id, status="completed", rows_affected=rows
            )

    with store.open("write"):
        assert apply_migration(store, Extra(), dry_run=True).status == "planned"
        assert apply_migration(store, Extra()).rows_affected == 1
        assert ("x", "migration:extra") in stored(store, "video", "id", "metaxy_materialization_id")
        assert apply_migration(store, Extra()).status == "skipped"
        back = rollback_migration(store, "extra")

        assert dict(back.features)[FeatureKey("video")].ended == 1
        assert "x" not in stored(store, "video", "id")


def test_a_backfill_of_another_project_is_written(old: DeltaMetadataStore) -> None:
    """Inside a migration writes to all projects pass."""

    class Fill(MetadataBackfill):
        """Adds a video."""

        def execute(
            self,
            store: MetadataStore,
            *,
            from_snapshot_version: str,
            to_snapshot_version: str,
            dry_run: bool = False,
        ) -> int:
            del from_snapshot_version, to_snapshot_version
            return 1 if dry_run else store.write_metadata("video", videos(("x", "1", "1"))).rows

    with old.open("write"):
        snapshot = old.read_pushes().item(0, "snapshot_version")
    step = FullGraphMigration(
        migration_id="backfill",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        project="films",
        snapshot_version=snapshot,
        ops=(Fill(feature_key=FeatureKey("video"), reason="They were forgotten."),),
    )
    others = DeltaMetadataStore(old.root_path, graph=wide(), project="theatre")

    done = apply_migration(others, step)

    assert (done.status, done.rows_affected) == ("completed", 1)


def test_a_store_without_versions_can_be_migrated(tmp_path: Path) -> None:
    """It keeps no tags, so that what was before can't be told afterwards."""
    name = str(tmp_path)
    with MemoryStore(name, graph=wide()).open("write") as before:
        fill(before)
    with MemoryStore(name, graph=narrow()).open("write") as store:
        step = migration(store)

        assert apply_migration(store, step, parallel=2).rows_affected == 24
        assert to_compute(store) == STALE
        assert apply_migration(store, step).status == "skipped"
        with pytest.raises(MigrationError, match="a MemoryStore keeps no versions"):
            rollback_migration(store, step)


def test_an_explanation_tells_why_each_feature_is_affected(store: DeltaMetadataStore) -> None:
    """By its own change, or through which fields upstream."""
    with store.open("write"):
        told = explain_migration(store, migration(store, ops=reconciliations()[:3]))

    assert [(str(each.feature), each.because) for each in told.operations] == [
        ("faces", ("field 'boxes': field parents: video.audio, video.frames -> video.frames",)),
        ("transcript", ("field 'text': field parents: video.audio, video.frames -> video.audio",)),
        ("summary", ("field 'topic' through transcript.text",)),
    ]
    assert list(map(str, told.left_out)) == ["crops"]
    assert set(MIGRATED) == {"transcript", "faces", "summary", "crops"}
