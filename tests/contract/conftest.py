"""The kinds of lakes that keep the contract of stores; another kind is one more parameter."""

from pathlib import Path

import pytest

from lakes import Lake, delta_lake, memory_lake


@pytest.fixture(params=["nested", "flat", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A new lake of every kind."""
    return memory_lake() if request.param == "memory" else delta_lake(tmp_path, request.param)


@pytest.fixture(params=["nested", "flat"])
def versioned_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A new lake of every kind that drops tables and keeps idempotency keys."""
    return delta_lake(tmp_path, request.param)
