"""A legacy application inside Deston, in one process: ``deston.l7.wrap(application, config)``.

What lives here: who answers a request, the application or a pool, and the change from one to the other.
What must not: routing and exchanges (``proxy``), the application.
Invariant: a request is answered once, by one of the two; an application that was asked in vain has changed nothing but
itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.errors import DestonError
from deston.l7.environ import Environ, Listeners, read_request
from deston.l7.hosted import WsgiApplication
from deston.l7.wsgi import Application

APPLICATION, POOL = "application", "pool"
# What is kept in memory of a request for a pool that is asked after the application: as much as of one that may go to
# another server.
LARGEST_REPLAY = 64 * 1024
_NOT_FOUND = "404 "

StartResponse = Callable[..., Any]


class Wrapped:
    """A WSGI application with pools beside it; see ``deston.l7.wrap``."""

    def __init__(self, application: WsgiApplication, config: Config | str | None, fallback: str, rescues: bool) -> None:
        if fallback not in (APPLICATION, POOL):
            raise ValueError(f"fallback is {APPLICATION!r} or {POOL!r}, not {fallback!r}")
        self._application = application
        self._config = config
        self._asks_application_first = fallback == POOL
        self._rescues = rescues
        #: The balancer; ``stop`` ends its health checks.
        self.balancer = Application()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 says. Raises ``ConfigError`` or ``StartError`` with the first one."""
        balancer = self.balancer
        if not balancer.is_started:
            balancer.start(load(self._config, Protocol.HTTP) if isinstance(self._config, str) else self._config)
        if self._is_for_pool(environ):
            return balancer(environ, start_response)
        if self._asks_application_first:
            return self._ask_both(environ, start_response)
        return self._application(environ, start_response)

    def _is_for_pool(self, environ: Environ) -> bool:
        """Whether a route takes the request, to a pool that can serve it where the application would rescue it."""
        balancer = self.balancer
        try:
            request = read_request(environ, Listeners(balancer.listeners))
            way = balancer.way_of(request)
        except DestonError:
            return False  # The application says what is wrong with it.
        if way is None:
            return False
        return not self._rescues or not way.pools or any(map(balancer.can_serve, way.pools))

    def _ask_both(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The application's response, or that of the listener's pool to what the application does not know."""
        again = _Again.of(environ)
        if again is None:
            return self._application(environ, start_response)
        offered = _Offered(start_response)
        pieces = offered.take(self._application(again.environ(), offered))
        if not offered.is_declined:
            return pieces
        pieces.close()
        return self.balancer(again.environ(), start_response)


class _Again:
    """A request that can be handed over twice."""

    def __init__(self, environ: Environ, body: bytes | None) -> None:
        self._environ = environ
        self._body = body

    @classmethod
    def of(cls, environ: Environ) -> _Again | None:
        """The request, or None where its body is too large to be kept, or of a length that nobody knows."""
        if environ.get("HTTP_TRANSFER_ENCODING"):
            return None
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > LARGEST_REPLAY:
            return None
        return cls(environ, environ["wsgi.input"].read(int(length)) if int(length) else None)

    def environ(self) -> Environ:
        if self._body is None:
            return dict(self._environ)
        body = _Body(self._body)
        # What our hook has left there for the balancer.
        vars(body).update(getattr(self._environ["wsgi.input"], "__dict__", {}))
        return {**self._environ, "wsgi.input": body}


class _Body(io.BytesIO):
    """A body that was read, with a place for what else is known of its request."""


class _Offered:
    """The application's ``start_response``: kept back until it is known whether it declines."""

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self.is_declined = False
        self._has_started = False

    def __call__(self, status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        if not self._has_started and status.startswith(_NOT_FOUND):
            self.is_declined = True
            return lambda data: None
        self.is_declined, self._has_started = False, True
        arguments = (status, fields) if exc_info is None else (status, fields, exc_info)
        write: Callable[[bytes], Any] = self._start_response(*arguments)
        return write

    def take(self, pieces: Iterable[bytes]) -> _Pieces:
        """The response's body, begun as far as it takes to know its status."""
        iterator = iter(pieces)
        ahead: list[bytes] = []
        while not (self._has_started or self.is_declined):
            piece = next(iterator, None)
            if piece is None:
                break
            ahead.append(piece)
        return _Pieces(pieces, chain(ahead, iterator))


class _Pieces:
    """A body that was begun."""

    def __init__(self, pieces: Iterable[bytes], iterator: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._iterator = iterator

    def __iter__(self) -> Iterator[bytes]:
        return self._iterator

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
