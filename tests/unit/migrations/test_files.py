"""What the folder of migrations holds, and what in it can't be read."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from metaxy.errors import MigrationFileError
from metaxy.migrations import CustomMigration, DiffMigration, PythonMigration
from metaxy.migrations.files import read_file, read_folder

YAML = """\
id: {id}
created_at: '2025-01-13T10:30:00Z'
from_snapshot_version: a
to_snapshot_version: b
ops: []
"""

PYTHON = '''\
"""A migration in code."""

from datetime import datetime, timezone

from metaxy.migrations import CustomMigration, DataVersionReconciliation, PythonMigration


class Simple(PythonMigration):
    migration_id: str = "20250101_120000_simple"
    created_at: datetime = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
    from_snapshot_version: str = "a"
    to_snapshot_version: str = "b"

    def build_operations(self) -> list[DataVersionReconciliation]:
        return [DataVersionReconciliation()]
'''


def write(folder: Path, name: str, text: str) -> Path:
    """A file in a folder."""
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return file


def test_a_folder_is_read(tmp_path: Path) -> None:
    """YAML and Python files by name; others and hidden ones are passed over."""
    write(tmp_path, "20250102_120000_b.yaml", YAML.format(id="20250102_120000_b"))
    write(tmp_path, "20250103_120000_c.yml", YAML.format(id="20250103_120000_c"))
    write(tmp_path, "20250101_120000_simple.py", PYTHON)
    write(tmp_path, "custom.py", "raise RuntimeError('a module that migrations use')")
    for name in ("__init__.py", "_shared.py", ".20250101_120000_x.yaml", "README.md", "bad.py"):
        write(tmp_path, name, "{not a migration")
    (tmp_path / "folder.yaml").mkdir()

    found = read_folder(tmp_path)
    assert found.faults == ()
    assert [(file.path.name, type(file.migration).__bases__[0]) for file in found.checked()] == [
        ("20250101_120000_simple.py", PythonMigration),
        ("20250102_120000_b.yaml", DiffMigration.__base__),
        ("20250103_120000_c.yml", DiffMigration.__base__),
    ]


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    """A project without migrations needs no folder."""
    found = read_folder(tmp_path / "none")

    assert (found.files, found.faults) == ((), ())


def test_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Each with the file's name; the others are there."""
    write(tmp_path, "20250101_120000_a.yaml", YAML.format(id="20250101_120000_a"))
    write(tmp_path, "20250102_120000_b.yaml", "id: [")
    write(tmp_path, "20250103_120000_c.yaml", "id: c")
    found = read_folder(tmp_path)

    assert [file.id for file in found.files] == ["20250101_120000_a"]
    assert [fault.splitlines()[0] for fault in found.faults] == [
        "20250102_120000_b.yaml is no YAML: expected the node content, but found '<stream end>', "
        "line 1, column 6.",
        "20250103_120000_c.yaml is not a valid migration, 3 faults:",
    ]
    with pytest.raises(MigrationFileError, match=r"can't be read, 2 faults"):
        found.checked()


@pytest.mark.parametrize(
    ("name", "migration_id", "is_right"),
    [
        ("20250113_103000_update_x.yaml", "20250113_103000_update_x", True),
        ("20250113_103000_update_x.yaml", "migration_20250113_103000", True),
        ("20250113_103000_update_x.yaml", "20250113_103000", True),
        ("migration_20250113_103000.yaml", "migration_20250113_103000", True),
        ("20250113_103000_update_x.yaml", "migration_20250113_103001", False),
        ("20250113_103000_update_x.yaml", "20250113_103000_update_y", False),
        ("first.yaml", "second", False),
    ],
)
def test_the_id_is_the_name(
    tmp_path: Path, name: str, migration_id: str, *, is_right: bool
) -> None:
    """Files of older formats may have that of the time."""
    write(tmp_path, name, YAML.format(id=f"'{migration_id}'"))
    stem = name.removesuffix(".yaml")
    fault = f"{name} has the id '{migration_id}'; the id is the name of the file: '{stem}'."

    assert read_folder(tmp_path).faults == (() if is_right else (fault,))


def test_code_under_another_name_is_told(tmp_path: Path) -> None:
    """By looking at its text; a module without a migration isn't run at all."""
    text = PYTHON.replace("20250101_120000_simple", "simple")
    write(tmp_path, "simple.py", text)

    assert read_folder(tmp_path).faults == (
        "simple.py has a migration, but not the name of one: call it "
        "YYYYMMDD_HHMMSS_description.py.",
    )


def test_a_file_has_one_migration(tmp_path: Path) -> None:
    """Bases without what they need don't count, nor do classes that are only imported."""
    abstract = "\n\nclass Base(CustomMigration):\n    url: str\n"
    one = write(tmp_path, "20250101_120000_simple.py", PYTHON + abstract)
    two = write(tmp_path, "20250102_120000_two.py", PYTHON + "\n\nclass Other(Simple):\n    pass\n")
    none = write(
        tmp_path,
        "20250103_120000_none.py",
        f"import metaxy.migrations{abstract}".replace("(Custom", "(metaxy.migrations.Custom"),
    )

    assert type(read_file(one)).__name__ == "Simple"
    messages: list[str] = []
    for file in (two, none):
        with pytest.raises(MigrationFileError) as caught:
            read_file(file)
        messages.append(str(caught.value))
    assert messages == [
        f"{two} should have exactly one class that is a Migration and can be made, but has "
        "'Other', 'Simple'.",
        f"{none} should have exactly one class that is a Migration and can be made, but has "
        "none. A subclass of PythonMigration needs build_operations, one of CustomMigration "
        "execute.",
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "can't be run: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "can't be run: SystemExit: 3"),
        ("class", "can't be run: SyntaxError: invalid syntax"),
        (PYTHON.replace('"a"', "5"), "'from_snapshot_version' is 5; it should be a text"),
        (
            PYTHON.replace('    migration_id: str = "20250101_120000_simple"\n', ""),
            "the class Simple can't be made: it needs 'migration_id'",
        ),
        (
            PYTHON.replace(", tzinfo=timezone.utc", ""),
            "'created_at' is datetime.datetime(2025, 1, 1, 12, 0): it has no time zone",
        ),
        (
            PYTHON + "\n    def model_post_init(self, context):\n        raise OSError('no net')\n",
            "the class Simple can't be made: OSError: no net",
        ),
    ],
)
def test_code_that_fails_is_told(tmp_path: Path, code: str, message: str) -> None:
    """With the file's name."""
    file = write(tmp_path, "20250101_120000_simple.py", code)
    with pytest.raises(MigrationFileError) as caught:
        read_file(file)

    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_an_edit_of_code_is_seen_at_once(tmp_path: Path) -> None:
    """No compiled code is kept; comments and empty lines are no edits."""
    file = write(tmp_path, "20250101_120000_simple.py", PYTHON)
    before = read_file(file)
    write(tmp_path, file.name, PYTHON.replace("class Simple", "# why\n\nclass Simple"))
    commented = read_file(file)
    write(tmp_path, file.name, PYTHON.replace('"a"', '"c"'))
    edited = read_file(file)

    assert commented.content_hash == before.content_hash
    assert edited.content_hash != before.content_hash
    assert edited.snapshots == ("c", "b")
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_hash_sign_in_a_text_is_no_comment(tmp_path: Path) -> None:
    """Only comments are passed over."""
    text = PYTHON + '\n    note: str = "one # two"\n'
    one = read_file(write(tmp_path, "20250101_120000_simple.py", text))
    two = read_file(write(tmp_path, "20250101_120000_simple.py", text.replace("# two", "# 2")))

    assert one.content_hash != two.content_hash


def test_the_content_hash_of_code_is_pinned(tmp_path: Path) -> None:
    """It is recorded in lakes, and the same for every Python."""
    migration = read_file(write(tmp_path, "20250101_120000_simple.py", PYTHON))

    assert isinstance(migration, PythonMigration)
    assert not isinstance(migration, CustomMigration)
    assert migration.content_hash == (
        "d61b47ca9435beed80e608f90a8476de6695b165a5dffb853e13653781053945"
    )


@pytest.fixture(autouse=True)
def _no_modules_stay() -> None:
    """Files of other tests have the same names."""
    for name in [name for name in sys.modules if name.startswith("metaxy_migration_")]:
        del sys.modules[name]
