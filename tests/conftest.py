"""How thoroughly laws are tried, and the S3 servers that tests of several folders run on.

`--hypothesis-profile thorough` takes its time. Moto's server comes with the development packages;
Ceph's gateway is tested where it is installed, and CI has to have it; `.ci/run` installs it.
"""

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.rados_gateway import DEBIAN_PACKAGES, missing_programs
from support.s3_servers import S3Server, ceph_server, moto_server

# The same examples in every run, so that a red run is about the change; no deadline, since how
# long an example takes says more about the machine than about the code.
settings.register_profile("ordinary", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ordinary")


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
def prefix() -> str:
    """A place in a bucket where nothing is yet."""
    return f"test-{uuid.uuid4().hex}"
