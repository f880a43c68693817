"""The proxy: from a request to a response, for every adapter.

What lives here: the short way of a listener without rules, the lines that a server gets, and how it is dialed.
What must not: the rules of a listener (``site``), WSGI, gunicorn, sockets.
Invariant: ``forward`` always returns a response; what cannot be served is answered with the status of its error.
"""

from __future__ import annotations

import logging
import ssl
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from deston.access.log import AccessLogs
from deston.address import client_key
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import Config, Forwarded, ListenerConfig, PoolConfig, Protocol
from deston.errors import DestonError, NoRoute, RequestTooLarge
from deston.l7 import headers, http1
from deston.l7.affinity import Affinity, read_secret
from deston.l7.answers import refusal
from deston.l7.asked import Asked
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.cache import connection_cache
from deston.l7.exchange import Connect, Exchange
from deston.l7.fields import Fields, Named
from deston.l7.hashing import hash_keys
from deston.l7.headers import peer_lines
from deston.l7.opening import Opening
from deston.l7.request import Request, Response, read_target
from deston.l7.retry import RetryBudget
from deston.l7.site import Site
from deston.net.byte_stream import ByteStream
from deston.net.dial import dial
from deston.net.tls import client_context, secure

log: Final = logging.getLogger("deston.l7")


class Proxy:
    """Routes requests to the pools of a registry.

    ``connect`` opens connections to servers; a test hands in its own. ``logs`` are where access logs go. Raises
    ``StartError`` for a certificate, a page or a secret that cannot be read.
    """

    def __init__(
        self, registry: Registry, config: Config, connect: Connect | None = None, logs: AccessLogs | None = None
    ) -> None:
        self.registry = registry
        self._config = config
        self._contexts = tls_contexts(config)
        self._connect = connect or self._open
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)
        self._logs = logs
        #: Whether clients may come: not so once the process was told to stop.
        self.is_ready = True
        self._affinities = affinities(config)
        self._keys = hash_keys(config.pools)
        self._sites = {one.name: self._new_site(one) for one in config.listeners_of(Protocol.HTTP)}

    def forward(self, request: Request) -> Response:
        """The response to a request: a server's, or ours where there is none to be had."""
        listener = request.listener
        site = self._sites.get(listener.name)
        if site is None or site.listener is not listener:
            site = self.site(listener)
        if not site.is_plain:
            return site.serve(request, self._send)
        try:
            fields = request.fields if isinstance(request.fields, Fields) else Fields(request.fields)
            target, host = read_target(request, fields.named)
            client, networks, trusted = request.peer, listener.trusted_proxies, False
            if networks and headers.is_trusted(client, networks):
                client, trusted = headers.client_address(client, fields.named, networks), True
            name = listener.pool
            if site.has_routes:
                way = site.way(host, target, request.method, fields.named, client)
                if not way.is_plain:
                    return site.serve(request, self._send)
                name = way.pools[0] if way.pools else ""
                if way.prefixes:
                    target = way.prefixes.to_server(target)
            if not name:
                raise NoRoute("no route matches")
            pool = self.registry.pool(name)
            response = self._exchange(request, pool, fields, target, host, client, trusted).run()
        except DestonError as error:
            site.tell(error)
            response = refusal(error, named=_named(request))
        site.statuses[response.status] += 1
        return response

    def site(self, listener: ListenerConfig) -> Site:
        """The rules of a listener."""
        site = self._sites.get(listener.name)
        if site is None or site.listener is not listener:
            before, site = site, self._new_site(listener)
            if before is not None:
                site.go_on(before)
            self._sites[listener.name] = site
        return site

    def go_on(self, before: Proxy) -> None:
        """Take over what was counted before a reload, and whether clients may come."""
        self.is_ready = before.is_ready  # One that was told to stop stays so.
        self._budgets = before._budgets
        for name in self._sites.keys() & before._sites.keys():
            self._sites[name].go_on(before._sites[name])

    def refresh(self, pools: Iterable[PoolConfig]) -> None:
        """Take over what was changed of pools at run time."""
        self._keys = hash_keys(pools)

    def accounts(self) -> list[str]:
        """What this process did besides sending requests to pools, a line each."""
        return [line for site in self._sites.values() for line in site.accounts()]

    def _new_site(self, listener: ListenerConfig) -> Site:
        access_log = None if self._logs is None else self._logs.of(listener.access_log)
        write = None if access_log is None else access_log.write
        return Site(listener, self._config.routes, self.registry, self._affinities, write, lambda: self.is_ready)

    def _send(self, asked: Asked, pool: Pool, preferred: Server | None) -> tuple[Response, Server]:
        """Send what has passed the rules of its listener to a pool."""
        fields = asked.fields if isinstance(asked.fields, Fields) else Fields(asked.fields)
        exchange = self._exchange(
            asked.request, pool, fields, asked.target, asked.host, asked.client, asked.trusted, preferred
        )
        return exchange.run(), exchange.server

    def _exchange(
        self,
        request: Request,
        pool: Pool,
        fields: Fields,
        target: bytes,
        host: bytes,
        client: str,
        trusted: bool,
        preferred: Server | None = None,
    ) -> Exchange:
        if request.body is not NO_BODY:
            _limit_body(request.body, request.listener.max_body_size)
        lines = _upstream_lines(request, fields, host, trusted)
        opening = Opening(pool, request.method, target, host, lines)
        key = client_key(client)
        if self._keys and pool.name in self._keys:
            key = self._keys[pool.name](fields.named, target) or key
        budget = self._budgets[pool.name]
        cache = request.cache
        if cache is None:
            cache = connection_cache()
        return Exchange(pool, request, opening, self._connect, cache, budget, key, self.registry, preferred)

    def _open(self, pool: Pool, server: Server) -> ByteStream:
        endpoint, config = server.endpoint_or_fail(), pool.config
        stream = dial(endpoint, config.connect_timeout, config.source_address)
        if not server.tls:
            return stream
        name = config.tls.server_name or server.named.host
        context = self._contexts.get(pool.name)
        if context is None:  # Its first server with TLS came at run time.
            context = self._contexts[pool.name] = client_context(config.tls)
        return secure(stream, endpoint, context, name, config.handshake_timeout)


def _named(request: Request) -> Named:
    return request.fields.named if isinstance(request.fields, Fields) else {}


def affinities(config: Config) -> dict[str, Affinity]:
    """How pools keep their clients, by the pools' names; raises ``StartError``."""
    pools = [pool for pool in config.pools if pool.affinity_cookie]
    if not pools:
        return {}
    secret = read_secret(config.global_)
    return {pool.name: Affinity(pool, secret) for pool in pools}


def tls_contexts(config: Config) -> dict[str, ssl.SSLContext]:
    """The TLS context of each pool that has a server with TLS; raises ``StartError``."""
    return {pool.name: client_context(pool.tls) for pool in config.pools if any(server.tls for server in pool.servers)}


def _limit_body(body: RequestBody, most: int) -> None:
    body.most = most
    if most and body.length is not None and body.length > most:
        raise RequestTooLarge(f"the body is over {most} bytes")


class _Lines:
    """Lines that were made once for some fields, and what else they depend on.

    Not all of it follows from the fields: in HTTP/2 a body need not be announced, and whether a connection can be taken
    over for another protocol is known with each request only.
    """

    __slots__ = ("_expects", "_length", "_listener", "_scheme", "_takes_trailers", "_upgrade", "lines")

    def __init__(self, request: Request, lines: bytes) -> None:
        self.lines = lines
        self._listener = request.listener
        self._scheme = request.scheme
        self._length = request.body.length
        self._upgrade = request.upgrade
        self._expects = request.expects
        self._takes_trailers = request.takes_trailers

    def fit(self, request: Request) -> bool:
        """Whether a request with the same fields has the same lines."""
        return (
            self._listener is request.listener
            and self._scheme == request.scheme
            and self._length == request.body.length
            and self._upgrade == request.upgrade
            and self._expects == request.expects
            and self._takes_trailers == request.takes_trailers
        )


def _upstream_lines(request: Request, fields: Fields, host: bytes, trusted: bool) -> bytes:
    """The lines of the request as the server gets them, but for Host."""
    listener = request.listener
    if trusted:
        told = _kept_lines(request, fields, request.peer, host, True, listener.forwarded)
        return told + request.identity + request.added
    key = listener.name if request.minor_version else (listener.name, 0)  # The usual version needs no tuple.
    found: _Lines | None = fields.kept.get(key)
    if found is not None and found.fit(request):
        lines = found.lines
    else:
        lines = _kept_lines(request, fields, "", host, False, listener.forwarded - _RFC7239)
        if b"host" in fields.named:  # Else the host is in the target.
            fields.kept[key] = _Lines(request, lines)
    if listener.forwarded == _X_FORWARDED:
        lines += peer_lines(request.peer)
        return lines + request.identity + request.added if request.identity or request.added else lines
    return lines + _told_otherwise(request, host, listener.forwarded) + request.identity + request.added


_RFC7239: Final = frozenset({Forwarded.RFC7239})
_X_FORWARDED: Final = frozenset({Forwarded.X_FORWARDED})


def _told_otherwise(request: Request, host: bytes, forms: frozenset[Forwarded]) -> bytes:
    """What tells the server of the peer where that is not by ``X-Forwarded-For`` alone."""
    lines = peer_lines(request.peer) if Forwarded.X_FORWARDED in forms else b""
    if Forwarded.RFC7239 in forms:
        lines += headers.forwarded_line(request.peer, request.scheme, host)
    return lines


def _kept_lines(
    request: Request, fields: Fields, peer: str, host: bytes, trusted: bool, forms: frozenset[Forwarded]
) -> bytes:
    options = headers.connection_options(fields.named)
    if request.body.length is not None:
        options |= headers.TRAILER
    if request.identity:
        options |= headers.ABOUT_THE_CERTIFICATE
    kept = headers.upstream_fields(fields, options, peer, request.scheme, host, trusted, forms)
    if request.listener.via:
        kept.append(headers.via_field(request.minor_version))
    said = []
    if request.upgrade:
        said.append(b"upgrade")
        kept.append((b"Upgrade", request.upgrade))
    if request.takes_trailers and headers.takes_trailers(fields.named):
        said.append(b"TE")
        kept.append((b"TE", b"trailers"))
    if said:
        kept.append((b"Connection", b", ".join(said)))
    if request.expects:
        kept.append((b"Expect", b"100-continue"))
    return http1.field_lines(kept) + _end_of_body(request, fields)


def _end_of_body(request: Request, fields: Fields) -> bytes:
    length = request.body.length
    if length is None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % length if length or b"content-length" in fields.named else b""
