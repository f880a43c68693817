"""A WSGI application in this process as a server: ``wsgi:package.module:app``.

What lives here: finding the application, the environ that it gets, and its response in our terms.
What must not: which requests it gets (the pool picks it as any other server), the adapters' side of WSGI (``wsgi``).
Invariant: the application sees the request that a server would be sent; what it does wrong costs its own exchange.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from deston.balancer.pool import Lease
from deston.errors import ApplicationError, BadResponse, DestonError, StartError
from deston.l7 import http1
from deston.l7.body import RequestBody
from deston.l7.fields import Field, by_name
from deston.l7.headers import HOP_BY_HOP, connection_options, without_hop_by_hop
from deston.l7.http1 import RequestHead
from deston.l7.record import BROKE_OFF
from deston.l7.request import Request, Response
from deston.loading import load_object
from deston.repeats import seldom

log: Final = logging.getLogger("deston.l7")

WsgiApplication = Callable[..., Iterable[bytes]]

_WITHOUT_BODY: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_MOST_FIELDS: Final = 1000
_LONGEST_LINE: Final = 1 << 20
_NOT_REPEATED: Final = frozenset({b"content-type", b"content-length"})


@cache
def find_application(name: str) -> WsgiApplication:
    """The application ``package.module:app``; modules are found in the current folder, too. Raises ``StartError``."""
    found = load_object(name, "application")
    if not callable(found):
        raise StartError(f"the application {name} cannot be called")
    application: WsgiApplication = found
    return application


def call(lease: Lease, request: Request, head: bytes) -> Response:
    """The response of the application that a lease is on, to the request that begins with ``head``.

    Raises ``ApplicationError`` where it fails before its response begins.
    """
    name = lease.server.address.application
    parsed = http1.parse_request_head(head, _LONGEST_LINE, _MOST_FIELDS)
    started = _Started()
    try:
        pieces = find_application(name)(_environ(parsed, request), started)
        return _Hosted(lease, name, pieces, started, request).response()
    except DestonError:
        raise
    except (Exception, SystemExit) as error:  # Whatever it is, it is the application's.
        _tell("the application %s failed: %s", name, error)
        raise ApplicationError(f"the application {name} failed: {type(error).__name__}") from error


def _tell(message: str, name: str, error: BaseException) -> None:
    seldom(log, logging.ERROR, message, name, type(error).__name__, error=error)


class _Started:
    """PEP 3333's ``start_response``."""

    def __init__(self) -> None:
        self.status = ""
        self.fields: list[tuple[str, str]] = []
        self.written: list[bytes] = []
        self.has_begun = False

    def __call__(self, status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info and self.has_begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and not exc_info:
            raise AssertionError("start_response was called twice")
        self.status, self.fields = status, fields
        return self.written.append


class _Hosted:
    """A response that an application gives piece by piece; its lease ends with it."""

    def __init__(
        self,
        lease: Lease,
        name: str,
        pieces: Iterable[bytes],
        started: _Started,
        request: Request,
    ) -> None:
        self._lease = lease
        self._name = name
        self._iterable = pieces
        self._pieces: Iterator[bytes] = iter(pieces)
        self._started = started
        self._is_open = True
        self._is_head = request.method == b"HEAD"
        self._has_body = True
        self._record = request.record
        self._carried = request.carried
        self._began = time.monotonic()
        self._left = -1  # Of a body whose length was said.

    def response(self) -> Response:
        """The response, whose head is complete with the first piece."""
        try:
            first = self._next()
            if not self._started.status:
                raise AssertionError("start_response was not called")
            self._started.has_begun = True
            status, reason, fields = self._head()
        except BaseException:
            self._close_pieces()
            raise
        if status < HTTPStatus.OK:
            raise BadResponse(f"{self._name} gave an interim status, which PEP 3333 has no place for")
        named = by_name(fields)
        length = http1.content_length(named, BadResponse)
        # What has no body (RFC 9110 section 6.4.1) has none, whatever the application gives.
        self._has_body = not self._is_head and status not in _WITHOUT_BODY
        if status == HTTPStatus.NO_CONTENT:
            fields = [field for field in fields if field[0].lower() != b"content-length"]
        if not self._has_body:
            length = 0
        self._left = -1 if length is None else length
        ahead = [first] if first and self._has_body else []
        kept = without_hop_by_hop(fields, connection_options(named))
        if b"date" not in named:
            kept.append((b"Date", formatdate(usegmt=True).encode()))

        def read() -> bytes:
            return self._counted(ahead.pop() if ahead else self._next_or_cut())

        if not self._has_body:
            self.close()
            return Response(status, reason, kept, 0, whole=b"")
        return Response(status, reason, kept, length, read, self.close, is_at_hand=lambda: True)

    def _head(self) -> tuple[int, bytes, list[Field]]:
        code, _, phrase = self._started.status.partition(" ")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._started.fields]
        lines = [field for field in fields if field[0].lower() not in HOP_BY_HOP]
        # What is no head of HTTP must not become one.
        head = http1.parse_response_head(http1.response_head(int(code), phrase.encode("latin-1"), lines) + b"\r\n")
        if len(head.fields) != len(lines):
            raise BadResponse(f"a field of {self._name} is several lines")
        return head.status, head.reason, list(head.fields)

    def _next(self) -> bytes:
        """The next piece that is not empty; empty at the end."""
        written = self._started.written
        while not written:
            piece = next(self._pieces, None)
            if piece is None:
                return b"".join(written)
            if piece:
                written.append(piece)
        piece = b"".join(written)
        written.clear()
        return piece

    def _next_or_cut(self) -> bytes:
        if not self._is_open:
            return b""
        try:
            return self._next()
        except DestonError:
            raise
        except (Exception, SystemExit) as error:
            if self._record is not None:
                self._record.code = BROKE_OFF
            _tell("the application %s failed within its response: %s", self._name, error)
            raise BadResponse(f"the application {self._name} failed within its response") from error

    def _counted(self, piece: bytes) -> bytes:
        """A piece of a body, which must be as long as was said."""
        self._lease.server.bytes_out += len(piece)
        self._carried.sent += len(piece)
        if self._left >= 0:
            if len(piece) > self._left:
                piece = piece[: self._left]
            elif not piece and self._left:
                if self._record is not None:
                    self._record.code = BROKE_OFF
                raise BadResponse(f"the response of {self._name} is {self._left} bytes too short")
            self._left -= len(piece)
        return piece

    def close(self) -> None:
        """End it, whether it was read to its end or not."""
        if self._is_open:
            self._is_open = False
            try:
                self._close_pieces()
            except (Exception, SystemExit) as error:
                # The response is whole: only the application has lost something.
                _tell("the application %s failed when its response was closed: %s", self._name, error)
            finally:
                self._lease.lasted(time.monotonic() - self._began)
                self._lease.release()

    def _close_pieces(self) -> None:
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()


class _Input(io.RawIOBase):
    """A request's body as ``wsgi.input``."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._body.read()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _environ(head: RequestHead, request: Request) -> dict[str, Any]:
    path, _, query = head.target.partition(b"?")
    host = head.named[b"host"][0].decode("latin-1")
    name, colon, port = host.rpartition(":")
    if not (colon and port.isdigit()):
        name, port = host, "443" if request.scheme == "https" else "80"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method.decode("latin-1"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": head.target.decode("latin-1"),
        "REQUEST_URI": head.target.decode("latin-1"),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/1.{request.minor_version}",
        "REMOTE_ADDR": request.peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BufferedReader(_Input(request.body)),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for lowered, values in head.named.items():
        joined = (b"; " if lowered == b"cookie" else b",").join(values).decode("latin-1")
        key = lowered.decode("latin-1").upper().replace("-", "_")
        environ[key if lowered in _NOT_REPEATED else f"HTTP_{key}"] = joined
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ
