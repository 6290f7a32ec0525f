"""A lake and a registry of their own for each test of storage-first tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakes import Lake, delta_lake, s3_lake
from metaxy import FeatureRegistry, MetadataStore
from metaxy.metadata_store.active import set_default_store
from support.s3_servers import S3Server


@pytest.fixture(autouse=True)
def registry() -> Iterator[FeatureRegistry]:
    """What is declared in a test is forgotten after it."""
    with FeatureRegistry().use() as own:
        yield own


@pytest.fixture(autouse=True)
def _no_default_store() -> None:
    """Only what a test opens is at hand, whatever projects other tests have set up."""
    set_default_store(None)


@pytest.fixture(params=["local", "moto"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A new lake, in a folder and in a bucket; on Ceph where a test is marked `ON_CEPH_TOO`."""
    if request.param == "local":
        return delta_lake(tmp_path, "nested")
    server: S3Server = request.getfixturevalue(request.param)
    return s3_lake(server.owner, "nested")


@pytest.fixture
def store(lake: Lake) -> Iterator[MetadataStore]:
    """A store of the lake, open for writing, of the features that are declared."""
    with lake.store(graph=None).open("write") as opened:
        yield opened
