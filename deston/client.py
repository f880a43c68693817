"""Balancing in a client: a transport adapter for requests.

    session.mount("http://app.pool/", PoolAdapter(["10.0.0.7:3000", "10.0.0.8:3000, weight=2"]))

What lives here: from a request of requests to a server of a pool, and to another one where that fails.
What must not: policies, health checks, and what may be tried again; these are the balancer's own.
Invariant: however a request ends, its lease is released once; the caller sees the URL that it asked for, and
exceptions of requests.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import requests
from gevent import monkey
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from deston.balancer.pool import Lease, Pool
from deston.balancer.server import Server
from deston.build import Runtime
from deston.config.load import load, load_tree
from deston.config.model import Config, Protocol
from deston.errors import (
    BadResponse,
    ConnectError,
    DestonError,
    NoServerAvailable,
    ReadTimeout,
    StartError,
    StreamReset,
)
from deston.l7.fields import by_name
from deston.l7.hashing import hash_keys
from deston.l7.retry import SAFE_METHODS, RetryBudget, may_retry

_POOL = "client"
_HTTPS = "https"


class PoolAdapter(HTTPAdapter):
    """Sends the requests of a session to the servers of a pool.

    ``servers`` are addresses with their options as in a configuration: ``"10.0.0.7:3000, weight=2"``. ``health`` and
    ``keys`` are those of a pool: ``health={"type": "http", "path": "/healthz"}, algorithm="least_latency"``. Servers
    are checked in the background from the first request on, until ``close``.

    Raises ``ConfigError`` with all that is wrong with them, and ``StartError`` for a server that requests cannot reach.
    """

    def __init__(self, servers: Sequence[str] = (), health: Mapping[str, Any] | None = None, **keys: Any) -> None:
        self._begin(load_tree(_tree(servers, health or {}, keys)), _POOL)
        super().__init__()

    @classmethod
    def from_config(cls, config: Config | str, pool: str) -> PoolAdapter:
        """An adapter for a pool of a configuration, or of its file; raises ``ConfigError`` and ``StartError``."""
        adapter = cls.__new__(cls)
        adapter._begin(load(config, Protocol.HTTP) if isinstance(config, str) else config, pool)
        HTTPAdapter.__init__(adapter)
        return adapter

    def _begin(self, config: Config, pool: str) -> None:
        names = [one.name for one in config.pools]
        if pool not in names:
            raise StartError(f"there is no pool {pool!r} in {config.file} (there are: {', '.join(names)})")
        # What a program has in memory is its own.
        alone = replace(config.global_, store="memory")
        config = Config(config.file, alone, config.admin, (), (config.pool(pool),))
        for server in config.pools[0].servers:
            if server.address.path or server.address.application:
                raise StartError(f"{server.address}: requests reaches no such server")
        self._runtime = Runtime(config, threaded=not monkey.is_module_patched("socket"))
        self._name = pool
        self._key = hash_keys(config.pools).get(pool)
        self._budget = RetryBudget()
        self._starting = threading.Lock()
        self._is_running = False

    @property
    def pool(self) -> Pool:
        """The pool, for whoever would like to look at its servers."""
        return self._runtime.registry.pool(self._name)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request to a server, and to another one where that is allowed.

        Without ``timeout`` those of the pool hold. Proxies are not used. Raises ``requests.ConnectionError`` where no
        server is available, and what requests raises.
        """
        self._start()
        config = self.pool.config
        timeout = timeout if timeout is not None else (config.connect_timeout, config.server_timeout)
        self._budget.request(time.monotonic())
        tried: list[Server] = []
        while True:
            lease = self._lease(request, tried)
            try:
                response = self._send_to(lease, request, stream, timeout, verify, cert)
                if response.status_code not in config.retry_on.statuses or not self._tries_again(
                    BadResponse("its status"), request, tried, lease, is_status=True
                ):
                    return response
                response.close()
            except requests.RequestException as error:
                lease.release()
                if not self._tries_again(_error_of(error), request, tried, lease):
                    raise
            except BaseException:  # Ctrl-C and greenlets' ends, too: it goes on, and the lease is not kept.
                lease.release()
                raise

    def _start(self) -> None:
        if self._is_running:
            return
        with self._starting:
            if not self._is_running:
                self._runtime.monitor.start()
                # Also where nobody closes the adapter, as with one that another one takes the place of.
                self._end = weakref.finalize(self, self._runtime.monitor.stop)
                self._is_running = True

    def _lease(self, request: requests.PreparedRequest, tried: list[Server]) -> Lease:
        key = ""
        if self._key is not None:
            named = by_name((name.encode("latin-1"), _bytes(value)) for name, value in request.headers.items())
            key = self._key(named, request.path_url.encode("latin-1", "replace"))
        try:
            return self.pool.lease(key, tried)
        except NoServerAvailable as error:
            raise requests.ConnectionError(str(error), request=request) from error

    def _tries_again(
        self,
        error: DestonError,
        request: requests.PreparedRequest,
        tried: list[Server],
        lease: Lease,
        is_status: bool = False,
    ) -> bool:
        """Whether another server is to be tried after one has failed."""
        config = self.pool.config
        tried.append(lease.server)
        replayable = _bytes(request.method or "") in SAFE_METHODS and isinstance(request.body, (str, bytes, type(None)))
        causes, now = config.retry_on.causes, time.monotonic()
        if is_status:
            may = replayable and len(tried) <= config.retries and self._budget.take(now)
        else:
            may = may_retry(error, replayable, len(tried), config.retries, self._budget, now, causes)
        return may and any(server.available and server not in tried for server in self.pool.servers)

    def _send_to(
        self, lease: Lease, request: requests.PreparedRequest, stream: bool, timeout: Any, verify: Any, cert: Any
    ) -> requests.Response:
        sent = _Sent(request, lease.server, self.pool)
        try:
            response = super().send(sent, stream=stream, timeout=timeout, verify=verify, cert=cert)
            if not stream:
                response.content  # noqa: B018 -- it is read here, while the server counts as busy.
        except requests.RequestException:
            lease.failed()
            raise
        lease.reached()
        lease.answered(response.elapsed.total_seconds())
        response.request = request
        if stream:
            _release_at_end(response, lease)
        else:
            lease.release()
        return response

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """The response, as one to the request that the caller made."""
        return super().build_response(req.origin, resp)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """A connection to the server that was picked."""
        server, tls = request.server, self.pool.config.tls
        endpoint = server.endpoint_or_fail()
        pool_keys: dict[str, Any] = {}
        if server.tls:
            if verify is True:
                verify = (tls.ca or DEFAULT_CA_BUNDLE_PATH) if tls.verify else False
            if cert is None and tls.client_certificate:
                cert = (tls.client_certificate, tls.client_key or tls.client_certificate)
            _, found = self.build_connection_pool_key_attributes(request.origin, verify, cert)
            name = tls.server_name or server.named.host
            pool_keys = {**found, "assert_hostname": name if verify else False, "server_hostname": name}
        scheme = _HTTPS if server.tls else "http"
        return self.poolmanager.connection_from_host(endpoint.host, endpoint.port, scheme, pool_kwargs=pool_keys)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the connection has it already, by the server's own scheme and not that of the URL."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """What is asked for: never the URL of a proxy."""
        return request.path_url

    def close(self) -> None:
        """End the health checks, and close all connections."""
        super().close()
        with self._starting:
            if self._is_running:
                self._is_running = False
                self._end()


class _Sent(requests.PreparedRequest):
    """A request as one server gets it; ``origin`` is the caller's."""

    def __init__(self, origin: requests.PreparedRequest, server: Server, pool: Pool) -> None:
        super().__init__()
        vars(self).update(vars(origin.copy()))
        self.origin = origin
        self.server = server
        wanted = pool.config.host_header
        if wanted == "preserve":
            wanted = (origin.url or "").partition("://")[2].partition("/")[0].rpartition("@")[2]
        elif wanted == "server":
            wanted = server.named.authority
        self.headers.setdefault("Host", wanted)


def _release_at_end(response: requests.Response, lease: Lease) -> None:
    """Let the lease of a response that is streamed end with it, also where the caller just drops it."""
    raw: Any = response.raw
    reference = weakref.ref(raw)

    def release() -> None:
        """Called by urllib3 at the end of a body, and when it is closed."""
        lease.release()
        alive = reference()
        if alive is not None:
            type(alive).release_conn(alive)

    raw.release_conn = release
    weakref.finalize(response, _drop, lease, raw)


def _drop(lease: Lease, raw: Any) -> None:
    """A response that nobody closed is gone."""
    lease.release()
    raw.close()


def _error_of(error: requests.RequestException) -> DestonError:
    """The error of ours for one of requests, which knows whether another server may be tried."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, requests.ConnectTimeout) or isinstance(reason, (NewConnectionError, ConnectTimeoutError)):
        return ConnectError(str(error))
    if isinstance(error, requests.Timeout):
        return ReadTimeout(str(error))
    return StreamReset(str(error)) if isinstance(error, requests.ConnectionError) else BadResponse(str(error))


def _tree(servers: Sequence[str], health: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a configuration that has this pool alone."""
    lines = {f"server{number}": _listed(server) for number, server in enumerate(servers, 1)}
    texts = {key: _text(value) for key, value in keys.items()}
    checks = {key: _text(value) for key, value in health.items()}
    listener = {"bind": "127.0.0.1:0", "protocol": "http", "pool": _POOL}
    return {
        "listeners": {_POOL: listener},
        "pools": {_POOL: {**texts, "servers": lines, "health": checks}},
    }


def _listed(server: str) -> str | list[str]:
    parts = [part.strip() for part in server.split(",")]
    return parts[0] if len(parts) == 1 else parts


def _text(value: Any) -> str | list[str]:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
