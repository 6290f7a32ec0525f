"""`metaxy init`: what it writes, and what it leaves alone."""

import tomllib
from pathlib import Path

from cli_project import Cli


def test_files_are_not_overwritten(folder: Path, metaxy: Cli) -> None:
    """If one file is there, none is written, and the exit code is 3; `--force` overwrites."""
    (folder / "features.py").write_text("mine")

    refused = metaxy("init")
    left = sorted(path.name for path in folder.iterdir())
    forced = metaxy("init", "--force", "--json")

    assert refused.code == 3
    assert refused.err.startswith("Refused: 'features.py' would be overwritten.")
    assert left == ["features.py"]
    assert forced.code == 0
    assert forced.data == {"files": ["metaxy.toml", "features.py", "compute.py"]}
    assert "class SourceFile" in (folder / "features.py").read_text()


def test_another_folder_is_made(folder: Path, metaxy: Cli) -> None:
    """The project is called like its folder, unless it is named; the next step is to go there."""
    ended = metaxy("init", "deep/My films")

    settings = tomllib.loads((folder / "deep/My films/metaxy.toml").read_text())
    assert ended.code == 0
    assert settings["project"] == "My-films"
    assert ended.err.startswith("\nNext:\n  cd 'deep/My films'\n")


def test_the_project_can_be_named(folder: Path, metaxy: Cli) -> None:
    """Any name will do, also one that TOML has to quote."""
    metaxy("init", "--project", 'the "vision" team')

    assert tomllib.loads((folder / "metaxy.toml").read_text())["project"] == 'the "vision" team'
