"""The WSGI adapter: ``application`` turns an environ into a request, and a response into WSGI's.

What lives here: the application object, its building on first use, and PEP 3333's side of a response.
What must not: what a proxy does (``proxy``). This module is not called ``app``, because importing a submodule of
that name would put the module in the place of ``deston.l7:app``, the function that calls it.
Invariant: importing opens no socket, starts no greenlet or thread, reads no file and patches nothing. Building
switches no greenlet, so that the lock around it can be of either kind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gevent import monkey

from deston.access.log import AccessLogs
from deston.config.consistency import require_listeners
from deston.config.find import find_config
from deston.config.load import load
from deston.config.model import Config, ListenerConfig, Protocol
from deston.errors import ConfigError, DestonError, StartError
from deston.l7 import app
from deston.l7.answers import answered, refusal
from deston.l7.environ import Environ, Listeners, read_request
from deston.l7.files import require_files
from deston.l7.front import Front
from deston.l7.gunicorn_client import GunicornClient, under_way
from deston.l7.handshake import is_secured
from deston.l7.hosted import find_application
from deston.l7.proxy import Proxy
from deston.l7.request import Request, Response
from deston.l7.responding import Body, StartResponse, after_tunnel, respond
from deston.l7.sessions import OfWsgi
from deston.l7.tally import figures
from deston.l7.way import Way

if TYPE_CHECKING:
    from deston.build import Runtime

log: Final = logging.getLogger("deston.l7")


def _refuse_other_listeners() -> None:
    log.error("the listeners of the configuration changed, which this WSGI server takes up by a restart only")


class Application:
    """The proxy as a WSGI application.

    Built by ``start``, else by the first request from the file that ``find_config`` finds.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        #: Whether whoever reads the requests speaks TLS, where a listener asks for it.
        self.speaks_tls = False
        #: The HTTP listeners, once it is built.
        self.listeners: tuple[ListenerConfig, ...] = ()
        self._proxy: Proxy | None = None
        self._front: Front | None = None
        self._listeners: Listeners | None = None
        self._logs: AccessLogs | None = None
        self._building = threading.Lock()
        #: Called where a reload finds that sockets would have to be opened or closed.
        self.on_other_listeners: Callable[[], None] = _refuse_other_listeners

    def start(self, config: Config | None = None, reloads: int | None = None) -> None:
        """Build everything and start the health checks, once; ``reloads`` is as for ``Runtime``.

        Raises ``ConfigError`` or ``StartError``.
        """
        with self._building:
            if self._proxy is None:
                self._build(config or load(find_config(None), Protocol.HTTP), reloads)

    def _build(self, config: Config, reloads: int | None) -> None:
        from deston.build import Runtime  # Not before the worker has patched: the health checks import requests.

        require_listeners(config, Protocol.HTTP)
        _require_applications(config)
        threaded = not monkey.is_module_patched("socket")
        runtime, logs = Runtime(config, threaded, reloads), AccessLogs("deston-l7", threaded)
        proxy = Proxy(runtime.registry, config, logs=logs)
        runtime.on_reload, runtime.on_change = self._reload, self._refresh
        runtime.tell(figures)
        runtime.list_sessions(OfWsgi(under_way, threaded))
        runtime.monitor.start()
        self.listeners = config.listeners_of(Protocol.HTTP)
        self._listeners = Listeners(self.listeners)
        self.runtime, self._logs = runtime, logs
        self._front = Front(proxy)
        self._proxy = proxy  # Last of all: from here on other threads take it to be complete.

    def _refresh(self) -> None:
        """The operator has changed pools."""
        if self._proxy is not None and self.runtime is not None:
            self._proxy.refresh(self.runtime.effective.pools)

    def _reload(self) -> None:
        """Read the file again, within the running process; with one that cannot be used everything stays."""
        assert self.runtime is not None
        file = self.runtime.config.file
        try:
            config = load(file, Protocol.HTTP)
            require_listeners(config, Protocol.HTTP)
            require_files(config)
            _require_applications(config)
            self._require_tls(config)
            proxy = Proxy(self.runtime.registry, config, logs=self._logs)
            listeners = config.listeners_of(Protocol.HTTP)
            if [one.bind for one in listeners] != [one.bind for one in self.listeners]:
                self.on_other_listeners()
                return
            self.runtime.apply(config)
        except (ConfigError, StartError) as error:
            log.error("the configuration cannot be used, the old one stays:\n%s", error)
            return
        assert self._proxy is not None
        assert self._front is not None
        proxy.go_on(self._proxy)
        self._proxy, self.listeners, self._listeners = proxy, listeners, Listeners(listeners)
        self._front.proxy, self._front.current = proxy, {one.name: one for one in listeners}
        log.info("%s was reloaded", file)

    def _require_tls(self, config: Config) -> None:
        """Raise ``StartError`` where a listener would get TLS of which whoever reads the requests knows nothing."""
        known = {one.name for one in self.listeners if is_secured(one)}
        for listener in config.listeners_of(Protocol.HTTP):
            if is_secured(listener) and listener.name not in known and not self.speaks_tls:
                raise StartError(f"the listener {listener.name} has TLS, which Deston's own worker alone speaks")

    def prepare_to_stop(self) -> float:
        """Say from now on that no clients are to come; for how many seconds they are to be taken all the same."""
        if self._proxy is None or self.runtime is None or not any(one.ready_path for one in self.listeners):
            return 0.0
        self._proxy.is_ready = False
        return self.runtime.config.global_.stop_delay

    @property
    def is_started(self) -> bool:
        """Whether it can serve."""
        return self._proxy is not None

    @property
    def is_ready(self) -> bool:
        """Whether it can serve, and was not told to stop."""
        return self._proxy is not None and self._proxy.is_ready

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

    @property
    def forward(self) -> Callable[[Request], Response]:
        """What serves a request of an adapter that reads requests by itself; after ``start``."""
        assert self._front is not None
        return self._front.forward

    def refuse(
        self, listener: ListenerConfig, error: DestonError, peer: str, scheme: str, logs: bool = True
    ) -> Response:
        """The answer to what an adapter could not read as a request, or could not begin to answer; after ``start``.

        ``logs`` is whether there is to be a line about it.
        """
        assert self._proxy is not None
        assert self._front is not None
        return self._proxy.site(self._front.as_now(listener)).refuse(error, peer, scheme, logs)

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
                raise after_tunnel(response, response.tunnel, client, record)
            # A body that nobody read would be taken for the next request, or waited for.
            response.last = response.last or (request is not None and not request.body.is_read)
            body = respond(response, environ, start_response, client, record, partial(self._refuse_late, request))
        finally:
            if not isinstance(body, Body):
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
        client.begin(request)
        try:
            return self._proxy.forward(request), request
        except BaseException as error:
            client.broke_off(error)
            raise


def _require_applications(config: Config) -> None:
    """Raise ``StartError`` for the first application among the servers that cannot be loaded."""
    for pool in config.pools:
        for server in pool.servers:
            if server.address.application:
                find_application(server.address.application)


application: Final = Application()


def is_ours(wsgi: Any) -> bool:
    """Whether what a WSGI server calls is this application itself, and not one that has it somewhere inside."""
    return wsgi in (app, application)
