"""From a WSGI environ to a request.

What lives here: target, fields, body, peer and listener as PEP 3333 and the servers' own keys give them.
What must not: responses, and any decision about the request.
Invariant: where the server hands over the request as it came (gunicorn with our hook, ``RAW_URI``), that is used;
what PEP 3333 alone gives is the fallback, with its losses: the order, case and repeats of fields.
"""

from __future__ import annotations

import _socket
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from deston.address import Address
from deston.config.model import ListenerConfig
from deston.errors import BadRequest, ClientGone, LengthRequired, ReadTimeout
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.client_body import PATIENCE
from deston.l7.fields import Field, Fields
from deston.l7.gunicorn_client import RAW_FIELDS, GunicornClient
from deston.l7.http1 import LARGEST_KEPT, MOST_KEPT
from deston.l7.request import Request
from deston.net.byte_stream import ByteStream

# gunicorn; uWSGI, mod_wsgi and waitress.
_RAW_TARGET_KEYS = ("RAW_URI", "REQUEST_URI")
# What ``quote`` has to leave alone in a path that was decoded (RFC 3986 section 3.3), next to letters and digits.
_PATH_CHARACTERS = "/!$&'()*+,;=:@~-._"
# Answered by the WSGI server before the application runs, or told apart.
_EXPECT = "EXPECT"
# Made by some servers of a field with underscores, beside the CONTENT_LENGTH that they went by.
_NOT_FIELDS = frozenset({"HTTP_EXPECT", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"})
_COOKIE = b"Cookie"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# The fields of requests by what gunicorn made of them: most clients say the same each time (as in ``http1``).
_known: dict[tuple[object, ...], Fields] = {}

Environ = dict[str, Any]


def _hosts(bind: Address) -> list[str]:
    """The address of a socket that is bound, in every form that it may have afterwards."""
    if not bind.is_name:
        return [bind.host]
    try:
        # Not gevent's, which would let others run while the application is being built.
        found = _socket.getaddrinfo(bind.host, None, 0, _socket.SOCK_STREAM)
    except OSError:
        return [bind.host]  # Whoever binds it says what is wrong.
    return [bind.host, *(str(one[4][0]) for one in found)]


class Listeners:
    """The HTTP listeners of a process, and which of them took a request."""

    def __init__(self, listeners: Sequence[ListenerConfig]) -> None:
        self._first = listeners[0]
        self._by_path = {one.bind.path: one for one in listeners if one.bind.path}
        last_to_first = [one for one in reversed(listeners) if not one.bind.path]
        self._by_port = {str(one.bind.port): one for one in last_to_first}
        self._by_address = {(host, str(one.bind.port)): one for one in last_to_first for host in _hosts(one.bind)}

    def at(self, address: Any) -> ListenerConfig:
        """By the address of a socket: a path, or a host and a port; else the first."""
        if not isinstance(address, tuple):
            return self._by_path.get(address, self._first)
        host, port = address[0], str(address[1])
        return self._by_address.get((host, port)) or self._by_port.get(port) or self._first

    def find(self, environ: Environ) -> ListenerConfig:
        """By the path of a unix socket, by address and port, by port, else the first.

        Under another WSGI server, at an address of its own, that is the first HTTP listener of the file.
        """
        if self._by_path and not environ.get("REMOTE_ADDR") and "gunicorn.socket" in environ:
            # Here gunicorn takes SERVER_NAME and SERVER_PORT from the Host that the client chose.
            return self._by_path.get(environ["gunicorn.socket"].getsockname(), self._first)
        host, port = environ.get("SERVER_NAME", ""), environ.get("SERVER_PORT", "")
        return self._by_address.get((host, port)) or self._by_port.get(port) or self._first


def read_request(environ: Environ, listeners: Listeners, client: GunicornClient | None = None) -> Request:
    """The request of an environ; raises ``BadRequest`` or ``LengthRequired`` for what cannot be passed on.

    ``client`` is what the server offers beyond WSGI.
    """
    client = client or GunicornClient(environ)
    fields = _read_fields(environ, client.encoding, client.is_http2)
    body = _read_body(environ, client)
    return Request(
        listener=client.listener or listeners.find(environ),
        method=_latin(environ["REQUEST_METHOD"]),
        target=_read_target(environ, client.encoding),
        fields=fields,
        body=body,
        peer=environ.get("REMOTE_ADDR", ""),
        scheme="https" if client.is_secured else environ["wsgi.url_scheme"],
        minor_version=client.minor_version,
        upgrade=client.upgrade(fields.named) if body.is_empty else b"",
        expects=client.expects and not body.is_empty,
        interim=client.interim,
        takes_trailers=client.takes_trailers,
        stream=client.stream,
        identity=client.identity,
        tls_version=client.tls_version,
        is_http2=client.is_http2,
    )


def _read_target(environ: Environ, encoding: str) -> bytes:
    for key in _RAW_TARGET_KEYS:
        if environ.get(key):
            return _encoded(environ[key], encoding)
    path = quote(_latin(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")), safe=_PATH_CHARACTERS)
    query = environ.get("QUERY_STRING", "")
    return _latin((path or "/") + ("?" + query if query else ""))


def _read_fields(environ: Environ, encoding: str, is_http2: bool) -> Fields:
    raw = getattr(environ["wsgi.input"], RAW_FIELDS, None)
    if raw is None:
        return Fields(_fields_of_environ(environ))
    key = (is_http2, *raw)
    known = _known.get(key)
    if known is None:
        fields = [(_field_name(name), _encoded(value, encoding)) for name, value in raw if name != _EXPECT]
        known = Fields(_joined(fields) if is_http2 else fields)
        if sum(len(name) + len(value) for name, value in raw) <= LARGEST_KEPT:
            if len(_known) >= MOST_KEPT:
                _known.clear()
            _known[key] = known
    return known


def _fields_of_environ(environ: Environ) -> list[Field]:
    fields = [
        (_field_name(key[5:]), _latin(value))
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in _NOT_FIELDS
    ]
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            fields.append((_field_name(key), _latin(environ[key])))
    return fields


def _joined(fields: list[Field]) -> list[Field]:
    """The fields of HTTP/2 as those of HTTP/1.1, where Cookie is one line (RFC 9113 section 8.2.3)."""
    cookies = [value for name, value in fields if name == _COOKIE]
    if len(cookies) < 2:
        return fields
    return [*(field for field in fields if field[0] != _COOKIE), (_COOKIE, b"; ".join(cookies))]


@lru_cache(maxsize=1024)
def _field_name(name: str) -> bytes:
    """A name in the usual case: WSGI servers hand over capitals."""
    if _NAME.fullmatch(name) is None:
        raise BadRequest("the name of a header field is malformed")
    return _latin("-".join(part.capitalize() for part in name.replace("_", "-").split("-")))


def _read_body(environ: Environ, client: GunicornClient) -> RequestBody:
    source = _Input(environ["wsgi.input"], client)
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding:
        _require_chunked(environ, coding)
        return RequestBody(source, None)
    text = environ.get("CONTENT_LENGTH")
    if not text and client.has_body_in_frames:
        return RequestBody(source, client.length_in_frames)
    if not text or text == "0":
        return NO_BODY
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("Content-Length is malformed")
    return RequestBody(source, int(text))


def _require_chunked(environ: Environ, coding: str) -> None:
    # gunicorn lets gzip and the like pass and leaves them to the application, which would send them on as plain.
    if coding.strip(" \t").lower() != "chunked":
        raise BadRequest("a transfer coding other than one final chunked")
    if not environ.get("wsgi.input_terminated"):
        raise LengthRequired("this WSGI server does not say where a body in chunks ends")


class _Input:
    """``wsgi.input`` with its errors in our terms; nobody can say whether something of it has come."""

    __slots__ = ("_client", "_read")

    def __init__(self, source: Any, client: GunicornClient) -> None:
        self._read = source.read
        self._client = client

    @property
    def trailers(self) -> Sequence[Field]:
        return self._client.trailers

    @property
    def can_go_on(self) -> bool:
        return False  # A read would wait for the client alone.

    def read(self, limit: int) -> bytes:
        if self._client.expects:
            self._client.tell_to_send()
        try:
            data: bytes = self._read(limit)
        except Exception as error:  # PEP 3333 names no kind: each server has its own for a client that breaks off.
            if self._client.ended is not None:
                raise
            raise ClientGone(f"the client's body cannot be read: {error}") from error
        return data

    def is_at_hand(self) -> bool:
        return not self._client.expects

    def wait_with(self, other: ByteStream) -> None:
        """Give a server that was asked a second to want the body or refuse it; the client may send it unasked."""
        other.expire_after(PATIENCE)
        try:
            other.wait_readable()
        except ReadTimeout:
            self._client.tell_to_send()


def _encoded(text: str, encoding: str) -> bytes:
    """The bytes of a text as they came; raises ``BadRequest`` where they cannot have come so."""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise BadRequest("the target or a field cannot be passed on") from None


def _latin(text: str) -> bytes:
    return text.encode("latin-1")
