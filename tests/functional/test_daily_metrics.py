"""The example of daily metrics, run by its README in a folder of its own."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/daily_metrics"


def test_the_example_does_what_its_readme_says(tmp_path: Path) -> None:
    """Every command but the installation is run, and prints what stands there."""
    folder = tmp_path / "copied"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("lake", "__pycache__"))
    told = (EXAMPLE / "README.md").read_text(encoding="utf-8").split("```console\n")[1]
    blocks = [each.splitlines() for each in told.split("```")[0].split("$ ")[1:]]
    assert [lines[0].split()[0] for lines in blocks] == ["pip", "metaxy", "python"]

    for command, *expected in blocks[1:]:
        assert _printed(command, folder) == expected


def _printed(command: str, folder: Path) -> list[str]:
    """What a command prints, with the programs of this Python."""
    scripts = sysconfig.get_path("scripts")
    environment = {name: text for name, text in os.environ.items() if "METAXY" not in name}
    ended = subprocess.run(  # noqa: S603 -- the commands of our own README
        command.split(),
        cwd=folder,
        env=environment | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        text=True,
    )
    return ended.stdout.splitlines()
