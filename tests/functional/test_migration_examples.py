"""The examples of migrations, run by their READMEs in folders of their own."""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from cli_project import fresh
from metaxy import init_metaxy
from support.s3_servers import S3Server

pytestmark = pytest.mark.slow  # dozens of processes are started

EXAMPLES: Final = Path(__file__).parents[2] / "examples/migrations"
PENDING: Final = 2
REFUSED: Final = 3
BLOCK: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A copy of an example's folder, and what its programs find in the environment."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, command: str, **more: str) -> tuple[int, str]:
        """How a command ends, and what a terminal shows of it."""
        ended = subprocess.run(  # noqa: S603 -- the commands of our own READMEs
            ["bash", "-c", command],  # noqa: S607 -- whichever comes first on PATH
            cwd=self.folder,
            env={**self.environment, **more},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ended.returncode, ended.stdout

    def records(self, feature: str, *columns: str) -> list[tuple[object, ...]]:
        """The current records of a feature, sorted."""
        with fresh(self.folder), init_metaxy(self.folder).get_store() as store:
            found = store.read_metadata(feature, columns=list(columns)).collect().to_polars()
        return sorted(found.select(columns).iter_rows())


@pytest.fixture
def refactoring(tmp_path: Path) -> Example:
    """A copy of the refactoring."""
    return _copied("refactoring", tmp_path)


@pytest.fixture
def five_kinds(tmp_path: Path, moto: S3Server) -> Example:
    """A copy of the five kinds, with an S3 server."""
    server = {**moto.owner.environment(), "AWS_DEFAULT_REGION": moto.owner.region}
    return _copied("five_kinds", tmp_path, **server)


def test_the_refactoring_does_what_its_readme_says(refactoring: Example) -> None:
    """Every command ends and prints as it stands there; the records of after are by hand.

    Those are who speaks, how many words are said, and how many questions.
    """
    codes = _run_readme(refactoring, "refactoring")

    assert {command: code for command, code in codes if code} == {
        "diff features.py features_after.py": 1,
        "metaxy status": PENDING,
        "metaxy migrations apply --dry-run": REFUSED,
    }

    assert refactoring.records("speech/diarization", "video_id", "speakers") == [
        ("v1", ["ann", "ben"]),
        ("v2", ["ben"]),
        ("v3", ["ann", "ben", "cem"]),
        ("v4", ["cem"]),
        ("v5", []),
    ]
    assert refactoring.records("speech/analysis", "video_id", "words", "questions") == [
        ("v1", 3, 0),
        ("v2", 2, 0),
        ("v3", 5, 1),
        ("v4", 1, 0),
        ("v5", 0, 0),
    ]
    (run,) = {run for (run,) in refactoring.records("speech/analysis", "metaxy_materialization_id")}
    assert re.fullmatch(r"migration:\d{8}_\d{6}_update_speech_transcription", str(run))


def test_without_the_migration_all_would_be_computed_again(refactoring: Example) -> None:
    """So that the example shows something: five records of each feature."""
    refactoring.run("metaxy push && python compute.py && cp features_after.py features.py")

    _, told = refactoring.run("python compute.py")

    assert [line.split()[1] for line in told.splitlines()] == ["0", "5", "5", "5"]


def test_the_five_kinds_do_what_their_readme_says(five_kinds: Example) -> None:
    """Every command ends and prints as it stands there; the records of after are by hand."""
    codes = _run_readme(five_kinds, "five_kinds")

    assert {command: code for command, code in codes if code} == {"metaxy status": PENDING}
    assert five_kinds.records("video/file", "video_id", "path", "size_bytes") == [
        *((f"v0{number}", f"films/v0{number}.mp4", 25_000) for number in range(1, 7)),
        ("v07", "processed/v07.mp4", 20_000),
        ("v08", "processed/v08.mp4", 30_000),
    ]
    assert five_kinds.records("video/poster", "video_id", "path", "size_bytes") == [
        ("v01", "posters/v01.jpg", 700),
        ("v02", "posters/v02.jpg", 800),
        ("v07", "posters/v07.jpg", 900),
    ]
    assert five_kinds.records("video/title", "video_id", "title") == [
        ("v01", "Harbour"),
        ("v02", "Market"),
        ("v08", "Night train"),
    ]
    assert five_kinds.records("video/rating", "video_id", "stars") == [
        ("v01", 4.5),
        ("v02", 3.0),
        ("v04", 5.0),
        ("v07", 4.0),
    ]
    runs = {
        "transcript": "20250101_120000_simple_reconciliation",
        "embedding": "20250101_140000_dynamic_operations",
        "rating": "20250101_150000_custom_validation",
        "poster": "20250101_160000_metadata_backfill",
    }
    for feature, migration in runs.items():
        stamps = five_kinds.records(f"video/{feature}", "metaxy_materialization_id")
        assert set(stamps) == {(f"migration:{migration}",)}


def test_an_operation_is_left_out_where_the_environment_says_so(five_kinds: Example) -> None:
    """The dynamic migration has no operation then, and all embeddings are computed again."""
    command = "python prepare.py && metaxy push && metaxy migrations apply && metaxy status --json"

    _, told = five_kinds.run(command, RECOMPUTE="video/embedding")

    assert '"feature": "video/embedding"' in told
    assert "20250101_140000_dynamic_operations: completed, 0 features, 0 rows" in told


def test_faults_are_told_before_anything_is_done(five_kinds: Example) -> None:
    """A database that isn't there, or lacks a column, is named with the file of the migration."""
    five_kinds.run("python prepare.py && metaxy push && rm catalogue.db")

    code, told = five_kinds.run("metaxy migrations apply")

    assert code == 1
    assert "20250101_150000_custom_validation.py" in told
    assert "catalogue.db can't be read (unable to open database file)" in told
    assert five_kinds.run("metaxy list features --json")[1].count('"in_store": true') == 5

    five_kinds.run("python -c 'import prepare; prepare.fill_catalogue()'")
    five_kinds.run(
        "python -c \"import sqlite3; c = sqlite3.connect('catalogue.db');"
        " c.execute('ALTER TABLE ratings DROP COLUMN stars')\""
    )
    assert "'ratings' has no stars" in five_kinds.run("metaxy migrations status")[1]


def test_the_yaml_of_the_readme_is_a_migration(five_kinds: Example) -> None:
    """It uses the operation of the project, and its faults are told by file, key and value."""
    readme = (EXAMPLES / "five_kinds/README.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    file = five_kinds.folder / "migrations/20250101_170000_more_posters.yaml"
    file.write_text(text, encoding="utf-8")
    five_kinds.run("python prepare.py && metaxy push")

    code, told = five_kinds.run("metaxy migrations check && metaxy migrations apply")

    assert code == 0
    assert "  backfill_posters (video/poster): completed, 0 rows" in told

    file.write_text(text.replace("500", "-1"), encoding="utf-8")
    code, told = five_kinds.run("metaxy migrations check")
    fault = "'min_size_bytes' is -1; it should be greater than or equal to 0"
    assert code == 1
    assert f"{file.name}" in told
    assert fault in told
    assert fault in readme


def _copied(name: str, to: Path, **more: str) -> Example:
    folder = to / name
    made = shutil.ignore_patterns("lake", "__pycache__", "catalogue.db", "*.bak")
    shutil.copytree(EXAMPLES / name, folder, ignore=made)
    own = {
        variable: text
        for variable, text in os.environ.items()
        if "METAXY" not in variable and not variable.startswith("AWS_")
    }
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    return Example(folder, {**own, **more, "PATH": path})


def _run_readme(example: Example, name: str) -> list[tuple[str, int]]:
    """Run what a README says, in its order, and compare what is printed; gives the exit codes."""
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    told = "".join(BLOCK.findall(readme))
    codes: list[tuple[str, int]] = []
    for each in told.removeprefix("$ ").split("\n$ "):
        command, _, expected = each.partition("\n")
        if command.split()[0] in {"pip", "moto_server", "export"}:
            continue
        code, printed = example.run(command)
        codes.append((command, code))

        assert _lasting(printed, example.folder) == _lasting(f"{expected}\n"), command
    return codes


def _lasting(printed: str, folder: Path | None = None) -> list[str]:
    """What is printed, without times and places."""
    place = r"/home/ann/\w+" if folder is None else re.escape(str(folder))
    for pattern, stands_for in (
        (place, "FOLDER"),
        (r"\d{8}_\d{6}_update", "TIME_update"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", "TIME"),
        (r"in \d+\.\d s", "in N s"),
    ):
        printed = re.sub(pattern, stands_for, printed)
    return printed.strip().splitlines()
