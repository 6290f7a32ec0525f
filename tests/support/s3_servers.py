"""S3 servers that tests start: moto's, Ceph's gateway, and one that ignores conditions.

Each is a context manager that gives an `S3Server`, whose buckets are there and empty. They listen
on loopback, take ports of their own, and are gone at the end.
"""

import json
import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.child_process import (
    LOOPBACK,
    answers,
    child_process,
    free_ports,
    python_module,
    wait_until,
)
from support.rados_gateway import S3User, rados_gateway
from support.s3_endpoint import S3Endpoint

LAKE_BUCKET: Final = "lake"
PUBLIC_BUCKET: Final = "public"
_OWNER: Final = S3User("owner", "owner-key", "owner-secret")
_READER: Final = S3User("reader", "reader-key", "reader-secret")
_START_S: Final = 60.0


@dataclass(frozen=True)
class S3Server:
    """A running server with two buckets: a private one, and one that the whole world may read."""

    name: str
    owner: S3Endpoint
    """The private bucket, with every right."""
    reader: S3Endpoint | None
    """The private bucket for a user who may list and get; None where rights aren't checked."""
    public: S3Endpoint
    """The bucket that all may read, with every right; its `anonymous()` may list and get."""


@contextmanager
def moto_server() -> Generator[S3Server]:
    """Moto's server: takes every credential and checks no rights; all in memory."""
    with tempfile.TemporaryDirectory(prefix="moto-") as name, ExitStack() as stack:
        folder = Path(name)
        log, port_file = folder / "moto.log", folder / "port"
        command = python_module("support.moto_process", str(port_file))
        process = stack.enter_context(
            child_process(command, log=log, environment=_environment_for_moto())
        )
        wait_until(port_file.exists, what="moto", logs=[log], process=process, timeout_s=_START_S)
        url = f"http://{LOOPBACK}:{port_file.read_text()}"
        yield _server("moto", url, reader=None)


@contextmanager
def ceph_server() -> Generator[S3Server]:
    """Ceph's gateway: checks signatures and rights.

    Raises:
        ChildProcessFailed: It didn't start. Whether it is installed: `missing_programs`.
    """
    with rados_gateway([_OWNER, _READER]) as url:
        reader = S3Endpoint(url, LAKE_BUCKET, _READER.access_key, _READER.secret_key)
        server = _server("ceph", url, reader=reader)
        _allow(server.owner, {"AWS": [f"arn:aws:iam:::user/{_READER.name}"]})
        yield server


@contextmanager
def nanio_server() -> Generator[S3Endpoint]:
    """A server that takes a conditional put as if it had no condition: unfit for a lake."""
    with tempfile.TemporaryDirectory(prefix="nanio-") as name:
        folder = Path(name)
        (folder / "data" / LAKE_BUCKET).mkdir(parents=True)
        port = free_ports(1)[0]
        log = folder / "nanio.log"
        command = [
            *(sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder / "data")),
            *("--host", LOOPBACK, "--port", str(port)),
        ]
        environment = dict(os.environ) | {
            "NANIO_ACCESS_KEY": _OWNER.access_key,
            "NANIO_SECRET_KEY": _OWNER.secret_key,
        }
        with child_process(command, log=log, environment=environment) as process:
            wait_until(
                lambda: answers(port), what="nanio", logs=[log], process=process, timeout_s=_START_S
            )
            yield _endpoint(f"http://{LOOPBACK}:{port}", LAKE_BUCKET)


def _server(name: str, url: str, *, reader: S3Endpoint | None) -> S3Server:
    """A server that is up, with its buckets made."""
    owner, public = _endpoint(url, LAKE_BUCKET), _endpoint(url, PUBLIC_BUCKET)
    for endpoint in (owner, public):
        with endpoint.client(attempts=10) as client:
            client.create_bucket(Bucket=endpoint.bucket)
    # Head belongs to Get everywhere but in moto, which asks for a right that Ceph doesn't know.
    _allow(public, "*", more=["s3:HeadObject"] if name == "moto" else [])
    return S3Server(name, owner=owner, reader=reader, public=public)


def _endpoint(url: str, bucket: str) -> S3Endpoint:
    return S3Endpoint(url, bucket, _OWNER.access_key, _OWNER.secret_key)


def _allow(endpoint: S3Endpoint, principal: object, *, more: Sequence[str] = ()) -> None:
    """Let somebody list the bucket and get what is in it."""
    bucket = f"arn:aws:s3:::{endpoint.bucket}"
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject", *more],
        "Resource": [bucket, f"{bucket}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with endpoint.client() as client:
        client.put_bucket_policy(Bucket=endpoint.bucket, Policy=policy)


def _environment_for_moto() -> dict[str, str]:
    """Without what a test run set for its own clients: moto calls the same libraries."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
