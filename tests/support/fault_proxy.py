"""A proxy before an S3 server that does harm on request, and keeps a log of all requests.

The proxy is a process of its own (`fault_proxy_process`); this is what tests hold of it:

```python
with fault_proxy(server.owner) as proxy:
    proxy.set_faults(Fault("lose_answer", operation="PUT", key="*/_delta_log/*.json", nth=1))
    write(proxy.endpoint)
    assert proxy.counts()["PUT"] == 2
```
"""

import json
import socket
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from support.child_process import LOOPBACK, child_process, python_module, wait_until
from support.s3_endpoint import S3Endpoint

FaultKind = Literal[
    "delay",
    "refuse",
    "refuse_after",
    "reset",
    "lose_answer",
    "truncate",
    "hang",
    "hang_after",
    "ignore_conditions",
]
"""What happens to a request.

- `delay`: it is served `seconds` later. Other faults may strike as well.
- `refuse`: it is answered with `status`; the server never sees it.
- `refuse_after`: the server carries it out, but the answer is `status`.
- `reset`: the connection is cut; the server never sees it.
- `lose_answer`: the server carries it out, and the connection is cut.
- `truncate`: half the body of the answer comes, then the connection ends. An answer without a
  body comes whole.
- `hang`: nothing happens for `seconds`, then the connection is cut; the server never sees it.
- `hang_after`: the server carries it out; nothing comes for `seconds`, then the connection is cut.
- `ignore_conditions`: the server gets it without If-Match and If-None-Match, which makes a server
  that lies. One that checks signatures refuses the request instead: the headers are signed.
"""

_START_S: Final = 20.0


@dataclass(frozen=True)
class Fault:
    """One kind of harm and the requests that it comes to; the first fault that strikes counts."""

    kind: FaultKind
    operation: str = "*"
    """Pattern for the operation of a request: GET, PUT, …, or LIST."""
    key: str = "*"
    """Pattern for the key, as a shell would match a name; `*` takes slashes too."""
    nth: int | None = None
    """Strikes at this matching request only, counted from 1 when the faults are set."""
    times: int | None = None
    """Strikes at most this often."""
    probability: float = 1.0
    """Drawn with the seed of `set_faults`, a draw for each matching request."""
    seconds: float = 0.0
    status: int = 503


@dataclass(frozen=True)
class Request:
    """One request that reached the proxy."""

    operation: str
    """The method; LIST for one that lists keys."""
    key: str
    """Without the bucket; the prefix for a LIST."""
    conditional: bool
    """Whether it is to be carried out only if there is no such key, or only for one ETag."""
    status: int | None
    """The server's answer, which isn't always the client's; None if there was none."""
    faults: tuple[str, ...]
    """The kinds that struck."""


@dataclass(frozen=True)
class FaultProxy:
    """A running proxy; any thread may use it."""

    endpoint: S3Endpoint
    """The bucket, reached through the proxy."""
    control_port: int

    def through(self, endpoint: S3Endpoint) -> S3Endpoint:
        """Another bucket or user of the same server, reached through the proxy."""
        return replace(endpoint, url=self.endpoint.url)

    def set_faults(self, *faults: Fault, seed: int = 0) -> None:
        """From now on these faults strike, and no others; none for an honest proxy."""
        self._ask({"faults": [asdict(fault) for fault in faults], "seed": seed})

    def requests(self) -> list[Request]:
        """What came since the start or `forget_requests`, in the order in which it came."""
        return [
            Request(**entry | {"faults": tuple(entry["faults"])})
            for entry in self._ask({"requests": True})
        ]

    def forget_requests(self) -> None:
        """Start the log anew."""
        self._ask({"forget": True})

    def counts(self) -> Counter[str]:
        """How many requests of each operation came."""
        return Counter(request.operation for request in self.requests())

    def _ask(self, command: dict[str, Any]) -> Any:
        with (
            socket.create_connection((LOOPBACK, self.control_port), timeout=_START_S) as connection,
            connection.makefile("rwb") as lines,
        ):
            lines.write(json.dumps(command).encode() + b"\n")
            lines.flush()
            return json.loads(lines.readline())


@contextmanager
def fault_proxy(endpoint: S3Endpoint) -> Generator[FaultProxy]:
    """A proxy before the server of an endpoint, with no faults set."""
    with tempfile.TemporaryDirectory(prefix="fault-proxy-") as name:
        log, port_file = Path(name) / "proxy.log", Path(name) / "ports"
        server_port = urlsplit(endpoint.url).port
        command = python_module("support.fault_proxy_process", str(server_port), str(port_file))
        with child_process(command, log=log) as process:
            wait_until(
                port_file.exists, what="proxy", logs=[log], process=process, timeout_s=_START_S
            )
            port, control_port = json.loads(port_file.read_text())
            yield FaultProxy(replace(endpoint, url=f"http://{LOOPBACK}:{port}"), control_port)
