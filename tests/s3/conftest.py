"""What tests on S3 take: a bucket for a test, a proxy before it, servers that lie."""

from collections.abc import Iterator

import pytest

from support.fault_proxy import Fault, FaultProxy, fault_proxy
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server, nanio_server


@pytest.fixture
def lake(s3: S3Server) -> S3Endpoint:
    """The private bucket of each server in turn, with every right."""
    return s3.owner


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
