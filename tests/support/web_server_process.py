"""A program: a folder served as plain files over HTTP, on a port of loopback, until its input ends.

It lists folders as HTML pages and serves ranges, as nginx and Apache do; options turn either off,
make it want a password, and make it answer some paths with an error. Each request is a line in a
log. It writes its port to the file that it is given.
"""

import argparse
import base64
import html
import os
import re
import sys
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


class Handler(SimpleHTTPRequestHandler):
    """Answers one request.

    Args:
        options: Those of the command line.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, options: argparse.Namespace, **kwargs: Any) -> None:
        self._options = options
        self._left_bytes: int | None = None
        super().__init__(*args, **kwargs)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as in the base class
        """Be silent; the log has a line for each request."""

    def end_headers(self) -> None:
        """Add the header that tells of ranges."""
        if self._options.ranges:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Answer with the headers, and give the body."""
        self._left_bytes = None
        self._log()
        told = self._wanted_answer()
        if told is not None:
            self.send_error(told)
            return None
        path = self.translate_path(self.path)
        wanted = _RANGE.match(self.headers.get("Range", ""))
        if self._options.ranges and wanted and Path(path).is_file():
            return self._send_range(Path(path), wanted)
        return super().send_head()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the part of a file that was asked for, or all of it."""
        if self._left_bytes is None:
            super().copyfile(source, outputfile)
        else:
            outputfile.write(source.read(self._left_bytes))

    def list_directory(self, path: str | os.PathLike[str]) -> BytesIO | None:
        """Answer with a page of links as nginx writes it."""
        if not self._options.listing:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        names = sorted(each.name + "/" * each.is_dir() for each in Path(path).iterdir())
        links = [f'<a href="{quote(name)}">{html.escape(name)}</a>  1' for name in names]
        page = "\n".join(["<html><body><h1>Index</h1><pre>", '<a href="../">../</a>', *links])
        body = f"{page}</pre></body></html>".encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def _send_range(self, path: Path, wanted: re.Match[str]) -> BinaryIO | None:
        size = path.stat().st_size
        first, last = wanted.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start > end:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        self._left_bytes = end - start + 1
        file = path.open("rb")
        file.seek(start)
        return file

    def _wanted_answer(self) -> int | None:
        """The error to answer with, if any."""
        if self._options.password is not None:
            given = base64.b64encode(self._options.password.encode()).decode()
            if self.headers.get("Authorization") != f"Basic {given}":
                return HTTPStatus.UNAUTHORIZED
        faults = Path(self._options.faults)
        for line in faults.read_text().splitlines() if faults.exists() else []:
            status, _, pattern = line.partition(" ")
            if re.search(pattern, unquote(self.path)):
                return int(status)
        return None

    def _log(self) -> None:
        with _LOGGING, Path(self._options.log).open("a") as log:
            log.write(f"{self.command} {unquote(self.path)}\n")


_LOGGING = threading.Lock()


def main() -> None:
    """Serve until whoever started this closes its end, or is gone."""
    parser = argparse.ArgumentParser()
    for name in ("folder", "port_file", "log", "faults"):
        parser.add_argument(name)
    parser.add_argument("--password")
    parser.add_argument("--no-ranges", dest="ranges", action="store_false")
    parser.add_argument("--no-listing", dest="listing", action="store_false")
    options = parser.parse_args()
    handler = partial(Handler, options=options, directory=options.folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port_file = Path(options.port_file)
    part = port_file.with_suffix(".part")
    part.write_text(str(server.server_port))
    part.replace(port_file)
    sys.stdin.read()


if __name__ == "__main__":
    main()
