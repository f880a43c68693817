"""From a WSGI environ to a request.

What lives here: target, fields, body, peer and listener as PEP 3333 and the servers' own keys give them.
What must not: responses, and any decision about the request.
Invariant: where the server hands over the request as it came (gunicorn with our hook, ``RAW_URI``), that is used;
what PEP 3333 alone gives is the fallback, with its losses: the order, case and repeats of fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from deston.config.model import ListenerConfig
from deston.errors import BadRequest, ClientGone, LengthRequired
from deston.l7.body import RequestBody
from deston.l7.http1 import Field
from deston.l7.request import Request

# Where the hook in ``gunicorn_conf`` leaves the fields as they came; the body object is all that hook and
# application share.
RAW_FIELDS = "deston_fields"

# gunicorn; uWSGI, mod_wsgi and waitress.
_RAW_TARGET_KEYS = ("RAW_URI", "REQUEST_URI")
# What ``quote`` has to leave alone in a path that was decoded (RFC 3986 section 3.3), next to letters and digits.
_PATH_CHARACTERS = "/!$&'()*+,;=:@~-._"
# The WSGI server answers 100-continue itself, before the application runs.
_ANSWERED_ALREADY = "EXPECT"
# Made by some servers of a field with underscores, beside the CONTENT_LENGTH that they went by.
_NOT_FIELDS = frozenset({"HTTP_EXPECT", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"})
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

Environ = dict[str, Any]


class Listeners:
    """The HTTP listeners of a process, and which of them took a request."""

    def __init__(self, listeners: Sequence[ListenerConfig]) -> None:
        self._first = listeners[0]
        self._by_path = {one.bind.path: one for one in listeners if one.bind.path}
        last_to_first = [one for one in reversed(listeners) if not one.bind.path]
        self._by_port = {str(one.bind.port): one for one in last_to_first}
        self._by_address = {(one.bind.host, str(one.bind.port)): one for one in last_to_first}

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


def read_request(environ: Environ, listeners: Listeners) -> Request:
    """The request of an environ; raises ``BadRequest`` or ``LengthRequired`` for what cannot be passed on."""
    return Request(
        listener=listeners.find(environ),
        method=_latin(environ["REQUEST_METHOD"]),
        target=_read_target(environ),
        fields=_read_fields(environ),
        body=_read_body(environ),
        peer=environ.get("REMOTE_ADDR", ""),
        scheme=environ["wsgi.url_scheme"],
        minor_version=0 if environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/0.9") else 1,
    )


def _read_target(environ: Environ) -> bytes:
    for key in _RAW_TARGET_KEYS:
        if environ.get(key):
            return _latin(environ[key])
    path = quote(_latin(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")), safe=_PATH_CHARACTERS)
    query = environ.get("QUERY_STRING", "")
    return _latin((path or "/") + ("?" + query if query else ""))


def _read_fields(environ: Environ) -> list[Field]:
    raw = getattr(environ["wsgi.input"], RAW_FIELDS, None)
    if raw is not None:
        return [(_field_name(name), value.encode("latin-1")) for name, value in raw if name != _ANSWERED_ALREADY]
    fields = [
        (_field_name(key[5:]), _latin(value))
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in _NOT_FIELDS
    ]
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            fields.append((_field_name(key), _latin(environ[key])))
    return fields


@lru_cache(maxsize=1024)
def _field_name(name: str) -> bytes:
    """A name in the usual case: WSGI servers hand over capitals."""
    if _NAME.fullmatch(name) is None:
        raise BadRequest("the name of a header field is malformed")
    return _latin("-".join(part.capitalize() for part in name.replace("_", "-").split("-")))


def _read_body(environ: Environ) -> RequestBody:
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding:
        return _read_coded_body(environ, coding)
    text = environ.get("CONTENT_LENGTH")
    if not text or text == "0":
        return RequestBody(None, 0)
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("Content-Length is malformed")
    return RequestBody(_Input(environ["wsgi.input"]), int(text))


def _read_coded_body(environ: Environ, coding: str) -> RequestBody:
    # gunicorn lets gzip and the like pass and leaves them to the application, which would send them on as plain.
    if coding.strip(" \t").lower() != "chunked":
        raise BadRequest("a transfer coding other than one final chunked")
    if not environ.get("wsgi.input_terminated"):
        raise LengthRequired("this WSGI server does not say where a body in chunks ends")
    return RequestBody(_Input(environ["wsgi.input"]), None)


class _Input:
    """``wsgi.input`` with its errors in our terms."""

    __slots__ = ("_read",)

    def __init__(self, source: Any) -> None:
        self._read = source.read

    def read(self, limit: int) -> bytes:
        try:
            data: bytes = self._read(limit)
        except Exception as error:  # PEP 3333 names no kind: each server has its own for a client that breaks off.
            raise ClientGone(f"the client's body cannot be read: {error}") from error
        return data


def _latin(text: str) -> bytes:
    return text.encode("latin-1")
