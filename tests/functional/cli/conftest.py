"""Small real projects in a temporary folder, and the command line run on them."""

import os
import sys
from pathlib import Path

import pytest

from cli_project import (
    FEATURES,
    SETTINGS,
    Cli,
    Compute,
    Ended,
    WriteRoot,
    fresh,
    root_records,
    writable,
)
from metaxy.cli.app import run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment without settings of metaxy."""
    for name in [name for name in os.environ if name.startswith("METAXY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # Sources change within a test, faster than the times of files tell.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def metaxy(folder: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line as a process of its own would: with nothing imported or declared."""

    def run_command(*arguments: str) -> Ended:
        capsys.readouterr()
        with fresh(folder):
            code = run(arguments)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run_command


@pytest.fixture
def project(folder: Path) -> Path:
    """A project of a root and two features in a row, with two stores; nothing is written yet."""
    (folder / "metaxy.toml").write_text(SETTINGS)
    (folder / "demo_features.py").write_text(FEATURES)
    return folder


@pytest.fixture
def write_root(project: Path) -> WriteRoot:
    """Write records of the root: the version of each field by id."""

    def write(store_name: str | None = None, **versions: str) -> None:
        with writable(project, store_name) as store:
            store.write_metadata("video", root_records(versions))

    return write


@pytest.fixture
def compute(project: Path) -> Compute:
    """Compute what is pending of features, in this order."""

    def compute_features(*features: str, store_name: str | None = None) -> None:
        with writable(project, store_name) as store:
            for feature in features:
                increment = store.resolve_update(feature)
                store.write_metadata(feature, increment.added)
                store.write_metadata(feature, increment.changed)

    return compute_features
