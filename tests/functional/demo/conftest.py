"""A small folder of files of many kinds, and the command run on it."""

import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from demo_figures import File, files_in
from metaxy import FeatureRegistry
from metaxy.cli.app import run


@dataclass(frozen=True)
class Performance:
    """How `metaxy demo` ended, what it printed and left.

    Attributes:
        kept: The folder that it was told to keep.
        declared: How many features the calling process had afterwards.
    """

    source: Path
    kept: Path
    code: int
    out: str
    err: str
    declared: int

    @property
    def report(self) -> dict[str, Any]:
        """The JSON that it printed; it must have gone well."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


def performed(source: Path, kept: Path, *arguments: str) -> Performance:
    """Run the command on a folder, in a shell with settings that are not meant for it."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, FeatureRegistry().use() as registry:
        patch.setenv("METAXY_STORE", "no-such-store")
        with redirect_stdout(out), redirect_stderr(err):
            code = run(["demo", os.fspath(source), "--keep", os.fspath(kept), *arguments])
    return Performance(source, kept, code, out.getvalue(), err.getvalue(), len(registry))


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages with all that can be in Python files, with broken ones, and with other files."""
    folder = tmp_path_factory.mktemp("demo") / "sources é"
    for number in range(7):
        package = folder / f"package_{number}" / "inner"
        package.mkdir(parents=True)
        (package / "__init__.py").write_bytes(b"")
        (package / "plain.py").write_bytes(b'"""Docs."""\n\n\ndef one(a, *b):\n    return a\n')
        (package / "nested.py").write_bytes(
            b"class A:\n    def m(self):\n        def inner():\n            pass\n"
            b"        return inner\n\n    @property\n    def p(self): ...\n"
            b"    @p.setter\n    def p(self, v): ...\n"
            b"async def f():\n    '''Docs.'''\n"
        )
        (package / "branches.py").write_bytes(
            b"try:\n    def f(): ...\nexcept ValueError:\n    def f(): ...\nelse:\n    x = 1\n"
            b"match x:\n    case 1:\n        def g(): ...\nf = lambda: 1\n"
        )
        (package / "broken.py").write_bytes(b"def broken(:\n")
        (package / "latin.py").write_bytes(b"# caf\xe9\ndef f(): ...\n")
        (package / "null.py").write_bytes(b"x = 1\0\n")
        (package / "data.bin").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture(scope="session")
def before(source: Path) -> dict[str, File]:
    """The files of the folder before any demo was run on it."""
    return files_in(source)


@pytest.fixture(scope="session")
def as_text(source: Path, before: dict[str, File]) -> Performance:
    """The demo on the small folder, printing for people."""
    assert before
    return performed(source, source.parent / "kept with text")


@pytest.fixture(scope="session")
def as_json(source: Path, before: dict[str, File]) -> Performance:
    """The demo on the small folder, printing JSON."""
    assert before
    return performed(source, source.parent / "kept with json", "--json")


@pytest.fixture
def perform() -> Callable[..., Performance]:
    """Run the demo: source, folder to keep, further arguments."""
    return performed
