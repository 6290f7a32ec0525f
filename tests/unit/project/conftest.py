import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.feature.registry import FeatureRegistry


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, where what a test imports and declares ends with the test."""
    for name in [name for name in os.environ if name.startswith("METAXY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    with FeatureRegistry().use():
        yield tmp_path
    for name in set(sys.modules) - before:
        path = getattr(sys.modules[name], "__file__", None)
        if path is not None and Path(path).is_relative_to(tmp_path):
            del sys.modules[name]
    MetaxyConfig.reset()


@pytest.fixture
def write(folder: Path) -> Callable[[str, str], Path]:
    """Write a file of the current folder, with the folders around it."""

    def write_file(path: str, text: str) -> Path:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file
