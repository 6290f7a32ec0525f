"""The kinds of lakes that keep the contract of stores; another kind is one more parameter."""

from pathlib import Path

import pytest

from lakes import Lake, delta_lake, memory_lake, s3_lake
from support.s3_servers import S3Server

_DELTA = ["nested", "flat", "moto", "rgw"]


@pytest.fixture(params=[*_DELTA, "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A new lake of every kind."""
    return memory_lake() if request.param == "memory" else _delta_lake(request, tmp_path)


@pytest.fixture(params=_DELTA)
def versioned_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A new lake of every kind that drops tables and keeps idempotency keys."""
    return _delta_lake(request, tmp_path)


def _delta_lake(request: pytest.FixtureRequest, folder: Path) -> Lake:
    if request.param in {"nested", "flat"}:
        return delta_lake(folder, request.param)
    server: S3Server = request.getfixturevalue(request.param)
    return s3_lake(server.owner, "nested" if request.param == "moto" else "flat")
