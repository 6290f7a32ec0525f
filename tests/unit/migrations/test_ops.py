"""What an operation takes, and how a file means its class."""

from typing import Any, Literal

import pytest
from pydantic import ValidationError

from memory_store import MemoryStore
from metaxy.errors import MigrationError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.ops import (
    BaseOperation,
    CustomFunction,
    DataVersionReconciliation,
    FeatureVersionMigration,
    MetadataBackfill,
    as_operation,
    feature_of,
    operation_class,
)
from metaxy.models.keys import FeatureKey


class Backfill(MetadataBackfill):
    """Records from a bucket."""

    bucket: str
    min_size_mb: int = 1

    def execute(self, store: MetadataStore, **options: Any) -> int:
        """Nothing is written."""
        del store, options
        return 0


class NamedBackfill(MetadataBackfill):
    """Says by another name what it is."""

    type: Literal["films.NamedBackfill"] = "films.NamedBackfill"  # pyright: ignore[reportIncompatibleVariableOverride]

    def execute(self, store: MetadataStore, **options: Any) -> int:
        """Nothing is written."""
        del store, options
        return 0


def test_a_reconciliation_needs_nothing() -> None:
    """Type and id are filled in; without a feature it is about all that are affected."""
    operation = DataVersionReconciliation()

    assert operation.type == "metaxy.migrations.ops.DataVersionReconciliation"
    assert (operation.id, operation.feature_key, operation.reason) == ("reconcile", None, "")
    assert operation.to_data() == {
        "id": "reconcile",
        "type": "metaxy.migrations.ops.DataVersionReconciliation",
    }
    with pytest.raises(MigrationError, match=r"'reconcile' is about all affected features"):
        feature_of(operation)


def test_an_id_is_made_of_the_feature() -> None:
    """Unless one is given."""
    named = DataVersionReconciliation(feature_key=FeatureKey("speech/face-one"))

    assert named.id == "reconcile_speech_face_one"
    assert Backfill(feature_key=FeatureKey("video"), bucket="b").id == "backfill_video"
    assert Backfill(id="mine", feature_key=FeatureKey("video"), bucket="b").id == "mine"


@pytest.mark.parametrize("key", ["speech/text", ["speech", "text"], ("speech", "text")])
def test_a_feature_is_named_in_any_form(key: Any) -> None:
    """Text or parts."""
    assert DataVersionReconciliation(feature_key=key).feature_key == FeatureKey("speech/text")


def test_your_own_operation_says_what_it_takes() -> None:
    """Fields of its own are checked, unknown ones refused, and a feature is needed."""
    with pytest.raises(ValidationError) as caught:
        Backfill.model_validate({"min_size_mb": "many", "buket": "b"})

    faults = {(each["loc"], each["type"]) for each in caught.value.errors()}
    assert faults == {
        (("feature_key",), "missing"),
        (("bucket",), "missing"),
        (("min_size_mb",), "int_parsing"),
        (("buket",), "extra_forbidden"),
    }


def test_data_has_what_is_not_at_its_default() -> None:
    """The reason comes last, as people write it."""
    operation = Backfill(feature_key=FeatureKey("a/b"), bucket="raw", reason="First import")

    data = operation.to_data()
    assert list(data.items()) == [
        ("id", "backfill_a_b"),
        ("type", Backfill.type_name()),
        ("feature_key", ["a", "b"]),
        ("bucket", "raw"),
        ("reason", "First import"),
    ]
    assert as_operation(data) == operation


def test_operations_do_not_change() -> None:
    """They are values."""
    operation = DataVersionReconciliation()
    with pytest.raises(ValidationError, match="frozen"):
        operation.reason = "another"


def test_a_class_can_say_its_type() -> None:
    """A file means it by that name; by another one it can't be made."""
    assert operation_class("films.NamedBackfill") is NamedBackfill
    made = NamedBackfill(feature_key=FeatureKey("a"))
    assert made.to_data()["type"] == "films.NamedBackfill"
    with pytest.raises(ValidationError, match=r"films\.NamedBackfill"):
        NamedBackfill.model_validate({"feature_key": "a", "type": "other"})


def test_a_type_that_is_another_class_is_refused() -> None:
    """The type is the path of the class itself."""
    with pytest.raises(ValidationError, match=r"the class Backfill has the type '.*\.Backfill'"):
        Backfill.model_validate({"type": "a.B", "feature_key": "a", "bucket": "b"})


def test_a_type_is_imported_by_its_path() -> None:
    """Ours may be given by the bare name, too."""
    path = "metaxy.migrations.ops.DataVersionReconciliation"
    assert operation_class(path) is DataVersionReconciliation
    assert operation_class("DataVersionReconciliation") is DataVersionReconciliation


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "An operation is a mapping with a 'type', not 7"),
        (
            {"id": "a"},
            "An operation needs a 'type', the path of its class, such as "
            "'metaxy.migrations.ops.DataVersionReconciliation'",
        ),
        (
            {"type": "DataVersionReconcilation"},
            "'DataVersionReconcilation' is no path; give one such as "
            "'package.module.DataVersionReconcilation'. Did you mean 'DataVersionReconciliation'?",
        ),
        (
            {"type": "metaxy.migrations.ops.DataVersionReconcilation"},
            "The module 'metaxy.migrations.ops' has no 'DataVersionReconcilation'. Did you mean "
            "'DataVersionReconciliation'?",
        ),
        (
            {"type": "no_such_module.Backfill"},
            "'no_such_module.Backfill' can't be imported: ModuleNotFoundError: No module named "
            "'no_such_module'.",
        ),
        (
            {"type": "pathlib.Path"},
            "'pathlib.Path' is no subclass of metaxy.migrations.ops.BaseOperation",
        ),
    ],
)
def test_a_type_that_is_none_is_told(value: object, message: str) -> None:
    """What it is, and the nearest right name."""
    with pytest.raises(MigrationError) as caught:
        as_operation(value)

    assert str(caught.value) == message


def test_an_operation_without_execute_cannot_be_made() -> None:
    """It would do nothing."""

    class Idle(BaseOperation):
        """Forgets to do anything."""

    with pytest.raises(TypeError, match="abstract method"):
        Idle(feature_key=FeatureKey("a"))  # pyright: ignore[reportAbstractUsage]


def test_the_older_operation_stands_for_a_reconciliation() -> None:
    """With its id and reason."""
    older = FeatureVersionMigration(
        feature_key=FeatureKey("a"),
        from_feature_version="abc12345",
        to_feature_version="def67890",
        reason="Same results",
    )

    assert older.id == "feature_version_migration_a"
    assert older.as_reconciliation() == DataVersionReconciliation(
        id="feature_version_migration_a", feature_key=FeatureKey("a"), reason="Same results"
    )


def test_a_function_that_is_none_is_told() -> None:
    """Also in a dry run, which calls nothing."""
    operations = [
        CustomFunction(feature_key=FeatureKey("a"), python_function=path)
        for path in ("os.path.joined", "os.sep", "nowhere.at_all")
    ]
    messages: list[str] = []
    for each in operations:
        with pytest.raises(MigrationError) as caught:
            each.execute(
                MemoryStore("any"), from_snapshot_version="a", to_snapshot_version="b", dry_run=True
            )
        messages.append(str(caught.value))

    assert messages == [
        "The module 'os.path' has no 'joined'. Did you mean 'join'?",
        "'os.sep' is no function, but '/'",
        "'nowhere.at_all' can't be imported: ModuleNotFoundError: No module named 'nowhere'.",
    ]
