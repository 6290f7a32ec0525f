"""A program: the proxy of `fault_proxy`, until its input ends. Standard library only.

Requests and answers are taken as a whole and passed on as they came, with the Host that the client
wrote, because that is what it signed. Each request goes over a connection of its own: a reused one
that the server has closed would have to be tried again, and no request may be sent twice here.
"""

import asyncio
import json
import re
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

_LOOPBACK: Final = "127.0.0.1"
_LARGEST_HEAD_BYTES: Final = 2**20
_CONDITIONS: Final = re.compile(rb"\r\n(?:if-none-match|if-match):[^\r]*", re.IGNORECASE)
_EXPECT: Final = re.compile(rb"\r\nexpect:[^\r]*", re.IGNORECASE)


@dataclass(frozen=True)
class _Message:
    """A request or an answer, as bytes to pass on."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> list[str]:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)


@dataclass
class _Rule:
    """A fault, and how often requests matched it and it struck."""

    fault: dict[str, Any]
    matched: int = 0
    struck: int = 0

    def strikes(self, entry: dict[str, Any], chance: Random) -> bool:
        fault = self.fault
        if not fnmatchcase(entry["operation"], fault["operation"]):
            return False
        if not fnmatchcase(entry["key"], fault["key"]):
            return False
        self.matched += 1
        strikes = (
            fault["nth"] in {None, self.matched}
            and (fault["times"] is None or self.struck < fault["times"])
            and chance.random() < fault["probability"]
        )
        self.struck += strikes
        return strikes


@dataclass
class _Proxy:
    """The faults in force and the log of requests."""

    server_port: int
    rules: list[_Rule] = field(default_factory=list[_Rule])
    chance: Random = field(default_factory=Random)  # noqa: S311 - Faults are no secrets.
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve the requests of one connection until one side ends it."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._serve_request(reader, writer):
                pass
        writer.close()

    async def serve_control(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry out one command of the test, a line of JSON, and answer with another."""
        with suppress(ConnectionError):
            command = json.loads(await reader.readline())
            answer: object = None
            if "faults" in command:
                self.rules = [_Rule(fault) for fault in command["faults"]]
                self.chance.seed(command["seed"])
            if "requests" in command:
                answer = self.log
            if "forget" in command:
                self.log = []
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _serve_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Serve one request; tells whether the connection can take another."""
        request = await _read_request(reader, writer)
        entry = _log_entry(request)
        self.log.append(entry)
        harm = await self._harm(entry)
        if (answer := await self._before(harm, writer)) is None:
            if harm.get("kind") == "ignore_conditions":
                request = _Message(_CONDITIONS.sub(b"", request.head), request.body)
            answer = await self._forward(request)
            entry["status"] = int(answer.first_line[1])
            answer = await self._after(harm, answer, writer)
        writer.write(answer.head + answer.body)
        await writer.drain()
        return harm.get("kind") != "truncate" and not _closes(answer.head)

    async def _harm(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The fault that strikes at a request, after all delays; empty for none."""
        for rule in self.rules:
            if rule.strikes(entry, self.chance):
                entry["faults"].append(rule.fault["kind"])
                if rule.fault["kind"] != "delay":
                    return rule.fault
                await asyncio.sleep(rule.fault["seconds"])
        return {}

    @staticmethod
    async def _before(harm: dict[str, Any], writer: asyncio.StreamWriter) -> _Message | None:
        """An answer in the server's place; None if the request is to go on."""
        match harm.get("kind"):
            case "refuse":
                return _refusal(harm["status"])
            case "hang":
                await asyncio.sleep(harm["seconds"])
                _cut(writer)
            case "reset":
                _cut(writer)
            case _:
                pass
        return None

    @staticmethod
    async def _after(
        harm: dict[str, Any], answer: _Message, writer: asyncio.StreamWriter
    ) -> _Message:
        """What the client gets of the server's answer."""
        match harm.get("kind"):
            case "refuse_after":
                return _refusal(harm["status"])
            case "hang_after":
                await asyncio.sleep(harm["seconds"])
                _cut(writer)
            case "lose_answer":
                _cut(writer)
            case "truncate":
                return _Message(answer.head, answer.body[: len(answer.body) // 2])
            case _:
                pass
        return answer

    async def _forward(self, request: _Message) -> _Message:
        reader, writer = await asyncio.open_connection(
            _LOOPBACK, self.server_port, limit=_LARGEST_HEAD_BYTES
        )
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            return await _read_answer(reader, method=request.first_line[0])
        finally:
            writer.close()


def _cut(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, so that the client sees a reset.

    Raises:
        ConnectionError: Always; the connection is of no more use.
    """
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise ConnectionAbortedError


def _refusal(status: int) -> _Message:
    return _Message(f"HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\n\r\n".encode(), b"")


def _log_entry(request: _Message) -> dict[str, Any]:
    method, target, _ = request.first_line
    url = urlsplit(target)
    _, _, key = unquote(url.path).removeprefix("/").partition("/")
    operation = method
    if method == "GET" and not key:
        operation, key = "LIST", parse_qs(url.query).get("prefix", [""])[0]
    return {
        "operation": operation,
        "key": key,
        "conditional": _CONDITIONS.search(request.head) is not None,
        "status": None,
        "faults": [],
    }


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Message:
    head = await reader.readuntil(b"\r\n\r\n")
    if _header(head, "expect"):
        head = _EXPECT.sub(b"", head)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    return _Message(head, await _read_framed_body(reader, head) or b"")


async def _read_answer(reader: asyncio.StreamReader, *, method: str) -> _Message:
    head = await reader.readuntil(b"\r\n\r\n")
    while _Message(head, b"").first_line[1].startswith("1"):
        head = await reader.readuntil(b"\r\n\r\n")
    if method == "HEAD" or _Message(head, b"").first_line[1] in {"204", "304"}:
        return _Message(head, b"")
    body = await _read_framed_body(reader, head)
    return _Message(head, await reader.read() if body is None else body)


async def _read_framed_body(reader: asyncio.StreamReader, head: bytes) -> bytes | None:
    """The body as the head announces it; None if it announces none."""
    if "chunked" in _header(head, "transfer-encoding").lower():
        return await _read_chunks(reader)
    if length := _header(head, "content-length"):
        return await reader.readexactly(int(length))
    return None


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = bytearray()
    while True:
        size = await reader.readuntil(b"\r\n")
        chunks += size
        if int(size.split(b";")[0], 16) == 0:
            break
        chunks += await reader.readexactly(int(size.split(b";")[0], 16) + 2)
    while (trailer := await reader.readuntil(b"\r\n")) != b"\r\n":
        chunks += trailer
    return bytes(chunks + b"\r\n")


def _header(head: bytes, name: str) -> str:
    """A header of a message; empty if it has none."""
    found = re.search(rb"\r\n" + name.encode() + rb":([^\r]*)", head, re.IGNORECASE)
    return found[1].decode("latin-1").strip() if found else ""


def _closes(head: bytes) -> bool:
    """Whether the connection ends after this answer."""
    framed = _header(head, "content-length") or _header(head, "transfer-encoding")
    return _header(head, "connection").lower() == "close" or not framed


async def _serve(server_port: int, port_file: Path) -> None:
    proxy = _Proxy(server_port)
    ports: Sequence[int] = [
        (await asyncio.start_server(handler, _LOOPBACK, 0, limit=_LARGEST_HEAD_BYTES))
        .sockets[0]
        .getsockname()[1]
        for handler in (proxy.serve_client, proxy.serve_control)
    ]
    part = port_file.with_suffix(".part")
    part.write_text(json.dumps(ports))
    part.replace(port_file)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
