"""Our reading of HTTP/1.1 beside that of h11: whatever we take, h11 takes too, and reads the same.

What we refuse is no concern of these tests: we are meant to be stricter. The bytes are sound messages with a few
bytes changed, taken out, doubled or put in, cut into pieces anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from deston.config.model import Protocol
from deston.errors import DestonError
from deston.l7.connection import ClientConnection
from deston.l7.fields import by_name
from deston.l7.request import Request, Response, read_target
from deston.l7.stopping import Stopping
from deston.net.fake import FakeStream
from tests.builders import make_listener
from tests.properties import unhurried
from tests.unit.l7.responses import read_response

SEEDS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x?y=%20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nAccept:  */*  \r\nX-A: 1\r\nX-A: 2\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\nT: 1\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    b"HTTP/1.0 200 \r\nX-A: \xe4\r\n\r\nuntil the end",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
]
thorough = settings(unhurried, max_examples=500)
BYTES = st.one_of(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"Content-Length: 3\r\n"]),
    st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"\r\n ", b"+", b"0x"]),
    st.binary(min_size=1, max_size=2),
)
CHANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 4), BYTES), max_size=4)


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Some of these messages one behind the other, changed in a few places."""
    return st.builds(_change, st.lists(st.sampled_from(seeds), min_size=1, max_size=3).map(b"".join), CHANGES)


def _change(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, put in changes:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + removed :]
    return data


_UNFIT_TRAILER = re.compile(rb"0[^\r\n]*\r\n(?:[^\r\n]+\r\n)*[^\r\n]*(?:Transfer-Encoding|Content-Length)")
Found = list[tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]]


def our_requests(data: bytes, sizes: list[int]) -> Found:
    """The requests that we read to their end, before we refuse one or the bytes end."""
    found: Found = []

    def forward(request: Request) -> Response:
        try:
            read_target(request, by_name(request.fields))
            body = b"".join(iter(request.body.read, b""))
        except DestonError:
            return Response(400, b"Bad Request", [], 0, last=True, whole=b"")
        fields = [(name.lower(), value) for name, value in request.fields]
        found.append((request.method, request.target, fields, body))
        return Response(200, b"OK", [], 0, whole=b"")

    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    stream = FakeStream([*pieces, data])
    ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", forward, Stopping()).serve()
    return found


def their_requests(data: bytes) -> Found:
    """The requests that h11 reads to their end."""
    found: Found = []
    while (one := their_request(data)) is not None:
        read, data = one
        found.append(read)
    return found


def their_request(data: bytes) -> tuple[Any, bytes] | None:
    """The first request that h11 reads to its end, and what is behind it."""
    connection = h11.Connection(h11.SERVER)
    # RFC 9112 section 2.2 would have a server pass over empty lines.
    connection.receive_data(re.sub(rb"^(?:\r\n)+", b"", data))
    head: Any = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return (head.method, head.target, list(head.headers), body), connection.trailing_data[0]
            else:
                return None
    except h11.ProtocolError:
        return None


def is_known_to_differ(data: bytes) -> bool:
    """What h11 refuses and we need not: bytes beyond ASCII in a target, and trailers that we leave out.

    And what we leave out that h11 has: names with underscores.
    """
    return any(byte > 0x7E for byte in data) or b"_" in data or _UNFIT_TRAILER.search(data) is not None


@thorough
@given(mutated(SEEDS), st.lists(st.integers(1, 60), max_size=5))
def test_requests(data: bytes, sizes: list[int]) -> None:
    """Never two requests out of one, never another framing: what we pass on is what h11 reads, in its order."""
    if is_known_to_differ(data):
        return
    ours = our_requests(data, sizes)
    assert ours == their_requests(data)[: len(ours)]


def their_response(data: bytes) -> tuple[int, bytes] | None:
    """Status and body of the response that h11 reads, where it reads one to its end."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    status, body = 0, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.ProtocolError:
        return None


def attempt(read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or None where it refuses."""
    try:
        return read()
    except DestonError:
        return None


@thorough
@given(st.sampled_from(RESPONSES), CHANGES, st.integers(1, 40))
def test_responses(data: bytes, changes: list[tuple[int, int, bytes]], size: int) -> None:
    """What we take for a whole response is one for h11, with the same status and body."""
    changed = _change(data, changes)
    ours = attempt(lambda: read_response([changed[at : at + size] for at in range(0, len(changed), size)]))
    if ours is None or ours.status < 200 or _UNFIT_TRAILER.search(changed):
        return
    theirs = their_response(changed)
    assert theirs == (ours.status, ours.body)
