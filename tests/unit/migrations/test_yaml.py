"""Migration files in YAML: every spelling is read, one is written, comments stay."""

from pathlib import Path
from textwrap import dedent

import pytest

from metaxy.errors import MigrationFileError
from metaxy.migrations import (
    DataVersionReconciliation,
    DiffMigration,
    FullGraphMigration,
    Migration,
)
from metaxy.migrations.models import FeatureVersionsMigration
from metaxy.migrations.ops import CustomFunction, FeatureVersionMigration
from metaxy.models.keys import FeatureKey

CANONICAL = """\
version: 1
id: 20250113_103000_narrow
parent: 20250110_120000_first
description: Only audio
created_at: '2025-01-13T10:30:00Z'
project: films
from_snapshot_version: a3f8b2c1
to_snapshot_version: '12345678'
ops:
  - id: reconcile_speech_text
    type: metaxy.migrations.ops.DataVersionReconciliation
    feature_key: [speech, text]
    assume_same_result: true
    reason: The video was never used
"""

OLDER = """\
# kept
version: 1
id: "20250113_103000_narrow"  # the name
parent_migration_id: "20250110_120000_first"
description: "Only audio"

created_at: "2025-01-13T10:30:00Z"
project: films
from_snapshot_version: "a3f8b2c1"
to_snapshot_version: "12345678"
operations:
  # about speech
  - id: "reconcile_speech_text"
    type: "metaxy.migrations.ops.DataVersionReconciliation"
    feature_key: ["speech", "text"]   # both parts
    assume_same_result: true
    reason: "The video was never used"
"""

OLDEST = """\
version: 1
id: "migration_20250113_103000"
description: "Auto-generated"
created_at: "2025-01-13T10:30:00Z"

operations:
  - type: feature_version_migration
    feature_key: ["video", "processing"]
    from: "abc12345"
    to: "def67890"
    change_type: "unknown"
    reason: "Same frames"
  - type: custom_migration
    feature_key: ["audio"]
    from: "abc12345"
    to: "def67890"
    python_function: "migrations.custom.migrate"
    reason: "MP4 to MKV"
"""


def read(folder: Path, text: str, name: str = "20250113_103000_narrow.yaml") -> Migration:
    """The migration in a new file."""
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return Migration.from_yaml(file)


def test_a_file_is_read(tmp_path: Path) -> None:
    """Every key, as the values that they stand for."""
    migration = read(tmp_path, CANONICAL)

    assert isinstance(migration, DiffMigration)
    assert migration.snapshots == ("a3f8b2c1", "12345678")
    assert migration.ops == (
        DataVersionReconciliation(
            id="reconcile_speech_text",
            feature_key=FeatureKey("speech/text"),
            assume_same_result=True,
            reason="The video was never used",
        ),
    )
    assert migration.to_yaml() == CANONICAL


def test_the_older_spelling_is_the_same_migration(tmp_path: Path) -> None:
    """Also by its content hash."""
    canonical, older = read(tmp_path, CANONICAL), read(tmp_path, OLDER)

    assert older == canonical
    assert older.content_hash == canonical.content_hash
    assert older.to_yaml() == CANONICAL


def test_comments_are_no_content(tmp_path: Path) -> None:
    """Nor is the layout; a reason is."""
    plain = read(tmp_path, CANONICAL).content_hash

    assert read(tmp_path, f"# a comment\n{CANONICAL}").content_hash == plain
    assert read(tmp_path, CANONICAL.replace("never", "hardly")).content_hash != plain


def test_writing_over_a_file_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Comments, empty lines, quotes, the order of keys; older names become the canonical ones."""
    file = tmp_path / "20250113_103000_narrow.yaml"
    migration = read(tmp_path, OLDER)
    assert isinstance(migration, DiffMigration)
    edited = migration.ops[0].model_copy(update={"reason": "Audio only"})
    more = DataVersionReconciliation(feature_key=FeatureKey("a"), reason="Follows")
    migration.model_copy(update={"ops": (more, edited), "project": None}).to_yaml(file)

    expected = """\
        # kept
        version: 1
        id: "20250113_103000_narrow"  # the name
        parent: "20250110_120000_first"
        description: "Only audio"

        created_at: "2025-01-13T10:30:00Z"
        from_snapshot_version: "a3f8b2c1"
        to_snapshot_version: "12345678"
        ops:
          # about speech
          - id: reconcile_a
            type: metaxy.migrations.ops.DataVersionReconciliation
            feature_key: [a]
            reason: Follows
          - id: "reconcile_speech_text"
            type: "metaxy.migrations.ops.DataVersionReconciliation"
            feature_key: ["speech", "text"]   # both parts
            assume_same_result: true
            reason: "Audio only"
        """
    assert file.read_text(encoding="utf-8") == dedent(expected)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_the_oldest_format_is_read(tmp_path: Path) -> None:
    """Feature versions instead of snapshots, functions by their path."""
    migration = read(tmp_path, OLDEST)

    assert isinstance(migration, FeatureVersionsMigration)
    assert migration.snapshots is None
    assert migration.ops == (
        FeatureVersionMigration(
            feature_key=FeatureKey("video/processing"),
            from_feature_version="abc12345",
            to_feature_version="def67890",
            reason="Same frames",
        ),
        CustomFunction(
            feature_key=FeatureKey("audio"),
            from_feature_version="abc12345",
            to_feature_version="def67890",
            python_function="migrations.custom.migrate",
            reason="MP4 to MKV",
        ),
    )
    assert read(tmp_path, migration.to_yaml()) == migration


def test_one_snapshot_makes_a_full_graph_migration(tmp_path: Path) -> None:
    """Which round-trips, too."""
    text = """\
        version: 1
        id: 20250113_103000_narrow
        parent: initial
        description: ''
        created_at: '2025-01-13T10:30:00Z'
        snapshot_version: abc
        ops: []
        """
    migration = read(tmp_path, text)

    assert isinstance(migration, FullGraphMigration)
    assert migration.snapshots == ("abc", "abc")
    assert migration.to_yaml() == dedent(text)


def test_a_file_of_another_class_is_told(tmp_path: Path) -> None:
    """With the way to read it."""
    file = tmp_path / "a.yaml"
    file.write_text(CANONICAL, encoding="utf-8")
    with pytest.raises(MigrationFileError, match=r"is a DiffMigration, not a FullGraphMigration"):
        FullGraphMigration.from_yaml(file)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """Each with the key, the value and the nearest right name."""
    text = """\
        version: 2
        id: 20250113
        migration_id: a
        parnt: b
        created_at: yesterday
        from_snapshot_version: 12e45678
        operations:
          - type: metaxy.migrations.ops.DataVersionReconcilation
          - {id: two, type: DataVersionReconciliation, feature_key: 5, reson: x}
          - {type: DataVersionReconciliation, assume_same_result: maybe}
          - {type: feature_version_migration, feature_key: a/b, from: x, from_feature_version: y}
          - {id: same, type: DataVersionReconciliation}
          - {id: same, type: DataVersionReconciliation}
        """.replace("12e45678", "12345678")
    with pytest.raises(MigrationFileError) as caught:
        read(tmp_path, text)

    assert str(caught.value).splitlines() == [
        f"{tmp_path}/20250113_103000_narrow.yaml is not a valid migration, 13 faults:",
        "  - 'migration_id' and 'id' are two names of one thing; keep 'id'",
        "  - 'version' is 2; this release of metaxy reads 1. If the file was written for a newer "
        "release, upgrade.",
        "  - operation 4: 'from' and 'from_feature_version' are two names of one thing; keep "
        "'from_feature_version'",
        "  - 'created_at' is 'yesterday'; it should be a valid datetime or date, input is too "
        "short",
        "  - 'from_snapshot_version' is 12345678; it should be a text: put it in quotes",
        "  - it needs 'to_snapshot_version'",
        "  - there is no key 'parnt'. Did you mean 'parent'?",
        "  - operation 1: The module 'metaxy.migrations.ops' has no 'DataVersionReconcilation'. "
        "Did you mean 'DataVersionReconciliation'?",
        "  - operation 2 ('two'): 'feature_key' is 5: 5 is not a feature key: give a text such as "
        "'video/file' or a list of its parts",
        "  - operation 2 ('two'): there is no key 'reson'. Did you mean 'reason'?",
        "  - operation 3: 'assume_same_result' is 'maybe'; it should be a valid boolean, unable "
        "to interpret input",
        "  - operation 4: it needs 'to_feature_version'",
        "  - 2 operations have the id 'same'; give each its own",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it should be a mapping of keys such as 'id' and 'ops', but is empty."),
        ("- 1", "it should be a mapping of keys such as 'id' and 'ops', but is a list."),
        ("id: [", "is no YAML: expected the node content, but found '<stream end>'"),
        ("id: a\nid: b", 'is no YAML: found duplicate key "id"'),
        ("1: a", "has the key 1, which is no text: put it in quotes."),
        ("a: .nan", "has the value nan, which is no text, number, list or mapping."),
        ("a: 12e99999", "has the value inf, which is no text, number, list or mapping."),
        ("a: !thing b", "which is no text, number, list or mapping."),
        (
            "a: 1\nb: 2\nc: \x07",
            "is no YAML: unacceptable character #x0007: special characters are not allowed.",
        ),
        ("ops: 5", "'ops' is 5; it should be a list of operations"),
    ],
)
def test_what_is_no_migration_is_told(tmp_path: Path, text: str, message: str) -> None:
    """With the file's name."""
    with pytest.raises(MigrationFileError) as caught:
        read(tmp_path, text)

    assert str(caught.value).startswith(f"{tmp_path}/20250113_103000_narrow.yaml ")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Because it isn't there, or is no UTF-8."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    for name in ("none.yaml", "binary.yaml"):
        with pytest.raises(MigrationFileError, match=f"{name} can't be read"):
            Migration.from_yaml(tmp_path / name)


def test_values_are_shown_without_secrets(tmp_path: Path) -> None:
    """An error may end up in a log."""
    text = CANONICAL.replace("project: films", "url: postgresql://me:hunter2@host/db\nproject: 5")
    with pytest.raises(MigrationFileError) as caught:
        read(tmp_path, text.replace("description: Only audio", "description: [s3://k:hunter2@b]"))

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.reasons)
