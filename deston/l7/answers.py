"""Answers of our own, where no server's is to be had or wanted.

What lives here: refusals with their pages, redirects and fixed responses, and in which form a client wants them.
What must not: when any of it is given (``proxy``).
Invariant: an answer is short, whole, and read from no disk at the time of a request; nothing that a client said stands
in its body.
"""

from __future__ import annotations

import json
import mimetypes
import os
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NamedTuple

from deston.config.http_rules import FixedResponse
from deston.errors import (
    BadRequest,
    ClientGone,
    DestonError,
    LengthRequired,
    QueueFull,
    QueueTimeout,
    StartError,
    TooManyRequests,
)
from deston.l7.fields import Field, Named
from deston.l7.request import Response

#: How often this process gave an answer of its own instead of a server's, by status.
answered: Final[Counter[int]] = Counter()

# After these nobody can say where the client's next request begins.
_IN_DOUBT: Final = (BadRequest, LengthRequired, ClientGone)
# What had no room may have some after so many seconds.
RETRY_AFTER: Final = 5
LARGEST_PAGE: Final = 1 << 20
_TEXT: Final = b"text/plain; charset=utf-8"
_JSON, _PROBLEM = b"application/json", b"application/problem+json"
_NO_NAMES: Final[Named] = {}


class Page(NamedTuple):
    """A body with its type."""

    type: bytes
    body: bytes


def read_page(file: str, kind: str = "") -> Page:
    """A page from its file, whose ending tells the type where ``kind`` is empty; raises ``StartError``."""
    try:
        with open(file, "rb") as stream:
            body = stream.read(LARGEST_PAGE + 1)
    except OSError as error:
        raise StartError(f"{file}: it cannot be read: {error.strerror}") from error
    if len(body) > LARGEST_PAGE:
        raise StartError(f"{file}: a page is at most {LARGEST_PAGE} bytes")
    guessed = kind or mimetypes.guess_type(os.path.basename(file))[0] or "application/octet-stream"
    if guessed.startswith("text/") and "charset" not in guessed:
        guessed += "; charset=utf-8"
    return Page(guessed.encode(), body)


class Pages:
    """The bodies of refusals: a listener's own pages, by status or class of statuses, else a line or JSON."""

    __slots__ = ("_by_status",)

    def __init__(self, files: Iterable[tuple[str, str]] = ()) -> None:
        #: Raises ``StartError`` for a file that cannot be read.
        self._by_status = {status: read_page(file) for status, file in files}

    def page(self, status: HTTPStatus, named: Named = _NO_NAMES) -> Page:
        """What a client that sent these fields is shown."""
        own = self._by_status.get(str(status.value)) or self._by_status.get(f"{status.value // 100}xx")
        wanted = _wanted_json(named)
        if own is not None and (not wanted or own.type in (_JSON, _PROBLEM)):
            return own
        if wanted:
            said = {"type": "about:blank", "title": status.phrase, "status": status.value}
            return Page(wanted, json.dumps(said).encode() + b"\n")
        return Page(_TEXT, f"{status.value} {status.phrase}\n".encode())


_PLAIN_PAGES: Final = Pages()


def refusal(error: DestonError, pages: Pages = _PLAIN_PAGES, named: Named = _NO_NAMES) -> Response:
    """Our own answer to a request that could not be served: short, plain, and never cached.

    ``pages`` are the listener's; ``named`` are the fields of the request, as far as they are known.
    """
    status = HTTPStatus(error.http_status)
    fields: list[Field] = [(b"Cache-Control", b"no-cache")]
    if isinstance(error, TooManyRequests):
        fields += error.fields
    elif isinstance(error, (QueueFull, QueueTimeout)):
        fields.append((b"Retry-After", b"%d" % RETRY_AFTER))
    return _answer(status, pages.page(status, named), fields, isinstance(error, _IN_DOUBT))


def _answer(status: HTTPStatus, page: Page, fields: list[Field], last: bool = False) -> Response:
    answered[status.value] += 1
    body = page.body
    head = [(b"Content-Type", page.type), (b"Content-Length", b"%d" % len(body)), *fields]
    return Response(status.value, status.phrase.encode(), head, len(body), last=last, whole=body)


def redirect(status: int, location: bytes, pages: Pages = _PLAIN_PAGES, named: Named = _NO_NAMES) -> Response:
    """The answer that sends a client elsewhere."""
    code = HTTPStatus(status)
    return _answer(code, pages.page(code, named), [(b"Location", location)])


def readiness(is_ready: bool) -> Response:
    """The answer to whoever asks whether clients may come."""
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    body = b"ready\n" if is_ready else b"stopping\n"
    return _answer(status, Page(_TEXT, body), [(b"Cache-Control", b"no-cache")])


class Fixed:
    """A response that a route gives by itself; raises ``StartError`` for a file that cannot be read."""

    __slots__ = ("_page", "_status")

    def __init__(self, config: FixedResponse) -> None:
        self._status = _status(config.status)
        self._page = read_page(config.file, config.type) if config.file else None

    def answer(self, pages: Pages, named: Named) -> Response:
        """The response."""
        page = self._page or pages.page(self._status, named)
        if self._status.value in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            answered[self._status.value] += 1
            return Response(self._status.value, self._status.phrase.encode(), [], 0, whole=b"")
        fields: list[Field] = [] if self._page else [(b"Cache-Control", b"no-cache")]
        return _answer(self._status, page, fields)


def _status(number: int) -> HTTPStatus:
    try:
        return HTTPStatus(number)
    except ValueError:
        raise StartError(f"respond = {number}: this status has no meaning that is known") from None


def _wanted_json(named: Named) -> bytes:
    """The type of JSON that a client would rather have than a page; empty where it would not (RFC 9110, 12.5.1)."""
    accepted = named.get(b"accept")
    if accepted is None:
        return b""
    qualities = dict(_qualities(b",".join(accepted)))
    best = max((qualities.get(kind, 0.0), kind) for kind in (_JSON, _PROBLEM))
    others = max((qualities.get(kind, 0.0) for kind in (b"text/html", b"text/plain", b"text/*")), default=0.0)
    return best[1] if best[0] > others else b""


def _qualities(value: bytes) -> Iterable[tuple[bytes, float]]:
    for entry in value.split(b",")[:32]:
        kind, *parameters = entry.lower().split(b";")
        quality = 1.0
        for parameter in parameters:
            name, _, given = parameter.strip().partition(b"=")
            if name == b"q":
                try:
                    quality = float(given)
                except ValueError:
                    quality = 0.0
        yield kind.strip(), quality
