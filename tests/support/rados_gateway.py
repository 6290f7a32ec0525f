"""Ceph's S3 server on this machine: one monitor, one storage daemon, one gateway.

All of it is one user's, on loopback, with ports of its own and its state in a folder that goes
with it. Safe for tests only: the parts of the cluster don't check each other.
"""

import json
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.child_process import (
    LOOPBACK,
    ChildProcessFailed,
    answers,
    child_process,
    ends_with_parent,
    free_ports,
    log_ends,
    wait_until,
)

PROGRAMS: Final = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
DEBIAN_PACKAGES: Final = ("ceph-mon", "ceph-osd", "radosgw")

_ATTEMPTS: Final = 3
_START_S: Final = 60.0
_PORTS: Final = 20

_CONFIGURATION: Final = """\
[global]
fsid = {fsid}
mon host = v1:{loopback}:{monitor_port}
mon initial members = a
public addr = {loopback}
cluster addr = {loopback}
ms bind ipv6 = false
ms bind msgr2 = false
ms bind port min = {first_port}
ms bind port max = {last_port}
auth cluster required = none
auth service required = none
auth client required = none
admin socket =
pid file =
run dir = {folder}
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log

# One copy of everything, on the one daemon that there is.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
# A cluster of one needs no time to agree: the start makes some twenty decisions, a second each
# by default.
paxos propose interval = 0.02
paxos min wait = 0.01

# Files are kept in memory: a start is quicker and nothing is written twice.
osd objectstore = memstore
memstore device bytes = 8589934592
osd class load list = *
osd class default list = *

# Without `tcp_nodelay` each answer waits for 40 ms.
rgw frontends = beast endpoint={loopback}:{gateway_port} tcp_nodelay=1
rgw dynamic resharding = false
rgw gc max objs = 1
rgw lc max objs = 1
rgw data log num shards = 1
rgw md log max shards = 1
rgw usage max shards = 1

[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
[client.rgw]
rgw data = {folder}/rgw
"""


@dataclass(frozen=True)
class S3User:
    """A user that the gateway knows."""

    name: str
    access_key: str
    secret_key: str


def missing_programs() -> list[str]:
    """What has to be installed before a gateway can start; empty when nothing."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def rados_gateway(users: Sequence[S3User]) -> Generator[str]:
    """A gateway that knows the users, as the URL of its S3; takes some seconds to start.

    Raises:
        ChildProcessFailed: A part didn't start in three attempts; the message has the last log.
    """
    with ExitStack() as stack:
        yield _start_gateway(users, stack=stack, attempts=_ATTEMPTS)


def _start_gateway(users: Sequence[S3User], *, stack: ExitStack, attempts: int) -> str:
    """Start all parts, one after the other; those of an attempt that failed end at once."""
    with ExitStack() as attempt:
        # A short path of its own: pytest's are too long for some of what Ceph does with it.
        folder = Path(tempfile.mkdtemp(prefix="rgw-"))
        attempt.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = _Cluster(folder, ports=free_ports(_PORTS), stack=attempt)
        try:
            cluster.start_monitor()
            cluster.start_storage()
            for user in users:
                cluster.add_user(user)
            url = cluster.start_gateway()
        except ChildProcessFailed:
            # Ports are looked for, then used: another program may have come in between.
            if attempts == 1:
                raise
        else:
            stack.push(attempt.pop_all())
            return url
    return _start_gateway(users, stack=stack, attempts=attempts - 1)


class _Cluster:
    """The parts of one gateway, started in order; `stack` ends them."""

    def __init__(self, folder: Path, *, ports: range, stack: ExitStack) -> None:
        self._folder = folder
        self._gateway_port, self._monitor_port = ports[0], ports[1]
        self._stack = stack
        self._fsid = str(uuid.uuid4())
        for part in ("mon", "osd", "rgw"):
            (folder / part).mkdir()
        self._configuration = folder / "ceph.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                fsid=self._fsid,
                folder=folder,
                loopback=LOOPBACK,
                gateway_port=self._gateway_port,
                monitor_port=self._monitor_port,
                first_port=ports[2],
                last_port=ports[-1],
            )
        )

    def start_monitor(self) -> None:
        monitors = str(self._folder / "monmap")
        address = f"[v1:{LOOPBACK}:{self._monitor_port}]"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, monitors)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", "/dev/null")
        process = self._start("mon.a", "ceph-mon", "-i", "a")
        self._wait_for_port(process, "mon.a", self._monitor_port)

    def start_storage(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "new", identity)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        deadline = time.monotonic() + _START_S
        process = self._start("osd.0", "ceph-osd", "-i", "0")
        while json.loads(self._run("ceph", "osd", "stat", "--format=json"))["num_up_osds"] != 1:
            if time.monotonic() > deadline:
                raise ChildProcessFailed(f"osd.0 did not come up.\n{log_ends(self._logs('osd.0'))}")
            if process.poll() is not None:
                # The first start may meet a monitor that doesn't know the daemon yet.
                process = self._start("osd.0", "ceph-osd", "-i", "0")

    def add_user(self, user: S3User) -> None:
        self._run(
            *("radosgw-admin", "user", "create", f"--uid={user.name}"),
            *(f"--display-name={user.name}", "--key-type=s3"),
            *(f"--access-key={user.access_key}", f"--secret-key={user.secret_key}"),
        )

    def start_gateway(self) -> str:
        process = self._start("client.rgw", "radosgw", "-n", "client.rgw")
        self._wait_for_port(process, "client.rgw", self._gateway_port)
        return f"http://{LOOPBACK}:{self._gateway_port}"

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = ends_with_parent([*self._command(program, *arguments), "-f"])
        return self._stack.enter_context(child_process(command, log=self._folder / f"{name}.out"))

    def _run(self, program: str, *arguments: str) -> str:
        command = self._command(program, *arguments)
        try:
            done = subprocess.run(  # noqa: S603 - Commands are written below.
                command, check=False, capture_output=True, text=True, timeout=_START_S
            )
        except subprocess.TimeoutExpired:
            raise ChildProcessFailed(
                f"{' '.join(command)} took over {_START_S:g} s.\n{log_ends(self._logs('mon.a'))}"
            ) from None
        if done.returncode != 0:
            raise ChildProcessFailed(
                f"{' '.join(command)} ended with code {done.returncode}."
                f"\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _command(self, program: str, *arguments: str) -> list[str]:
        if program == "monmaptool":
            return [program, *arguments]
        return [program, *arguments, "--conf", str(self._configuration)]

    def _wait_for_port(self, process: subprocess.Popen[bytes], name: str, port: int) -> None:
        wait_until(
            lambda: answers(port),
            what=name,
            logs=self._logs(name),
            process=process,
            timeout_s=_START_S,
        )

    def _logs(self, name: str) -> list[Path]:
        return [self._folder / f"{name}.log", self._folder / f"{name}.out"]
