"""S3 servers for tests: one of each kind for a test run, and a prefix of its own for each test.

Moto's comes with the development packages. Ceph's gateway is tested where it is installed, and CI
has to have it; `.ci/run` installs it.
"""

import os
import uuid
from collections.abc import Iterator

import pytest

from support.fault_proxy import Fault, FaultProxy, fault_proxy
from support.rados_gateway import DEBIAN_PACKAGES, missing_programs
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server, ceph_server, moto_server, nanio_server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """Moto's server."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rgw() -> Iterator[S3Server]:
    """Ceph's gateway; skips the test where it isn't installed, and fails it in CI."""
    if missing := missing_programs():
        reason = (
            f"Ceph's S3 gateway is not installed: no {', '.join(missing)} on PATH. "
            f"On Debian: apt-get install --no-install-recommends {' '.join(DEBIAN_PACKAGES)}"
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with ceph_server() as server:
        yield server


@pytest.fixture(params=["moto", "rgw"])
def s3(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn, or those that a test names as the parameter."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def lake(s3: S3Server) -> S3Endpoint:
    """The private bucket of each server in turn, with every right."""
    return s3.owner


@pytest.fixture
def prefix() -> str:
    """A place in a bucket where nothing is yet."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def proxy(lake: S3Endpoint) -> Iterator[FaultProxy]:
    """A proxy before each server in turn, with no faults set."""
    with fault_proxy(lake) as running:
        yield running


@pytest.fixture
def lying_proxy(moto: S3Server) -> Iterator[FaultProxy]:
    """A proxy that keeps all conditions from moto."""
    with fault_proxy(moto.owner) as running:
        running.set_faults(Fault("ignore_conditions"))
        yield running


@pytest.fixture
def lying(lying_proxy: FaultProxy) -> S3Endpoint:
    """A server that carries out conditional puts and pays no heed to the condition."""
    return lying_proxy.endpoint


@pytest.fixture(scope="session")
def nanio() -> Iterator[S3Endpoint]:
    """A real server of that kind, where it is installed: `pip install nanio`."""
    pytest.importorskip("nanio", reason="nanio, a server without conditions, is not installed")
    with nanio_server() as endpoint:
        yield endpoint
