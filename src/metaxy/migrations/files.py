"""The folder of migration files: what is in it, and what can't be read.

YAML files are `*.yaml` and `*.yml`. A Python file is a migration if its name looks like
`YYYYMMDD_HHMMSS_description.py`; it has exactly one concrete `Migration` class. Names that begin
with `.` or `_`, and other Python files, are passed over.
"""

import ast
import importlib.util
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Final, cast

from pydantic import ValidationError

from metaxy.errors import MigrationFileError, listed
from metaxy.migrations.file_data import told_faults
from metaxy.migrations.models import Migration

PYTHON_NAME: Final = re.compile(r"\d{8}_\d{6}_\w+", re.ASCII)
"""How the name of a Python file with a migration looks, without its suffix."""

_TIME: Final = re.compile(r"(?:migration_)?(?P<time>\d{8}_\d{6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file and the migration that it holds."""

    path: Path
    migration: Migration

    @property
    def id(self) -> str:
        """The id of the migration."""
        return self.migration.migration_id


@dataclass(frozen=True, slots=True)
class MigrationFolder:
    """What the files of a folder hold.

    Attributes:
        files: Those that can be read, sorted by name.
        faults: What is wrong with the others and with names, each with the file's name.
    """

    path: Path
    files: tuple[MigrationFile, ...]
    faults: tuple[str, ...]

    def checked(self) -> tuple[MigrationFile, ...]:
        """The files, if all can be read.

        Raises:
            MigrationFileError: With every fault.
        """
        if self.faults:
            raise MigrationFileError(f"The migrations in {self.path} can't be read", self.faults)
        return self.files


def read_folder(path: str | Path) -> MigrationFolder:
    """Read all migration files of a folder; one that isn't there has none."""
    folder = Path(path)
    files: list[MigrationFile] = []
    faults: list[str] = []
    for file in _candidates(folder):
        try:
            found = MigrationFile(file, read_file(file))
        except MigrationFileError as error:
            faults.append(str(error).replace(str(file), file.name))
        else:
            files.append(found)
            faults += _misnamed(found)
    return MigrationFolder(folder, tuple(files), tuple(faults))


def read_file(path: str | Path) -> Migration:
    """The migration in a YAML or Python file. A Python file is run.

    Raises:
        MigrationFileError: There is none in it, or not exactly one; has every fault.
    """
    file = Path(path)
    return _read_python(file) if file.suffix == ".py" else Migration.from_yaml(file)


def _candidates(folder: Path) -> list[Path]:
    found = [file for file in folder.glob("*") if file.is_file() and file.name[0] not in "._"]
    return sorted(
        file
        for file in found
        if file.suffix in {".yaml", ".yml"}
        or (file.suffix == ".py" and (PYTHON_NAME.fullmatch(file.stem) or _looks_like_one(file)))
    )


def _looks_like_one(file: Path) -> bool:
    """Whether a file of another name declares a migration; told by its text, without running it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    bases = (base for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases)
    names = (each.attr if isinstance(each, ast.Attribute) else ast.unparse(each) for each in bases)
    return any(name.endswith("Migration") for name in names)


def _misnamed(file: MigrationFile) -> Iterator[str]:
    stem, name = file.path.stem, file.path.name
    if file.path.suffix == ".py" and not PYTHON_NAME.fullmatch(stem):
        yield (
            f"{name} has a migration, but not the name of one: call it "
            "YYYYMMDD_HHMMSS_description.py."
        )
    elif file.id != stem and not _has_older_id(stem, file.id):
        yield f"{name} has the id {file.id!r}; the id is the name of the file: {stem!r}."


def _has_older_id(stem: str, migration_id: str) -> bool:
    """Whether the id is of the time in the file's name, as files of the older formats have it."""
    times = _TIME.fullmatch(migration_id), _TIME.match(stem)
    return all(times) and len({time["time"] for time in times if time is not None}) == 1


class _SourceLoader(SourceFileLoader):
    """Runs a file as it is now; compiled code that was kept may be that of before an edit."""

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return self.source_to_code(self.get_data(self.path), self.path)


def _read_python(file: Path) -> Migration:
    name = f"metaxy_migration_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}"
    loader = _SourceLoader(name, str(file))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(cast("ModuleSpec", spec))
    # Whoever looks for the module of a class, as pydantic does, has to find it.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
        code = _without_comments(file.read_text(encoding="utf-8"))
    except (Exception, SystemExit) as error:
        raise MigrationFileError(f"{file} can't be run: {type(error).__name__}: {error}") from error
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Migration)
        and each.__module__ == name
        and not inspect.isabstract(each)
    ]
    if len(found) != 1:
        names = listed(sorted(each.__name__ for each in found)) if found else "none"
        raise MigrationFileError(
            f"{file} should have exactly one class that is a Migration and can be made, but has "
            f"{names}.{_ABSTRACT if not found else ''}"
        )
    return _made(found[0], file).hashed_as(code)


_ABSTRACT: Final = (
    " A subclass of PythonMigration needs build_operations, one of CustomMigration execute."
)


def _made(cls: type[Migration], file: Path) -> Migration:
    try:
        return cls.model_validate({})
    except ValidationError as error:
        names = {name: name for name in cls.model_fields}
        raise MigrationFileError(
            f"{file}: the class {cls.__name__} can't be made", told_faults(error, names)
        ) from error
    except Exception as error:
        raise MigrationFileError(
            f"{file}: the class {cls.__name__} can't be made: {type(error).__name__}: {error}"
        ) from error


def _without_comments(code: str) -> str:
    """Code without comments, trailing blanks and empty lines, the same for every Python."""
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())
