"""The WSGI adapter: ``application`` turns an environ into a request, and a response into WSGI's.

What lives here: the application object, its building on first use, and PEP 3333's side of a response.
What must not: what a proxy does (``proxy``). This module is not called ``app``, because importing a submodule of
that name would put the module in the place of ``deston.l7:app``, the function that calls it.
Invariant: importing opens no socket, starts no greenlet or thread, reads no file and patches nothing. Building
switches no greenlet, so that the lock around it can be of either kind.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from gevent import monkey

from deston.access.log import AccessLogs
from deston.config.consistency import require_listeners
from deston.config.find import find_config
from deston.config.load import load
from deston.config.model import Config, ListenerConfig, Protocol
from deston.errors import ClientGone, ConfigError, DestonError, StartError, StreamError
from deston.l7 import app
from deston.l7.answers import answered, refusal
from deston.l7.environ import Environ, Listeners, read_request
from deston.l7.gunicorn_client import GunicornClient
from deston.l7.hosted import find_application
from deston.l7.proxy import Proxy
from deston.l7.record import Record
from deston.l7.request import Request, Response, Tunnel
from deston.l7.way import Way

if TYPE_CHECKING:
    from deston.build import Runtime

log = logging.getLogger("deston.l7")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

# PEP 3333 forbids an application these, by the list of RFC 2616 with its misprint for Trailer; the others on it went
# with the hop-by-hop fields.
_NOT_FOR_APPLICATIONS = frozenset({b"proxy-authenticate", b"proxy-authorization", b"trailers"})


class ClientCut(ConnectionResetError):
    """Tells the WSGI server to cut the client off: its response cannot be completed.

    A kind of ``ConnectionResetError``, because servers end the connection on that without a traceback.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ECONNRESET, reason)


class Application:
    """The proxy as a WSGI application.

    Built by ``start``, else by the first request from the file that ``find_config`` finds.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        #: The HTTP listeners, once it is built.
        self.listeners: tuple[ListenerConfig, ...] = ()
        self._proxy: Proxy | None = None
        self._listeners: Listeners | None = None
        self._logs: AccessLogs | None = None
        self._building = threading.Lock()

    def start(self, config: Config | None = None) -> None:
        """Build everything and start the health checks, once.

        Raises ``ConfigError`` or ``StartError``.
        """
        with self._building:
            if self._proxy is None:
                self._build(config or load(find_config(None), Protocol.HTTP))

    def _build(self, config: Config) -> None:
        from deston.build import Runtime  # Not before the worker has patched: the health checks import requests.

        require_listeners(config, Protocol.HTTP)
        for pool in config.pools:
            for server in pool.servers:
                if server.address.application:
                    find_application(server.address.application)
        threaded = not monkey.is_module_patched("socket")
        runtime, logs = Runtime(config, threaded), AccessLogs("deston-l7", threaded)
        proxy = Proxy(runtime.registry, config, logs=logs)
        runtime.monitor.start()
        self.listeners = config.listeners_of(Protocol.HTTP)
        self._listeners = Listeners(self.listeners)
        self.runtime, self._logs = runtime, logs
        self._proxy = proxy  # Last of all: from here on other threads take it to be complete.

    @property
    def is_started(self) -> bool:
        """Whether it can serve."""
        return self._proxy is not None

    def stop(self) -> None:
        """End the health checks, and log what each server was used for."""
        if self.runtime is None:
            return
        self.runtime.monitor.stop()
        for account in (*self.runtime.accounts(), *(self._proxy.accounts() if self._proxy else ())):
            log.info("%s", account)
        if answered:
            log.info("own answers: %s", ", ".join(f"{status} {count}x" for status, count in sorted(answered.items())))
        if self._logs is not None:
            self._logs.close()

    def reopen_logs(self) -> None:
        """Open the files of access logs anew, which were moved away."""
        if self._logs is not None:
            self._logs.reopen()

    def forward(self, request: Request) -> Response:
        """Serve one request of an adapter that reads requests by itself; after ``start``."""
        assert self._proxy is not None
        return self._proxy.forward(request)

    def refuse(
        self, listener: ListenerConfig, error: DestonError, peer: str, scheme: str, logs: bool = True
    ) -> Response:
        """The answer to what an adapter could not read as a request, or could not begin to answer; after ``start``.

        ``logs`` is whether there is to be a line about it.
        """
        assert self._proxy is not None
        return self._proxy.site(listener).refuse(error, peer, scheme, logs)

    def way_of(self, request: Request) -> Way | None:
        """What the route does that takes a request, or None where none does; after ``start``.

        Raises ``BadRequest`` for a request that cannot be passed on.
        """
        assert self._proxy is not None
        return self._proxy.site(request.listener).route_of(request)

    def can_serve(self, pool: str) -> bool:
        """Whether a pool has a server for new clients; after ``start``."""
        assert self.runtime is not None
        return self.runtime.registry.pool(pool).is_available

    def _refuse_late(self, request: Request | None, error: DestonError) -> Response:
        """The answer where a server's could not be begun."""
        if request is None:
            return refusal(error)
        return self.refuse(request.listener, error, request.peer, request.scheme, logs=False)

    def listener_at(self, address: Any) -> ListenerConfig:
        """The listener that is bound to a socket's address; after ``start``."""
        assert self._listeners is not None
        return self._listeners.at(address)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 says."""
        client = GunicornClient(environ)
        body: Iterable[bytes] = ()
        try:
            response, request = self._response(environ, client)
            record = request.record if request is not None else None
            if response.tunnel is not None:
                raise _after_tunnel(response, response.tunnel, client, record)
            # A body that nobody read would be taken for the next request, or waited for.
            response.last = response.last or (request is not None and not request.body.is_read)
            body = _respond(response, environ, start_response, client, record, partial(self._refuse_late, request))
        finally:
            if not isinstance(body, _Body):
                client.close()
        return body

    def _response(self, environ: Environ, client: GunicornClient) -> tuple[Response, Request | None]:
        try:
            if self._proxy is None:
                self.start()
            assert self._proxy is not None
            assert self._listeners is not None
            request = read_request(environ, self._listeners, client)
        except (ConfigError, StartError) as error:
            log.error("nothing can be served:\n%s", error)
            return refusal(error), None
        except DestonError as error:
            assert self._listeners is not None
            listener = client.listener or self._listeners.find(environ)
            peer, scheme = environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"]
            return self.refuse(listener, error, peer, scheme), None
        return self._proxy.forward(request), request


def _after_tunnel(response: Response, tunnel: Tunnel, client: GunicornClient, record: Record | None) -> Exception:
    """Carry what a client had upgraded, and say with what the WSGI server is then told to end the connection."""
    ended: StreamError | None = None
    try:
        client.carry(response, tunnel)
    except StreamError as error:
        ended = error
        client.reset()
        return ClientCut(str(error))
    finally:
        response.close()
        if record is not None:
            record.end(0, ended)
    # gunicorn's word for the end of a connection: nothing is left to send, or to complain of.
    return StopIteration()


def _respond(
    response: Response,
    environ: Environ,
    start_response: StartResponse,
    client: GunicornClient,
    record: Record | None,
    refuse: Callable[[DestonError], Response],
) -> Iterable[bytes]:
    has_body = environ["REQUEST_METHOD"] != "HEAD"
    first = b""
    if response.whole is None and has_body and response.is_at_hand():
        try:
            # PEP 3333 lets no server send the head before the first piece; until then another answer can be given.
            first = response.read()
        except DestonError as error:
            response.close()
            response = refuse(error)
            if record is not None:
                record.failed_late(response.status)
    try:
        if response.last:
            _close_after(start_response)
        start_response(f"{response.status} {response.reason.decode('latin-1')}", _wsgi_fields(response, client))
        client.keep_origin(start_response, response)
    except BaseException:
        response.close()
        raise
    if response.whole is not None or not has_body:
        response.close()
        whole = bytes(response.whole) if response.whole and has_body else b""
        if record is not None:
            record.end(len(whole))
        return [whole] if whole else []
    return _Body(response, first, client, record)


def _close_after(start_response: StartResponse) -> None:
    """Let the WSGI server close the client's connection after this response, where it lets itself be told.

    gunicorn does: its ``start_response`` is a method of the response that has ``force_close``.
    """
    force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
    if force_close is not None:
        force_close()


def _wsgi_fields(response: Response, client: GunicornClient) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode(client.encoding, "replace"))
        for name, value in (*response.fields, *response.added)
        if name.lower() not in _NOT_FOR_APPLICATIONS
    ]


class _Body:
    """A response's body as WSGI iterates over it.

    ``first`` is its first piece. Where that has not come yet, an empty one comes before it: gunicorn then sends the
    head, so that a stream of events begins when it begins.
    """

    __slots__ = ("_client", "_error", "_first", "_is_whole", "_record", "_response", "_sent")

    def __init__(self, response: Response, first: bytes, client: GunicornClient, record: Record | None) -> None:
        self._record = record
        self._sent = 0
        # Where it is not whole and nothing else is known, the client has left.
        self._error: DestonError = ClientGone("the client left within the response")
        self._response = response
        self._first: bytes | None = first
        self._client = client
        self._is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            self._sent += len(first)
            return first
        try:
            piece = self._response.read()
        except DestonError as error:
            self._error = error
            raise self._cut(error) from error
        self._sent += len(piece)
        if not piece:
            self._is_whole = True
            self._client.send_trailers(self._response.trailers())
            raise StopIteration
        return piece

    def _cut(self, error: DestonError) -> Exception:
        """What cuts the client off: with a reset, where the server lets us at the socket; an end would look whole."""
        return self._client.cut(str(error), ClientCut(str(error)))

    def close(self) -> None:
        """Called by the WSGI server, whether the body was iterated over to its end or not.

        It was not where the client has left, or a drain is over: what the client got may not be taken for all.
        """
        if not self._is_whole:
            self._client.reset()
        try:
            self._response.close()
            self._client.close()
        finally:
            record, self._record = self._record, None
            if record is not None:
                record.end(self._sent, None if self._is_whole else self._error)


application = Application()


def is_ours(wsgi: Any) -> bool:
    """Whether what a WSGI server calls is this application itself, and not one that has it somewhere inside."""
    return wsgi in (app, application)
