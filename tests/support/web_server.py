"""A folder that tests serve as plain files over HTTP, and what was asked for."""

import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.child_process import (
    LOOPBACK,
    answers,
    child_process,
    free_ports,
    python_module,
    wait_until,
)

_START_S = 30.0


@dataclass(frozen=True)
class WebServer:
    """A running server.

    Attributes:
        url: Of the folder, without a slash at its end.
    """

    url: str
    _folder: Path

    def requests(self) -> list[str]:
        """What was asked for since the last call, such as "GET /lake/video.delta/…"."""
        log = self._folder / "requests"
        asked = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return asked

    def set_faults(self, *faults: tuple[int, str]) -> None:
        """Answer requests for paths in which a pattern is found with a status from now on."""
        lines = (f"{status} {pattern}\n" for status, pattern in faults)
        (self._folder / "faults").write_text("".join(lines))

    def with_password(self, user_and_password: str) -> str:
        """The URL with credentials in it."""
        return self.url.replace("://", f"://{user_and_password}@")


@contextmanager
def web_server(folder: Path, *options: str) -> Generator[WebServer]:
    """Serve a folder; the options are those of `web_server_process`."""
    with tempfile.TemporaryDirectory(prefix="web-") as name:
        own = Path(name)
        port_file, log = own / "port", own / "log"
        command = python_module(
            "support.web_server_process",
            *(str(each) for each in (folder, port_file, own / "requests", own / "faults")),
            *options,
        )
        with child_process(command, log=log) as process:
            wait_until(
                port_file.exists, what="the server", logs=[log], process=process, timeout_s=_START_S
            )
            yield WebServer(f"http://{LOOPBACK}:{port_file.read_text()}", own)


@contextmanager
def python_server(folder: Path) -> Generator[str]:
    """Serve a folder with Python's own `http.server`, which knows no ranges; give the URL."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK]
    command += ["--directory", str(folder)]
    with tempfile.TemporaryDirectory(prefix="web-") as name:
        log = Path(name) / "log"
        with child_process(command, log=log) as process:
            wait_until(
                lambda: answers(port),
                what="http.server",
                logs=[log],
                process=process,
                timeout_s=_START_S,
            )
            yield f"http://{LOOPBACK}:{port}"
