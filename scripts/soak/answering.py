"""What a server of the soak answers.

What lives here: TCP and UDP echo, HTTP with known bodies, WebSocket echo; and breaking all of that off half-way.
What must not: ports, the process.
Invariant: an answer names its server, and what is not whole ends in a reset, or in an end that comes too early.
"""

from __future__ import annotations

import asyncio
import http
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from scripts.soak import patterns
from scripts.soak.model import HTTP, TCP, UDP, WS
from scripts.soak.tally import Tally

#: The modes of a server: as it should, or breaking off each answer half-way.
SERVE, RESET = "serve", "reset"
#: How checks over TCP and UDP begin, which no client counts.
CHECK = b"check"
HEALTH = "/health"
GREETING = "soak"
PIECE = 1 << 16
# How long an HTTP answer takes at most, in seconds, and how many come in halves with as much between them.
THINKS, SHARE_IN_HALVES = 0.1, 0.3
_LINGER_NOT = struct.pack("ii", 1, 0)
_END = b"\r\n\r\n"

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class BrokenOff(Exception):
    """The peer left, or we did."""


def reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection with a reset."""
    found: socket.socket | None = transport.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    cast(asyncio.Transport, transport).abort()


class Answers:
    """The handlers of a server; ``mode`` may change at any time."""

    def __init__(self, name: str, tally: Tally) -> None:
        self.name = name
        self.tally = tally
        self.mode = SERVE
        self._broken = 0
        self._rng = random.Random(name)

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """TCP: a line with our name, then what comes."""
        await self._guard(self._echo, reader, writer)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1: request after request."""
        await self._guard(self._http, reader, writer)

    async def _guard(self, handle: Handle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (OSError, BrokenOff, asyncio.IncompleteReadError):
            writer.transport.abort()
            return
        writer.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{GREETING} {self.name}\n".encode())
        is_counted = False
        while data := await reader.read(PIECE):
            if not is_counted and not data.startswith(CHECK):
                self.tally.add(TCP)
                is_counted = True
            if self.mode == RESET:
                self._break_off(writer, data)
            writer.write(data)
            await writer.drain()

    def _break_off(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """Send half of an answer, and end the connection: in good order each second time."""
        writer.write(answer[: len(answer) // 2])
        self._broken += 1
        if self._broken % 2:
            reset(writer.transport)
        else:
            writer.close()
        raise BrokenOff

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            line, *fields = head.decode("latin-1").split("\r\n")
            method, target, _ = line.split(" ")
            named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            sent = await _read_body(reader, named)
            if target != HEALTH:
                self.tally.add(HTTP)
            answer = self._answer(method, target, sent)
            if self.mode == RESET:
                self._break_off(writer, b"" if target == HEALTH else answer)
            if target == HEALTH:
                writer.write(answer)
            else:
                await self._send_slowly(writer, answer)

    async def _send_slowly(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """Take some time for each answer, and some more in the midst of it: so faults find answers under way."""
        await asyncio.sleep(self._rng.uniform(0, THINKS))
        half = len(answer) // 2 if self._rng.random() < SHARE_IN_HALVES else len(answer)
        writer.write(answer[:half])
        await writer.drain()
        if half < len(answer):
            await asyncio.sleep(self._rng.uniform(0, THINKS))
            writer.write(answer[half:])
            await writer.drain()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return (await reader.readuntil(_END)).removesuffix(_END)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return b""

    def _answer(self, method: str, target: str, sent: bytes) -> bytes:
        """The whole response to /FORM/KEY/SIZE: so many bytes of the key, or what was sent where that is a POST."""
        _, form, *rest = target.split("/")
        key = rest[0] if rest else ""
        content = patterns.body(key, int(rest[1])) if method == "GET" and key else sent
        head = f"HTTP/1.1 200 OK\r\nX-Server: {self.name}\r\nX-Key: {key}\r\nX-Sum: {patterns.checksum(content)}\r\n"
        if form == "chunked":
            return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(content)
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    async def websocket(self, connection: ServerConnection) -> None:
        """WebSocket: a text with our name, then what comes."""
        self.tally.add(WS)
        try:
            await connection.send(f"{GREETING} {self.name}")
            async for message in connection:
                if self.mode == RESET:
                    reset(connection.transport)
                    return
                await connection.send(message)
        except ConnectionClosed:
            return

    def check_of_websockets(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a check, which asks for no WebSocket."""
        if request.path != HEALTH:
            return None
        is_well = self.mode == SERVE
        return connection.respond(http.HTTPStatus.OK if is_well else http.HTTPStatus.SERVICE_UNAVAILABLE, "checked\n")


class Echo(asyncio.DatagramProtocol):
    """UDP: our name and a space, then what came; nothing while answers are broken off."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self._answers.mode == RESET or self._transport is None:
            return
        if not data.startswith(CHECK):
            self._answers.tally.add(UDP)
        self._transport.sendto(self._answers.name.encode() + b" " + data, address)


def chunked(content: bytes, piece: int = 7000) -> bytes:
    """A body in chunks."""
    cut = (content[at : at + piece] for at in range(0, len(content), piece))
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in cut) + b"0\r\n\r\n"


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    if fields.get("transfer-encoding", "").lower() != "chunked":
        return b""
    return await read_chunks(reader)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, to its very end; raises ``asyncio.IncompleteReadError`` where that does not come."""
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
    return b"".join(parts)
