"""That clients notice what is wrong: against servers that answer as they should, or in one way as they must not."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from scripts.soak import patterns
from scripts.soak.answering import RESET, Answers, chunked
from scripts.soak.client import Client, kind_of
from scripts.soak.http_client import HttpClient
from scripts.soak.model import BROKEN, HTTP, TCP, WRONG
from scripts.soak.tally import Tally
from scripts.soak.tcp_client import TcpClient
from scripts.soak.telling import Teller

SEED = 3
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Answers]:
    """A server that answers as it should."""
    made = Answers("a", Tally(tmp_path / "tally"))
    yield made
    made.tally.close()


def converse(handle: Handle, kind: type[Client]) -> str:
    """One conversation of one exchange with a server; the failure that it ends with, or nothing."""

    async def run() -> str:
        served = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            await handle(reader, writer)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        ends = asyncio.Event()
        ends.set()
        teller = Teller(TCP if kind is TcpClient else HTTP)
        client = kind(host, port, "x", random.Random(SEED), teller, ends)
        kind_of_failure = ""
        async with server:
            try:
                await client.converse()
            except Exception as error:
                kind_of_failure = kind_of(error)
            # Whatever is open is closed in one of the loop's next turns.
            await asyncio.gather(*(one for one in served if one), asyncio.sleep(0))
        return kind_of_failure

    return asyncio.run(run())


def answering(answer: Callable[[str, bytes], bytes]) -> Handle:
    """A server that reads a head, and sends what is made of the request's key and its content."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        _, _, key, size = target.split("/")
        writer.write(answer(key, patterns.body(key, int(size))))
        writer.close()

    return handle


def response(key: str, content: bytes, sent: bytes) -> bytes:
    """A response that says that it is ``content``, and is ``sent``."""
    head = f"HTTP/1.1 200 OK\r\nX-Server: a\r\nX-Key: {key}\r\nX-Sum: {patterns.checksum(content)}\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + sent


@pytest.mark.parametrize("kind", [TcpClient, HttpClient])
def test_a_right_answer_is_no_failure(answers: Answers, kind: type[Client]) -> None:
    """What the soak's own servers say is what its clients expect, and both have counted it."""
    assert converse(answers.echo if kind is TcpClient else answers.http, kind) == ""
    assert sum(answers.tally.read().values()) == 1


@pytest.mark.parametrize("kind", [TcpClient, HttpClient])
def test_what_is_broken_off_is_broken(answers: Answers, kind: type[Client]) -> None:
    """An answer whose second half does not come is told apart from one that is wrong."""
    answers.mode = RESET
    assert converse(answers.echo if kind is TcpClient else answers.http, kind) == BROKEN


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda key, content: response(key, content, chunked(content)), ""),
        (lambda key, content: response(key, content, chunked(content)[:-5]), BROKEN),
        (lambda key, content: response(key, content, chunked(content[:-1])), WRONG),
        (lambda key, content: response(key, content, chunked(b"x" + content[1:])), WRONG),
        (lambda key, content: response("another", content, chunked(content)), WRONG),
        (lambda key, content: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", WRONG),
        (lambda key, content: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
    ],
    ids=["right", "without its end", "too short", "other bytes", "another's", "another status", "Deston's own"],
)
def test_an_answer_is_read_strictly(answer: Callable[[str, bytes], bytes], kind: str) -> None:
    """One that says that it is whole and is not, or is another's, is wrong; one that breaks off is broken."""
    assert converse(answering(answer), HttpClient) == kind
