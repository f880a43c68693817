"""The proxy: from a request to a response, for every adapter.

What lives here: the order of things (target, route, limits, fields, exchange), and the answer to each error.
What must not: WSGI, gunicorn, sockets.
Invariant: ``forward`` always returns a response; what cannot be served is answered with the status of its error.
"""

from __future__ import annotations

import logging
import ssl
from collections import Counter, defaultdict
from http import HTTPStatus

from deston.address import client_key
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import Config, Forwarded, ListenerConfig
from deston.errors import (
    BadRequest,
    ClientGone,
    DestonError,
    LengthRequired,
    NoRoute,
    NoServerAvailable,
    RequestTooLarge,
)
from deston.l7 import headers, http1
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.cache import connection_cache
from deston.l7.exchange import Connect, Exchange
from deston.l7.http1 import Fields
from deston.l7.request import LARGEST_KEY, Request, Response, read_target
from deston.l7.retry import RetryBudget
from deston.l7.routing import Router, host_without_port, strip_prefix
from deston.net.byte_stream import ByteStream
from deston.net.dial import dial
from deston.net.tls import client_context, secure

log = logging.getLogger("deston.l7")

PRESERVE, SERVER = "preserve", "server"


class Proxy:
    """Routes requests to the pools of a registry.

    ``connect`` opens connections to servers; a test hands in its own. Raises ``StartError`` for a certificate
    that cannot be read.
    """

    def __init__(self, registry: Registry, config: Config, connect: Connect | None = None) -> None:
        self.registry = registry
        self.router = Router(config.routes)
        self._contexts = tls_contexts(config)
        self._connect = connect or self._open
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)

    def forward(self, request: Request) -> Response:
        """The response to a request: a server's, or ours where there is none to be had."""
        try:
            return self._forward(request)
        except NoServerAvailable as error:
            log.info("%s: a request was refused: %s", request.listener.name, error)
            return refusal(error)
        except DestonError as error:
            log.debug("%s %s: %s", request.method, request.target, error)
            return refusal(error)

    def _forward(self, request: Request) -> Response:
        fields = request.fields if isinstance(request.fields, Fields) else Fields(request.fields)
        target, host = read_target(request, fields.named)
        pool, target = self._route(request, host, target)
        listener = request.listener
        if request.body is not NO_BODY:
            _limit_body(request.body, listener.max_body_size)
        networks = listener.trusted_proxies
        trusted = headers.is_trusted(request.peer, networks)
        client = headers.client_address(request.peer, fields.named, networks) if trusted else request.peer
        lines = _upstream_lines(request, fields, host, trusted)

        def head(server: Server) -> bytes:
            return http1.request_head(request.method, target, _host_for(pool, server, host), lines)

        budget = self._budgets[pool.name]
        exchange = Exchange(pool, request, head, self._connect, connection_cache(), budget)
        return exchange.run(client_key(client))

    def _route(self, request: Request, host: bytes, target: bytes) -> tuple[Pool, bytes]:
        if not self.router.is_empty:
            route = self.router.match(_host_to_route(host), target.decode("latin-1"))
            if route is not None:
                return self.registry.pool(route.pool), strip_prefix(target, route.strip_prefix)
        if not request.listener.pool:
            raise NoRoute("no route matches")
        return self.registry.pool(request.listener.pool), target

    def _open(self, pool: Pool, server: Server) -> ByteStream:
        endpoint, config = server.endpoint_or_fail(), pool.config
        stream = dial(endpoint, config.connect_timeout, config.source_address)
        if not server.tls:
            return stream
        name = config.tls.server_name or server.named.host
        return secure(stream, endpoint, self._contexts[pool.name], name, config.handshake_timeout)


def _host_to_route(host: bytes) -> str:
    return (host_without_port if len(host) <= LARGEST_KEY else host_without_port.__wrapped__)(host)


def tls_contexts(config: Config) -> dict[str, ssl.SSLContext]:
    """The TLS context of each pool that has a server with TLS; raises ``StartError``."""
    return {pool.name: client_context(pool.tls) for pool in config.pools if any(server.tls for server in pool.servers)}


def _limit_body(body: RequestBody, most: int) -> None:
    body.most = most
    if most and body.length is not None and body.length > most:
        raise RequestTooLarge(f"the body is over {most} bytes")


def _upstream_lines(request: Request, fields: Fields, host: bytes, trusted: bool) -> bytes:
    """The lines of the request as the server gets them, but for Host.

    What follows from the fields alone is the same for each request with the same ones.
    """
    listener = request.listener
    if trusted:
        told = _kept_lines(request, fields, request.peer, host, True, listener.forwarded)
        return told + request.identity
    # All else that matters follows from the fields, where these come from a head that repeats.
    key = (listener.name, request.scheme, request.minor_version)
    found: tuple[ListenerConfig, bytes] | None = fields.kept.get(key)
    if found is None or found[0] is not listener:
        lines = _kept_lines(request, fields, "", host, False, listener.forwarded - _RFC7239)
        if b"host" in fields.named:  # Else the host is in the target.
            fields.kept[key] = listener, lines
    else:
        lines = found[1]
    if listener.forwarded == _X_FORWARDED:
        return lines + headers.peer_lines(request.peer) + request.identity
    return lines + _told_otherwise(request, host, listener.forwarded) + request.identity


_RFC7239 = frozenset({Forwarded.RFC7239})
_X_FORWARDED = frozenset({Forwarded.X_FORWARDED})


def _told_otherwise(request: Request, host: bytes, forms: frozenset[Forwarded]) -> bytes:
    """What tells the server of the peer where that is not by ``X-Forwarded-For`` alone."""
    lines = headers.peer_lines(request.peer) if Forwarded.X_FORWARDED in forms else b""
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


def _host_for(pool: Pool, server: Server, host: bytes) -> bytes:
    """The Host that a server gets; its own where a client of HTTP/1.0 gave none."""
    wanted = pool.config.host_header
    if wanted == PRESERVE and host:
        return host
    if wanted in (PRESERVE, SERVER):
        return b"localhost" if server.named.path else str(server.named).encode()
    return wanted.encode("latin-1")


#: How often this process gave an answer of its own instead of a server's, by status.
answered: Counter[int] = Counter()

# After these nobody can say where the client's next request begins.
_IN_DOUBT = (BadRequest, LengthRequired, ClientGone)


def refusal(error: DestonError) -> Response:
    """Our own answer to a request that could not be served: short, plain, and never cached."""
    status = HTTPStatus(error.http_status)
    answered[status.value] += 1
    body = f"{status.value} {status.phrase}\n".encode()
    fields = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Cache-Control", b"no-cache"),
    ]
    last = isinstance(error, _IN_DOUBT)
    return Response(status.value, status.phrase.encode(), fields, len(body), last=last, whole=body)
