"""What a migration says, without a lake."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError, field_validator

from metaxy.errors import MigrationError, MigrationFileError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import (
    BaseOperation,
    CustomMigration,
    DataVersionReconciliation,
    DiffMigration,
    FullGraphMigration,
    MigrationResult,
    OperationResult,
    PythonMigration,
)
from metaxy.migrations.models import built_operations
from metaxy.migrations.readiness import unready_reasons
from metaxy.models.keys import FeatureKey

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Dynamic(PythonMigration):
    """Two kinds of operations."""

    migration_id: str = "20260131_120000_dynamic"
    created_at: datetime = NOON
    from_snapshot_version: str = "a" * 8
    to_snapshot_version: str = "b" * 8
    is_verbose: bool = False
    reasons: tuple[str, ...] = ("", "TODO later")

    def build_operations(self) -> Sequence[BaseOperation | dict[str, Any]]:
        """One of each form."""
        return [
            DataVersionReconciliation(id="one", reason=self.reasons[0]),
            {"type": "DataVersionReconciliation", "id": "two", "reason": self.reasons[1]},
        ]


class Import(CustomMigration):
    """From a database."""

    migration_id: str = "20260131_120000_import"
    created_at: datetime = NOON
    url: str

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not value.startswith("https://"):
            raise ValueError(f"URL must be HTTPS, got: {value}")
        return value

    def execute(
        self, store: MetadataStore, project: str | None, *, dry_run: bool = False
    ) -> MigrationResult:
        """Nothing."""
        del store, project, dry_run
        return MigrationResult(migration_id=self.migration_id, status="completed")


def diff(*reasons: str, **values: Any) -> DiffMigration:
    """A migration with an operation for each reason."""
    given = {
        "migration_id": "20260131_120000_x",
        "created_at": NOON,
        "from_snapshot_version": "a" * 8,
        "to_snapshot_version": "b" * 8,
        "ops": [
            {"type": "DataVersionReconciliation", "id": f"op{number}", "reason": reason}
            for number, reason in enumerate(reasons, start=1)
        ],
    }
    return DiffMigration.model_validate(given | values)


def test_operations_are_built_from_both_forms() -> None:
    """Operations, and what files say of them."""
    built = built_operations(Dynamic())

    assert [each.id for each in built] == ["one", "two"]
    assert all(isinstance(each, DataVersionReconciliation) for each in built)


def test_what_is_built_and_no_operation_is_told() -> None:
    """With the migration's id."""

    class Wrong(Dynamic):
        """Builds nonsense."""

        def build_operations(self) -> Sequence[BaseOperation | dict[str, Any]]:
            """One with a key that there is not."""
            return [{"type": "DataVersionReconciliation", "reson": "x"}]

    with pytest.raises(MigrationError) as caught:
        built_operations(Wrong())

    assert str(caught.value) == (
        "The operations of '20260131_120000_dynamic' are not valid: operation 1: there is no key "
        "'reson'. Did you mean 'reason'?"
    )


def test_migrations_have_fields_and_validators_of_their_own() -> None:
    """As any model of pydantic."""
    assert Import(url="https://x").url == "https://x"
    with pytest.raises(ValidationError, match="URL must be HTTPS, got: ftp"):
        Import(url="ftp://x")
    with pytest.raises(ValidationError, match="ulr"):
        Import.model_validate({"url": "https://x", "ulr": "y"})


def test_abstract_migrations_cannot_be_made() -> None:
    """What they do is missing."""
    with pytest.raises(TypeError, match="build_operations"):
        PythonMigration(  # pyright: ignore[reportAbstractUsage]
            migration_id="a", created_at=NOON, from_snapshot_version="a", to_snapshot_version="b"
        )
    with pytest.raises(TypeError, match="execute"):
        CustomMigration(migration_id="a", created_at=NOON)  # pyright: ignore[reportAbstractUsage]


@pytest.mark.parametrize("name", ["", "a/b", "a b", "é"])
def test_an_id_is_plain(name: str) -> None:
    """It is part of a tag and of the run's name."""
    with pytest.raises(ValidationError, match="an id has letters, digits, '_' and '-'"):
        diff(migration_id=name)


def test_a_time_has_a_zone_and_is_kept_in_utc() -> None:
    """One without is refused."""
    eastern = datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2)))

    assert diff(created_at=eastern).created_at == NOON
    assert diff(created_at=eastern).to_data()["created_at"] == "2026-01-31T12:00:00Z"
    with pytest.raises(ValidationError, match="has no time zone"):
        diff(created_at="2026-01-31T12:00:00")


def test_code_is_no_yaml() -> None:
    """What Python code does can't be written as data."""
    for migration in (Dynamic(), Import(url="https://x")):
        with pytest.raises(MigrationFileError, match=r"no YAML file can hold: keep it as a Python"):
            migration.to_yaml()


def test_one_snapshot_has_nothing_to_reconcile() -> None:
    """The message names the keys to use."""
    with pytest.raises(ValidationError, match=r"'reconcile' reconciles two snapshots, and here"):
        FullGraphMigration(
            migration_id="a",
            created_at=NOON,
            snapshot_version="a",
            ops=(DataVersionReconciliation(),),
        )


def test_the_content_hash_is_pinned() -> None:
    """It is recorded in lakes: another one would say that every file was edited."""
    assert diff("Same results").content_hash == PINNED
    assert diff("Same results").content_hash != diff("Other reason").content_hash
    assert diff("Same results", parent="before").content_hash != PINNED


PINNED = "5bc3e3e532af1074ceff6cf61d7aa093fb9683667c3adbfa46b369fccd49479c"


def test_what_an_operation_of_your_own_says_is_content() -> None:
    """Its own fields count in the hash, and are written."""

    class FromBucket(BaseOperation):
        """From a bucket."""

        bucket: str

        def execute(self, store: MetadataStore, **options: Any) -> int:
            """Nothing is written."""
            del store, options
            return 0

    one, two = (
        diff(ops=(FromBucket(feature_key=FeatureKey("a"), bucket=each),))
        for each in ("raw", "cooked")
    )

    assert one.content_hash != two.content_hash
    assert "bucket: raw" in one.to_yaml()


def test_reasons_in_files_are_needed() -> None:
    """Empty ones, and those that begin with TODO in any case, are told."""
    migration = diff("Proved", "", " todo: why", "TODO")

    assert unready_reasons(migration) == (
        "The reason of 'op2' is empty. Say why the results are the same, or take the operation "
        "out, so that the records are computed again.",
        "The reason of 'op3' still has to be written: 'todo: why'. Say why the results are the "
        "same, or take the operation out, so that the records are computed again.",
        "The reason of 'op4' still has to be written: 'TODO'. Say why the results are the same, "
        "or take the operation out, so that the records are computed again.",
    )


def test_reasons_in_code_may_be_left_out() -> None:
    """But not begun and left."""
    assert [each[:22] for each in unready_reasons(Dynamic())] == ["The reason of 'two' st"]
    assert unready_reasons(Dynamic(reasons=("", "why"))) == ()
    assert unready_reasons(Import(url="https://x")) == ()


def test_a_result_tells_all_in_a_few_lines() -> None:
    """Operation by operation, and errors once."""
    result = MigrationResult(
        migration_id="m",
        status="partial",
        affected_features=(FeatureKey("a"), FeatureKey("b/c")),
        rows_affected=1,
        errors={"a": "lost", "": "the lake is gone"},
        duration_seconds=1.25,
        operations=(
            OperationResult(
                operation="one",
                feature_key=FeatureKey("a"),
                status="completed",
                rows=1,
                out_of_date=2,
                orphaned=3,
                already=4,
            ),
            OperationResult(
                operation="two",
                feature_key=FeatureKey("b/c"),
                status="skipped",
                blocked_by=(FeatureKey("a"),),
            ),
            OperationResult(
                operation="three", feature_key=FeatureKey("a"), status="failed", error="lost"
            ),
        ),
    )

    assert result.summary().splitlines() == [
        "m: partial, 2 features, 1 row written in 1.2 s",
        "  one (a): completed, 1 row, 2 out of date, 3 without upstream record, 4 there already",
        "  two (b/c): skipped, 0 rows, waits for a",
        "  three (a): failed, 0 rows",
        "    lost",
        "  the lake is gone",
    ]
