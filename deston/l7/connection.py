"""A client's connection under our own worker: its requests, one after the other.

What lives here: reading a request off the connection, answering it, and whether another one may follow.
What must not: routing and exchanges (``proxy``), gunicorn (``worker``), the bytes of heads (``http1``).
Invariant: a request is read in one way only or refused, and after a refusal the connection is closed; a response that
breaks off resets the connection, so that it never looks whole.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from deston.clock import monotonic
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
from deston.l7.answers import refusal
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.cache import connection_cache
from deston.l7.client_body import ClientBody
from deston.l7.headers import interim_response
from deston.l7.http1 import Framing, RequestHead, ResponseHead
from deston.l7.incoming import Incoming
from deston.l7.request import Request, Response, Tunnel
from deston.l7.start import start
from deston.l7.stopping import Stopping
from deston.l7.terms import Terms, terms_of, underscores
from deston.l7.tunnel import begin, carry
from deston.net.byte_stream import ByteStream
from deston.net.hub import Turn

log: Final = logging.getLogger("deston.l7")

Forward = Callable[[Request], Response]
#: Told of each exchange: the request, its response, the bytes of the body that were sent, and the seconds it took.
Account = Callable[[Request, Response, int, float], None]
#: Answers what cannot be read as a request: to whom it came, the error, peer and scheme, and whether it is logged.
Refuse = Callable[[ListenerConfig, DestonError, str, str, bool], Response]
#: Carries bytes both ways: the client's stream, what was read of it ahead, and the server's side.
Carry = Callable[[ByteStream, bytes, Tunnel], None]

# RFC 9112 section 2.2: an empty line before a request is passed over; more than a few are no client's mistake.
MOST_EMPTY_LINES: Final = 4
# How long a connection may still begin a request while the worker stops, in seconds.
WAIT_WHEN_STOPPING: Final = 1.0


def _refused_plainly(listener: ListenerConfig, error: DestonError, peer: str, scheme: str, logs: bool) -> Response:
    return refusal(error)


class ClientConnection:
    """One client's connection.

    ``peer`` is the client's address, empty for a unix socket. Once ``stopping`` is on, no further request is to
    follow. ``account`` is told of each exchange, if there is one. ``identity`` are the field lines that tell servers of
    the client's certificate. ``refuse`` answers what cannot be read as a request.
    """

    __slots__ = (
        "_account", "_body", "_cache", "_forward", "_has_said_all", "_identity", "_incoming", "_left", "_minor_version",
        "_peer", "_refuse", "_scheme", "_stopping", "_stream", "_tls_version", "_tunnel", "_turn", "_underscores",
        "answered", "is_idle", "listener", "parks_after", "request", "rest_of_wait", "sent",
    )  # fmt: skip

    def __init__(
        self,
        stream: ByteStream,
        listener: ListenerConfig,
        peer: str,
        scheme: str,
        forward: Forward,
        stopping: Stopping,
        account: Account | None = None,
        tunnel: Carry = carry,
        identity: bytes = b"",
        refuse: Refuse = _refused_plainly,
        tls_version: str = "",
    ) -> None:
        self._refuse = refuse
        self._tls_version = tls_version
        self._stream = stream
        stream.limit_writes(listener.write_timeout)
        self._incoming = Incoming(stream)
        self.listener = listener
        self._underscores = underscores(listener.underscore_headers, listener.underscore_headers_kept)
        self._peer = peer
        self._scheme = scheme
        self._forward = forward
        self._stopping = stopping
        self._account = account
        self._tunnel = tunnel
        self._identity = identity
        self._left: float = listener.max_requests or math.inf
        self._cache = connection_cache()
        self._body: ClientBody | None = None
        self._has_said_all = False
        self._minor_version = 1
        #: The exchange that is under way: what is asked for, what it is answered with, how much of that body was sent.
        self.request: Request | None = None
        self.answered: Response | None = None
        self.sent = 0
        self._turn = Turn()
        #: Whether it waits for a request of which nothing has come.
        self.is_idle = False
        #: After how many seconds of such a wait ``serve`` returns, to be called again when something has come.
        self.parks_after = math.inf
        #: How long the wait may still be when it did, else 0.0.
        self.rest_of_wait = 0.0

    def serve(self) -> bool:
        """Serve requests until none may follow.

        Returns whether the client may still be sending, so that whoever closes the stream has to linger: it does not
        where it asked for the end itself (RFC 9112 section 9.6). A stream that broke off is reset. Where
        ``rest_of_wait`` is not 0.0 afterwards, it is not over yet.
        """
        self.rest_of_wait = 0.0
        try:
            while self._wait_for_request():
                if not self._serve_one():
                    return not self._has_said_all or self._stream.has_input()
        except (StreamError, ClientGone) as error:
            log.debug("%s: a client is gone: %s", self.listener.name, error)
            self._stream.abort()
        finally:
            self.request = None  # It knows this connection, by how it sends interim responses.
        return False

    def end_if_idle(self) -> None:
        """End it soon where it waits for a request of which nothing has come.

        The first one may be on its way behind its connection, and nobody would send it again.
        """
        if self.is_idle:
            self.parks_after = math.inf
            self._stream.expire_after(WAIT_WHEN_STOPPING if self.answered is None else 0)

    def _wait_for_request(self) -> bool:
        """Whether a request has begun; an idle client gets the keep-alive time for it."""
        incoming = self._incoming
        if not incoming.is_empty:
            self._turn.give_way()  # Only here: where nothing is there, the wait does so.
            incoming.drop_empty_lines(MOST_EMPTY_LINES)
            if not incoming.is_empty:
                return True
        self.is_idle, self.request = True, None
        seconds = self.listener.keepalive_timeout
        if self._stopping.is_on:
            seconds = min(seconds, WAIT_WHEN_STOPPING)
        self._stream.expire_after(min(seconds, self.parks_after))
        try:
            return incoming.has_more()
        except ReadTimeout:
            if self._stream.has_input():  # It came in the turn of the loop in which the time was over.
                self._stream.expire_after(self.listener.header_timeout)
                return incoming.has_more()
            self.rest_of_wait = 0.0 if self._stopping.is_on else seconds - min(seconds, self.parks_after)
            return False
        finally:
            self.is_idle = False

    def _serve_one(self) -> bool:
        """Serve one request; whether another one may follow."""
        self._left -= 1
        try:
            head = self._read_head()
        except DestonError as error:
            self._answer(self._refused(error), NO_BODY, b"", 1, False)
            return False
        self._minor_version = head.minor_version
        try:
            terms = terms_of(head, self._underscores)
        except DestonError as error:
            self._answer(self._refused(error), NO_BODY, head.method, head.minor_version, False)
            return False
        request = self.request = self._request(head, terms)
        self.answered, self.sent = None, 0
        started = monotonic() if self._account is not None else 0.0
        try:
            keep = self._exchange(request, terms.keeps)
        except BaseException as error:
            self._account_for(request, started, error)
            raise
        if request.record is not None or self._account is not None:
            self._account_for(request, started)
        return keep

    def _refused(self, error: DestonError, logs: bool = True) -> Response:
        return self._refuse(self.listener, error, self._peer, self._scheme, logs)

    def _account_for(self, request: Request, started: float, error: BaseException | None = None) -> None:
        """Tell logs of an exchange that is over, or broke off."""
        record = request.record
        if record is not None:
            if self.answered is not None and self.answered.status != record.status:
                record.failed_late(self.answered.status)
            record.end(self.sent, error)
        if self._account is not None and self.answered is not None:
            self._account(request, self.answered, self.sent, monotonic() - started)

    def _exchange(self, request: Request, keeps: bool) -> bool:
        response = self._forward(request)
        if response.tunnel is not None:
            self.answered = response
            return self._switch(response, response.tunnel)
        # Judged before the response is sent, behind which nothing is read any more.
        self._has_said_all = not keeps and request.body.is_read and self._incoming.is_empty
        keep = keeps and not response.last and self._left > 0 and not self._stopping.is_on
        return self._answer(response, request.body, request.method, request.minor_version, keep)

    def _read_head(self) -> RequestHead:
        listener, incoming = self.listener, self._incoming
        data = incoming.take(http1.END_OF_HEAD, listener.max_header_size)
        if not data or data[:1] == b"\r":
            data = self._wait_for_head(data)
        return http1.parse_request_head(data, listener.max_request_line, listener.max_header_fields)

    def _wait_for_head(self, taken: bytes) -> bytes:
        """The head of which not all is there yet, or empty lines come first."""
        listener, incoming = self.listener, self._incoming
        incoming.put_back(taken)
        self._stream.expire_after(listener.header_timeout)
        try:
            incoming.skip_empty_lines(MOST_EMPTY_LINES)
            return incoming.read_until(http1.END_OF_HEAD, listener.max_header_size, HeadTooLarge, BadRequest)
        except ReadTimeout:
            raise RequestTimeout("the client did not complete a request head in time") from None
        except StreamEnded as error:
            raise ClientGone("the client left within a request head") from error

    def _request(self, head: RequestHead, terms: Terms) -> Request:
        body, self._body = NO_BODY, None
        if terms.framing is not Framing.NONE:
            self._body = ClientBody(self._incoming, self.listener.body_timeout, terms.framing, terms.expects)
            body = RequestBody(self._body, terms.length if terms.framing is Framing.LENGTH else None)
        return Request(
            self.listener, head.method, head.target, terms.passed_on, body, self._peer, self._scheme,
            head.minor_version, terms.upgrade, terms.expects, self._interim, head.minor_version > 0, self._stream,
            self._identity, tls_version=self._tls_version, cache=self._cache,
        )  # fmt: skip

    def _interim(self, head: ResponseHead) -> None:
        """Pass an interim response on; clients of HTTP/1.0 know none (RFC 9110 section 15.2)."""
        if not self._minor_version:
            return
        if head.status == http1.CONTINUE and self._body is not None and not self._body.go_ahead():
            return
        try:
            self._stream.write(interim_response(head))
        except StreamError as error:
            raise ClientGone(f"an interim response cannot be sent: {error}") from error

    def _switch(self, response: Response, tunnel: Tunnel) -> bool:
        """Send the head of a response, and then bytes both ways; nothing follows."""
        try:
            begin(self._stream, response)
            self._stream.limit_writes(0.0)
            self._stream.expire_after(math.inf)
            self._tunnel(self._stream, self._incoming.rest(), tunnel)
        finally:
            response.close()
        return False

    def _answer(self, response: Response, body: RequestBody, method: bytes, minor_version: int, keep: bool) -> bool:
        """Send a response; whether the connection may go on. Raises ``StreamError`` where it breaks off."""
        whole = response.whole
        if whole is not None:
            keep = keep and body.is_read
            self.answered, self.sent = response, 0
            head = start(response, keep, minor_version, False)
            if method == b"HEAD":
                self._stream.write(head)
            else:
                self.sent = len(whole)
                self._stream.write_both(head, whole)
            return keep
        try:
            return self._send_pieces(response, body, method, minor_version, keep)
        except DestonError as error:
            raise StreamEnded(str(error)) from error
        finally:
            response.close()

    def _count(self, sent: int) -> None:
        """So much more of a body was sent."""
        self.sent += sent

    def _send_pieces(
        self, response: Response, body: RequestBody, method: bytes, minor_version: int, keep: bool
    ) -> bool:
        """Send a response whose body is not there yet: its head at once, and the pieces as they come."""
        stream = self._stream
        chunked = response.length is None and method != b"HEAD"
        if chunked and not minor_version:
            chunked = keep = False
        self.answered, self.sent = response, 0
        # A body that still comes is not waited for: the client may send it, or has stopped.
        keep = keep and body.is_read
        unsent = start(response, keep, minor_version, chunked)
        if method == b"HEAD":
            stream.write(unsent)
            return keep
        if not response.is_at_hand():
            stream.write(unsent)
            unsent = b""
        try:
            piece = response.read()
        except DestonError as error:
            if not unsent:
                raise
            return self._answer(self._refused(error, logs=False), body, method, minor_version, False)
        if response.send_to is not None and not chunked:
            stream.write_both(unsent, piece)
            self.sent += len(piece)
            response.send_to(stream, self._turn, self._count)
            return keep
        while piece:
            self._turn.give_way()
            self.sent += len(piece)
            if chunked:
                piece = http1.chunk(piece)
            stream.write(unsent + piece if unsent else piece)
            unsent = b""
            piece = response.read()
        if chunked:
            unsent += http1.last_chunk(response.trailers())
        if unsent:
            stream.write(unsent)
        return keep
