"""Reads source files: bytes to hashes, Python text to functions. No feature, no store, no frame.

Anything may be wrong with a file, and one bad file is no reason to lose the others: what can't be
read or parsed comes back with a `problem`.
"""

import ast
import gc
import os
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class SourceFile:
    """A file as it was found; `path` and `package` (its folder) are relative, with slashes."""

    path: str
    package: str
    suffix: str
    size_bytes: int
    modified_at: datetime
    content_version: str
    stat_version: str


@dataclass(frozen=True)
class SourceFunction:
    """A function or method; `name` tells apart those that a module defines twice."""

    name: str
    kind: str
    arguments: int
    statements: int


@dataclass(frozen=True)
class SourceModule:
    """What parsing a file gave; empty, with the reason as `problem`, where it could not be."""

    functions: tuple[SourceFunction, ...] = ()
    classes: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def structure_version(self) -> str:
        """Changes when a function or class came, went, or changed its shape."""
        return version_of(self.functions, self.classes, self.problem)

    @property
    def docs_version(self) -> str:
        """Changes when something came, went, was documented, or is no longer."""
        names = [function.name for function in self.functions]
        return version_of(names, self.documented, self.problem)


@dataclass
class _Found:
    """What has been met so far on the way through a module."""

    functions: list[SourceFunction] = field(default_factory=list[SourceFunction])
    classes: list[str] = field(default_factory=list[str])
    documented: list[str] = field(default_factory=list[str])
    times: dict[str, int] = field(default_factory=dict[str, int])


def version_of(*parts: object) -> str:
    """Give a short text that changes with the parts."""
    return blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=12).hexdigest()


def read_files(folder: Path) -> Iterator[SourceFile]:
    """Give every file below a folder, in the order of the walk.

    Links are left out, and so is what is gone or closed to us by the time it is read.
    """
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file():
                continue
            try:
                yield _read_file(path, path.relative_to(folder))
            except OSError:
                continue


def _read_file(path: Path, relative: Path) -> SourceFile:
    content, stat = path.read_bytes(), path.stat()
    return SourceFile(
        path=relative.as_posix(),
        package=relative.parent.as_posix(),
        suffix=relative.suffix,
        size_bytes=stat.st_size,
        modified_at=datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1_000_000, tz=UTC),
        content_version=blake2b(content, digest_size=12).hexdigest(),
        stat_version=f"{stat.st_size}:{stat.st_mtime_ns}",
    )


@contextmanager
def quick_parsing() -> Generator[None]:
    """Let the garbage collector rest: syntax trees are large, and nothing in them needs it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parse_module(path: Path) -> SourceModule:
    """Parse a Python file; whatever goes wrong is told as its `problem`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old code has old escapes; not our subject
            tree = ast.parse(path.read_bytes())
        found = _Found()
        if ast.get_docstring(tree, clean=False) is not None:
            found.documented.append("")
        _visit(tree.body, "", found)
    except Exception as error:  # noqa: BLE001 — one bad file is no reason to lose the others
        return SourceModule(problem=f"{type(error).__name__}: {error}")
    return SourceModule(tuple(found.functions), tuple(found.classes), tuple(found.documented))


def _visit(statements: Iterable[ast.AST], prefix: str, found: _Found, *, owner: str = "") -> int:
    """Note all definitions below some statements, and count the statements."""
    count = 0
    for statement in statements:
        count += isinstance(statement, ast.stmt)
        if isinstance(statement, Definition):
            count += _note(statement, prefix, found, owner=owner)
            continue
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner: list[ast.AST] | ast.expr = getattr(statement, block, [])
            if isinstance(inner, list):  # of a lambda, the body is an expression
                count += _visit(inner, prefix, found, owner=owner)
    return count


def _note(definition: Definition, prefix: str, found: _Found, *, owner: str) -> int:
    name = _name(prefix + definition.name, found)
    if ast.get_docstring(definition, clean=False) is not None:
        found.documented.append(name)
    if isinstance(definition, ast.ClassDef):
        found.classes.append(name)
        return _visit(definition.body, f"{name}.", found, owner="class")
    place = len(found.functions)  # before the functions inside it, as in the source
    statements = _visit(definition.body, f"{name}.", found, owner="function")
    kind = {"class": "method", "function": "inner function"}.get(owner, "function")
    if isinstance(definition, ast.AsyncFunctionDef):
        kind = f"async {kind}"
    function = SourceFunction(name, kind, _arguments(definition.args), statements)
    found.functions.insert(place, function)
    return statements


def _name(name: str, found: _Found) -> str:
    """The name, with a number from the second time on: properties, overloads, branches."""
    times = found.times[name] = found.times.get(name, 0) + 1
    return name if times == 1 else f"{name}#{times}"


def _arguments(arguments: ast.arguments) -> int:
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return len(named) + (arguments.vararg is not None) + (arguments.kwarg is not None)
