"""A folder with the example project and a copy of files, and what is done in it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaxy.demo.accounts import FeatureAccount
from metaxy.demo.selection import Selection, copy_files
from metaxy.errors import MetaxyError

FILES: Final = "files"
LAKE: Final = "lake"
_BEFORE: Final = 'FieldSpec("docs", code_version="1"'
_AFTER: Final = 'FieldSpec("docs", code_version="2"'


def project_folder() -> Path:
    """Where the example project is: in the installed package, or in the clone that is worked in."""
    package = Path(__file__).parent
    shipped = package / "source_library"
    return shipped if shipped.is_dir() else package.parents[2] / "examples" / "source_library"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder in which the project can be run; `folder` is absolute."""

    folder: Path

    @property
    def files(self) -> Path:
        """The copy of the files."""
        return self.folder / FILES

    @property
    def lake(self) -> Path:
        """The lake that the project keeps."""
        return self.folder / LAKE

    def set_up(self, selection: Selection) -> None:
        """Put the project and a copy of the files into the folder."""
        ignored = shutil.ignore_patterns("__pycache__", LAKE)
        shutil.copytree(project_folder(), self.folder, dirs_exist_ok=True, ignore=ignored)
        copy_files(selection, self.files)

    def run(self) -> Iterator[FeatureAccount]:
        """Run the project as `python run.py files --json`, and give each feature when it is done.

        Raises:
            MetaxyError: The run failed; has what it said.
        """
        command = [sys.executable, "run.py", FILES, "--json"]
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as said,
            subprocess.Popen(  # noqa: S603  our own program
                command,
                cwd=self.folder,
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=said,
                encoding="utf-8",
            ) as process,
        ):
            assert process.stdout is not None  # noqa: S101  it is a pipe, as asked for above
            try:
                yield from map(FeatureAccount.model_validate_json, process.stdout)
            except BaseException:
                process.kill()
                raise
            if process.wait() != 0:
                said.seek(0)
                reason = said.read().strip() or "it said nothing"
                raise MetaxyError(
                    f"`python run.py {FILES}` failed in {self.folder} "
                    f"(exit code {process.returncode}):\n{reason}"
                )

    def change_code_version(self) -> None:
        """Say in features.py that the code of the field `docs` of library/module is another one."""
        features = self.folder / "features.py"
        text = features.read_text(encoding="utf-8")
        if text.count(_BEFORE) != 1:
            raise MetaxyError(f"{features} should have {_BEFORE!r} once; was it edited?")
        features.write_text(text.replace(_BEFORE, _AFTER), encoding="utf-8")


@contextmanager
def opened_workspace(keep: Path | None, *, source: Path) -> Generator[Workspace]:
    """Give an empty workspace: a folder that stays, or one that is gone after the block.

    Raises:
        MetaxyError: The folder to keep has something in it, or is inside the source.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="metaxy-demo-") as folder:
            yield Workspace(Path(folder).resolve())
        return
    keep = keep.resolve()
    if keep.is_relative_to(source.resolve()):
        raise MetaxyError(
            f"'{keep}' is inside of '{source}', which the demo only reads. Give another folder."
        )
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise MetaxyError(f"'{keep}' is not empty. Give a new folder, or empty this one.")
    keep.mkdir(parents=True, exist_ok=True)
    yield Workspace(keep)


def _environment() -> dict[str, str]:
    """Ours, but for the user's settings of metaxy: they are not meant for this project."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("METAXY_")}
    return own | {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
