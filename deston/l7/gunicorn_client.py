"""What gunicorn lets an application do for a client beyond WSGI.

What lives here: interim responses, the expectation of 100 Continue, trailers, upgrades and the watch over a client's
connection, by way of the request and the socket that gunicorn hands over.
What must not: PEP 3333 (``environ``, ``wsgi``), and what any of it is for (``proxy``).
Invariant: under another WSGI server, or without our hook, nothing is done that PEP 3333 does not promise.
"""

from __future__ import annotations

import os
from _socket import socket as RawSocket
from collections.abc import Sequence
from typing import Any

from gevent import get_hub, getcurrent
from gevent import socket as gevent_socket

from deston.config.model import ListenerConfig
from deston.errors import ClientGone
from deston.l7 import http1
from deston.l7.fields import Field, Fields, Named
from deston.l7.headers import interim_response, response_fields, wanted_upgrade
from deston.l7.http1 import ResponseHead
from deston.l7.http2 import Http2Socket
from deston.l7.request import Request, Response, Tunnel
from deston.l7.tunnel import begin, carry
from deston.net.stream import Stream
from deston.net.tcp import reset_on_close

# Where the hook in ``gunicorn_conf`` leaves what the environ has no place for; the body object is all that hook and
# application share.
RAW_FIELDS = "deston_fields"
RAW_REQUEST = "deston_request"
_EXPECTS = "deston_expects"
_EARLY_HINTS = 103

#: Those whose request is under way.
under_way: set[GunicornClient] = set()


def keep_raw(request: Any, is_ours: bool) -> None:
    """Keep of gunicorn's request what the environ loses: the order and repeats of fields, expectation and trailers.

    The expectation is taken over, because gunicorn would answer it before the application runs; not so where some other
    application may be the one that reads the body.
    """
    setattr(request.body, RAW_FIELDS, request.headers)
    if not is_ours:
        return
    if getattr(request, "_expected_100_continue", False):
        request._expected_100_continue = False
        setattr(request.body, _EXPECTS, True)
    setattr(request.body, RAW_REQUEST, request)


class GunicornClient:
    """A client of gunicorn's, for one request of it: ``environ`` is that request's."""

    __slots__ = (
        "_early_hints", "_greenlet", "_is_own", "_request", "_send_trailers", "_socket", "_stream", "_was_told",
        "encoding", "ended", "expects", "identity", "is_http2", "is_secured", "listener", "minor_version", "number",
        "request", "sent", "tls_version", "tunnel",
    )  # fmt: skip

    def __init__(self, environ: dict[str, Any]) -> None:
        body = environ["wsgi.input"]
        self._request = getattr(body, RAW_REQUEST, None)
        self._socket = environ.get("gunicorn.socket")
        self._early_hints = environ.get("wsgi.early_hints")
        self._send_trailers = environ.get("gunicorn.http2.send_trailers")
        self._stream: Stream | None = None
        self._is_own = False
        self._was_told = False
        self._greenlet: Any = getcurrent()
        #: What an operator sees of it: the request, the tunnel that came of it, the bytes of a body that were sent.
        self.request: Request | None = None
        self.tunnel: Tunnel | None = None
        self.sent = 0
        #: By which an operator knows it, once one has asked; and with what one has ended it.
        self.number = ""
        self.ended: Exception | None = None
        self.is_http2 = self._send_trailers is not None
        #: The field lines that tell a server of its certificate, and whether it is our TLS that it speaks.
        self.identity: bytes = getattr(self._socket, "identity", b"")
        self.tls_version: str = getattr(self._socket, "tls_version", "")
        self.is_secured = isinstance(self._socket, Http2Socket)
        #: The listener that it came to, where that is certain.
        self.listener: ListenerConfig | None = getattr(self._socket, "listener", None)
        #: How gunicorn made texts of its bytes.
        self.encoding = "utf-8" if self.is_http2 else "latin-1"
        self.minor_version = 0 if environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/0.9") else 1
        #: Whether it waits for 100 Continue, and nobody has told it to go on yet.
        self.expects = bool(getattr(body, _EXPECTS, False)) and self.minor_version > 0

    @property
    def stream(self) -> Stream | None:
        """Its connection, to be waited for only, where that is a plain one under gevent; gunicorn has it, too."""
        plain = self._plain_socket
        if self._stream is None and plain is not None and plain.fileno() >= 0:
            self._stream = Stream(plain._sock)
        return self._stream

    @property
    def _plain_socket(self) -> Any:
        """gunicorn's, where there is nothing between it and the client."""
        return self._socket if type(self._socket) is gevent_socket.socket and not self.is_http2 else None

    def _take_over(self) -> bool:
        """Have a connection of its own in ``stream``, which outlives gunicorn's; whether that can be."""
        plain = self._plain_socket
        if plain is None:
            return False
        try:
            descriptor = os.dup(plain.fileno())
        except OSError:
            return False  # None is left: a request can be served without.
        self._let_go()
        self._stream = Stream(RawSocket(int(plain.family), int(plain.type), 0, fileno=descriptor))
        self._is_own = True
        return True

    def begin(self, request: Request) -> None:
        """Its request is under way, until ``close``."""
        self.request = request
        under_way.add(self)

    def end_soon(self, otherwise: Exception) -> None:
        """Have the greenlet that serves it cut the client off, by that error or gunicorn's own; for a greenlet."""
        # Not from here: a greenlet that ends hands over to the hub, and whoever threw would not go on.
        get_hub().loop.run_callback(self._throw_out, self._error_of_cut(str(otherwise), otherwise))

    def _throw_out(self, error: Exception) -> None:
        if self in under_way:  # Else the greenlet is at another request by now.
            self.ended = error
            self._greenlet.throw(error)

    def broke_off(self, error: BaseException) -> None:
        """There will be no response."""
        if self.ended is None or self.request is None:
            return  # A fault, of which gunicorn tells.
        if self.request.record is not None:
            self.request.record.end(0, error)
        self.reset()

    def close(self) -> None:
        """Wait for it no more; gunicorn goes on with its own socket."""
        under_way.discard(self)
        self.request = None  # It knows this client, by how that sends interim responses.
        self._let_go()

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if self._is_own:
            stream.close()
        else:
            stream.let_go()

    @property
    def takes_trailers(self) -> bool:
        """Whether trailers of a response can reach it: through WSGI they go in HTTP/2 alone."""
        return self.is_http2

    def send_trailers(self, trailers: Sequence[Field]) -> None:
        """Send the fields behind a response's body, before the body is said to have ended."""
        if self._send_trailers is not None and trailers:
            self._send_trailers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in trailers])

    def keep_origin(self, start_response: Any, response: Response) -> None:
        """Leave Server (in HTTP/2, Date, too) as the server sent it, where gunicorn would say its own."""
        writer: Any = getattr(start_response, "__self__", None)
        if self._request is None or not hasattr(writer, "default_headers"):
            return
        fields = response.fields
        if isinstance(fields, Fields) and not response.added and not self.is_http2:  # As mostly.
            for value in fields.named.get(b"server", ()):
                writer.version = value.decode("latin-1")
            return
        for name, value in (*fields, *response.added):
            lowered, text = name.lower(), value.decode("latin-1")
            if self.is_http2 and lowered in (b"server", b"date"):
                writer.headers.append((name.decode("latin-1"), text))
            elif lowered == b"server":
                writer.version = text

    def interim(self, head: ResponseHead) -> None:
        """Pass an interim response on, where the client can take it."""
        if self.is_http2:
            if head.status == _EARLY_HINTS and self._early_hints is not None:
                self._early_hints(response_fields(head, False, False))
        elif self._request is not None and self._socket is not None and self.minor_version:
            if head.status == http1.CONTINUE:
                if self._was_told:
                    return
                self.expects, self._was_told = False, True
            self._send(interim_response(head))

    def tell_to_send(self) -> None:
        """Send 100 Continue: the server did not."""
        self.expects, self._was_told = False, True
        self._send(http1.GO_AHEAD)

    def _send(self, data: bytes) -> None:
        try:
            if self._socket is not None:
                self._socket.sendall(data)
        except OSError as error:
            if self.ended is not None:
                raise
            raise ClientGone(f"an interim response cannot be sent: {error}") from error

    @property
    def trailers(self) -> list[Field]:
        """The fields behind the request's body, once that was read."""
        found = getattr(self._request, "trailers", None) or []
        return [(name.encode("latin-1"), value.encode(self.encoding, "replace")) for name, value in found]

    @property
    def has_body_in_frames(self) -> bool:
        """Whether a body comes in HTTP/2 whose length nobody has announced."""
        if not self.is_http2 or self._request is None:
            return False
        return not self._request.stream.body_complete or self._request.stream.body_size > 0

    @property
    def length_in_frames(self) -> int | None:
        """The length of such a body, where all of it is there already."""
        stream = self._request.stream if self._request is not None else None
        return stream.body_size if stream is not None and stream.body_complete and not self.trailers else None

    def upgrade(self, named: Named) -> bytes:
        """The protocol that the client would like to go on with, where its connection can be taken over."""
        if self._request is None or not self.minor_version:
            return b""
        wanted = wanted_upgrade(named)
        return wanted if wanted and self._take_over() else b""

    def carry(self, response: Response, tunnel: Tunnel) -> None:
        """Send the head of a response, and then bytes both ways until both sides have ended."""
        stream = self.stream
        assert stream is not None
        assert self._request is not None
        self.tunnel = tunnel
        ahead = self._request.unreader.take_buffered()
        begin(stream, response)
        carry(stream, ahead, tunnel)

    def cut(self, why: str, otherwise: Exception) -> Exception:
        """End what cannot be completed, and say with what gunicorn is told so: of HTTP/2, one stream alone."""
        self.reset()
        return self._error_of_cut(why, otherwise)

    def _error_of_cut(self, why: str, otherwise: Exception) -> Exception:
        if not self.is_http2 or self._request is None:
            return otherwise
        from gunicorn.http2.errors import HTTP2StreamError

        error: Exception = HTTP2StreamError(self._request.stream.stream_id, why)
        return error

    def reset(self) -> None:
        """End the client's connection with a reset, where it is there to be had: an end would look whole."""
        if self._socket is not None and not self.is_http2:
            if not self._is_own:
                self._let_go()  # Before its descriptor may be another's.
            reset_on_close(self._socket)
            # Right here, because most of gunicorn's workers would first end the connection in good order.
            self._socket.close()
