import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder and no variables of ours; afterwards nothing is left in force."""
    for name in [name for name in os.environ if name.startswith("METAXY_")]:
        monkeypatch.delenv(name)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield here
    MetaxyConfig.reset()
