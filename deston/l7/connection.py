"""A client's connection under our own worker: its requests, one after the other.

What lives here: reading a request off the connection, answering it, and whether another one may follow.
What must not: routing and exchanges (``proxy``), gunicorn (``worker``), the bytes of heads (``http1``).
Invariant: a request is read in one way only or refused, and after a refusal the connection is closed; a response that
breaks off resets the connection, so that it never looks whole.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from deston.config.model import ListenerConfig
from deston.errors import (
    BadRequest,
    ClientGone,
    DestonError,
    HeadTooLarge,
    ReadTimeout,
    RequestTimeout,
    StreamEnded,
    StreamError,
)
from deston.l7 import http1
from deston.l7.body import ChunkedBody, Incoming, RequestBody
from deston.l7.headers import connection_options
from deston.l7.http1 import Field, Framing, RequestHead
from deston.l7.proxy import refusal
from deston.l7.request import Request, Response, Tunnel
from deston.l7.tunnel import carry
from deston.net.hub import Turn
from deston.net.stream import ByteStream

log = logging.getLogger("deston.l7")

Forward = Callable[[Request], Response]
#: Told of each exchange: the request, its response, the bytes of the body that were sent, and the seconds it took.
Account = Callable[[Request, Response, int, float], None]
#: Carries bytes both ways: the client's stream, what was read of it ahead, and the server's side.
Carry = Callable[[ByteStream, bytes, Tunnel], None]

# RFC 9112 section 2.2: an empty line before a request is passed over; more than a few are no client's mistake.
MOST_EMPTY_LINES = 4
# How long a connection may still begin a request while the worker stops, in seconds.
WAIT_WHEN_STOPPING = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection:
    """One client's connection.

    ``peer`` is the client's address, empty for a unix socket. ``is_stopping`` says that no further request is to
    follow. ``account`` is told of each exchange, if there is one.
    """

    __slots__ = (
        "_account", "_answered", "_forward", "_incoming", "_is_stopping", "_left", "_listener", "_peer", "_scheme",
        "_sent", "_stream", "_tunnel", "_turn", "is_idle",
    )  # fmt: skip

    def __init__(
        self,
        stream: ByteStream,
        listener: ListenerConfig,
        peer: str,
        scheme: str,
        forward: Forward,
        is_stopping: Callable[[], bool],
        account: Account | None = None,
        tunnel: Carry = carry,
    ) -> None:
        self._stream = stream
        self._incoming = Incoming(stream)
        self._listener = listener
        self._peer = peer
        self._scheme = scheme
        self._forward = forward
        self._is_stopping = is_stopping
        self._account = account
        self._tunnel = tunnel
        self._left: float = listener.max_requests or math.inf
        # What the exchange that is under way is answered with, and how much of its body was sent.
        self._answered: Response | None = None
        self._sent = 0
        self._turn = Turn()
        #: Whether it waits for a request of which nothing has come.
        self.is_idle = False

    def serve(self) -> bool:
        """Serve requests until none may follow.

        Returns whether the client may still be sending, so that whoever closes the stream has to linger. A stream that
        broke off is reset.
        """
        try:
            while self._wait_for_request():
                if not self._serve_one():
                    return True
        except (StreamError, ClientGone) as error:
            log.debug("%s: a client is gone: %s", self._listener.name, error)
            self._stream.abort()
        return False

    def end_if_idle(self) -> None:
        """End it soon where it waits for a request of which nothing has come."""
        if self.is_idle:
            self._stream.expire_after(0)

    def _wait_for_request(self) -> bool:
        """Whether a request has begun; an idle client gets the keep-alive time for it."""
        self._turn.give_way()
        self._incoming.drop_empty_lines(MOST_EMPTY_LINES)
        if not self._incoming.is_empty:
            return True
        self.is_idle = True
        seconds = self._listener.keepalive_timeout
        self._stream.expire_after(min(seconds, WAIT_WHEN_STOPPING) if self._is_stopping() else seconds)
        try:
            return self._incoming.has_more()
        except ReadTimeout:
            return False
        finally:
            self.is_idle = False

    def _serve_one(self) -> bool:
        """Serve one request; whether another one may follow."""
        self._left -= 1
        try:
            head = self._read_head()
        except DestonError as error:
            self._answer(refusal(error), b"", 1, False)
            return False
        try:
            body = self._body(head)
        except DestonError as error:
            self._answer(refusal(error), head.method, head.minor_version, False)
            return False
        request = self._request(head, body)
        if self._account is None:
            return self._exchange(request, head)
        started = time.monotonic()
        try:
            return self._exchange(request, head)
        finally:
            if self._answered is not None:
                self._account(request, self._answered, self._sent, time.monotonic() - started)

    def _exchange(self, request: Request, head: RequestHead) -> bool:
        self._answered, self._sent = None, 0
        response = self._forward(request)
        if response.tunnel is not None:
            self._answered = response
            return self._switch(response, response.tunnel)
        keep = self._may_follow(head) and not response.last
        return self._answer(response, head.method, head.minor_version, keep, request.body) and request.body.is_read

    def _read_head(self) -> RequestHead:
        listener, incoming = self._listener, self._incoming
        self._stream.expire_after(listener.header_timeout)
        try:
            incoming.skip_empty_lines(MOST_EMPTY_LINES)
            data = incoming.read_until(http1.END_OF_HEAD, listener.max_header_size, HeadTooLarge, BadRequest)
        except ReadTimeout:
            raise RequestTimeout("the client did not complete a request head in time") from None
        except StreamEnded as error:
            raise ClientGone("the client left within a request head") from error
        return http1.parse_request_head(data, listener.max_request_line, listener.max_header_fields)

    def _body(self, head: RequestHead) -> RequestBody:
        framing, length = http1.request_framing(head)
        if framing is Framing.NONE:
            return RequestBody(None, 0)
        waits = head.minor_version == 1 and _expects(head)
        source = ClientBody(self._incoming, self._listener.body_timeout, framing, waits)
        return RequestBody(source, length if framing is Framing.LENGTH else None)

    def _request(self, head: RequestHead, body: RequestBody) -> Request:
        return Request(
            self._listener, head.method, head.target, _passed_on(head), body, self._peer, self._scheme,
            head.minor_version, _upgrade(head, body),
        )  # fmt: skip

    def _may_follow(self, head: RequestHead) -> bool:
        options = connection_options(head.named)
        asked = b"close" not in options if head.minor_version else b"keep-alive" in options
        return asked and self._left > 0 and not self._is_stopping()

    def _switch(self, response: Response, tunnel: Tunnel) -> bool:
        """Send the head of a response, and then bytes both ways; nothing follows."""
        try:
            self._stream.expire_after(self._listener.write_timeout)
            self._stream.write(http1.response_head(response.status, response.reason, response.fields, False, b""))
            self._stream.expire_after(math.inf)
            self._tunnel(self._stream, self._incoming.rest(), tunnel)
        finally:
            response.close()
        return False

    def _answer(
        self, response: Response, method: bytes, minor_version: int, keep: bool, body: RequestBody | None = None
    ) -> bool:
        """Send a response; whether the connection may go on. Raises ``StreamError`` where it breaks off."""
        try:
            first = b"" if method == b"HEAD" else response.read()
        except DestonError as error:
            response.close()
            response = refusal(error)
            first = b"" if method == b"HEAD" else response.read()
            keep = False
        try:
            return self._send(response, first, method, minor_version, keep and (body is None or body.is_read))
        except DestonError as error:
            raise StreamEnded(str(error)) from error
        finally:
            response.close()

    def _send(self, response: Response, first: bytes, method: bytes, minor_version: int, keep: bool) -> bool:
        write, limit = self._stream.write, self._listener.write_timeout
        chunked = response.length is None and method != b"HEAD"
        if chunked and not minor_version:
            chunked = keep = False
        self._answered, self._sent = response, len(first)
        option = _option(keep, minor_version)
        head = http1.response_head(response.status, response.reason, response.fields, chunked, option)
        self._stream.expire_after(limit)
        if response.length is not None and len(first) == response.length or method == b"HEAD":
            write(head + first)
            return keep
        piece = first
        write(head + (http1.chunk(piece) if chunked and piece else piece))
        while piece:
            piece = response.read()
            self._turn.give_way()
            self._stream.expire_after(limit)
            self._sent += len(piece)
            if piece:
                write(http1.chunk(piece) if chunked else piece)
        if chunked:
            write(http1.LAST_CHUNK)
        return keep


def _upgrade(head: RequestHead, body: RequestBody) -> bytes:
    """The protocol that a client would like to go on with; with a body, or in HTTP/1.0, there is none.

    HTTP/2 is not asked for: requests to a server that took it up would go past routes and rules.
    """
    wanted = head.named.get(b"upgrade")
    if wanted is None or not body.is_empty or not head.minor_version:
        return b""
    value = b", ".join(wanted)
    if b"upgrade" not in connection_options(head.named) or b"h2c" in value.lower():
        return b""
    return value


def _expects(head: RequestHead) -> bool:
    return any(value.lower() == b"100-continue" for value in head.named.get(b"expect", ()))


def _passed_on(head: RequestHead) -> list[Field]:
    """The fields of a request that the proxy sees: the expectation is answered here, and names with underscores go.

    A server that speaks CGI cannot tell them from those with dashes (defaults.md, "Underscore headers").
    """
    fields = head.fields
    if b"expect" in head.named and _expects(head):
        fields = [field for field in fields if field[0].lower() != b"expect"]
    if any(b"_" in name for name in head.named):
        fields = [field for field in fields if b"_" not in field[0]]
    return fields


def _option(keep: bool, minor_version: int) -> bytes:
    """What ``Connection`` has to say: nothing where the version's own rule holds."""
    if not keep:
        return b"close"
    return b"" if minor_version else b"keep-alive"


class ClientBody:
    """A request's body as it comes, with errors in our terms."""

    __slots__ = ("_chunks", "_incoming", "_seconds", "_waits")

    def __init__(self, incoming: Incoming, seconds: float, framing: Framing, waits: bool) -> None:
        self._incoming = incoming
        self._seconds = seconds
        self._chunks = ChunkedBody(incoming, BadRequest) if framing is Framing.CHUNKED else None
        self._waits = waits

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes; empty at the end."""
        stream = self._incoming.stream
        stream.expire_after(self._seconds)
        try:
            if self._waits:
                self._waits = False
                if self._incoming.is_empty:
                    stream.write(_CONTINUE)
            return self._incoming.read(limit) if self._chunks is None else self._chunks.read()
        except ReadTimeout:
            raise RequestTimeout("the client's body did not come in time") from None
        except StreamError as error:
            raise ClientGone(f"the client's body cannot be read: {error}") from error
