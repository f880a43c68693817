"""A request and a response as the proxy sees them, free of WSGI and of sockets.

What lives here: the two values that adapters and proxy exchange, and the reading of a target and its host.
What must not: fields' rules (``headers``), bytes on the wire (``http1``).
Invariant: method and target go on byte for byte as they came, but for what a route strips.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from deston.balancer.pool import Lease
from deston.config.model import ListenerConfig
from deston.errors import BadRequest
from deston.l7.body import RequestBody
from deston.l7.cache import ConnectionCache
from deston.l7.fields import Field, Named
from deston.l7.http1 import ResponseHead
from deston.l7.record import Record
from deston.net.byte_stream import Bytes, ByteStream
from deston.net.hub import Turn
from deston.net.relay import Relay
from deston.traffic import Traffic, traffic

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
# RFC 3986 section 3.2.2, but for the comma: with it some WSGI servers join what came as two.
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z!$&'()*+;=._~%-]*)(?::[0-9]*)?")
_UNFIT_FOR_TARGET: Final = re.compile(rb"[\x00-\x20\x7f#]")
_ASTERISK: Final = b"*"
_OF_COPIES: Final = Traffic()
# What a client says is no key of a cache beyond this size.
LARGEST_KEY: Final = 256


def no_interim(head: ResponseHead) -> None:
    """Interim responses go no further, where an adapter cannot send them."""


class Request:
    """One HTTP request. ``peer`` is the address of whoever connected, empty for a unix socket.

    What an adapter can do besides: ``upgrade`` is the protocol that the client would like to go on with (RFC 9110
    section 7.8), empty where there is none or it cannot be carried. ``expects`` is whether the client waits for 100
    Continue before it sends its body. ``interim`` sends the client an interim response. ``takes_trailers`` is whether
    trailers of the response can reach it. ``stream`` is the client's connection, which tells that it has left.
    ``identity`` are the field lines that tell the server of the client's certificate. ``interims`` counts the interim
    responses that came. ``tls_version`` is empty where TLS is not ours. ``added`` are field lines that the server gets
    besides. ``record`` is what an access log will say. ``began`` is when it was given to a pool (on the monotonic
    clock), and ``lease`` the last one that it got there. ``is_copy`` is whether no client waits for the response.
    ``number`` is the one by which an operator knows it, once one has asked. ``cache`` has the idle connections of the
    hub that serves it, where that is known.
    """

    __slots__ = (
        "added", "began", "body", "cache", "expects", "fields", "identity", "interim", "interims", "is_copy",
        "is_http2", "lease", "listener", "method", "minor_version", "number", "peer", "record", "scheme", "stream",
        "takes_trailers", "target", "tls_version", "upgrade",
    )  # fmt: skip

    def __init__(
        self,
        listener: ListenerConfig,
        method: bytes,
        target: bytes,
        fields: list[Field],
        body: RequestBody,
        peer: str,
        scheme: str,
        minor_version: int = 1,
        upgrade: bytes = b"",
        expects: bool = False,
        interim: Callable[[ResponseHead], None] = no_interim,
        takes_trailers: bool = False,
        stream: ByteStream | None = None,
        identity: bytes = b"",
        tls_version: str = "",
        added: bytes = b"",
        is_http2: bool = False,
        is_copy: bool = False,
        cache: ConnectionCache | None = None,
    ) -> None:
        self.listener = listener
        self.method = method
        self.target = target
        self.fields = fields
        self.body: RequestBody = body
        self.peer = peer
        self.scheme = scheme
        self.minor_version = minor_version
        self.upgrade = upgrade
        self.expects = expects
        self.interim = interim
        self.takes_trailers = takes_trailers
        self.stream = stream
        self.identity = identity
        self.tls_version = tls_version
        self.added = added
        self.is_http2 = is_http2
        self.is_copy = is_copy
        self.cache = cache
        self.interims = 0
        self.record: Record | None = None
        self.began = 0.0
        self.lease: Lease | None = None
        self.number = ""

    @property
    def carried(self) -> Traffic:
        """Where its bytes are counted: for its listener, but those of a copy for nobody."""
        return _OF_COPIES if self.is_copy else traffic[self.listener.name]


def _never() -> float:
    """Nothing asks for an end."""
    return math.inf


@dataclass(slots=True)
class Tunnel:
    """A server's connection that speaks another protocol from now on.

    ``ahead`` was read of it already. ``timeout`` is how long it may be silent, and ``half_closed`` how long once one
    side has ended, in seconds. ``count`` is told the bytes that went to the server, and those that came. ``ends_at``
    tells when it is to end in any case, in seconds of the monotonic clock. ``relay`` is there while it is carried.
    """

    stream: ByteStream
    ahead: bytes
    timeout: float
    half_closed: float
    count: Callable[[int, int], None]
    ends_at: Callable[[], float] = _never
    relay: Relay | None = None


def _nothing() -> None:
    """There is nothing to close."""


def _no_more() -> bytes:
    """There is nothing to read."""
    return b""


class Response:
    """One HTTP response, whose body is read piece by piece; ``close`` whether it was read to its end or not.

    ``length`` is that of the body, or None where only its end tells. ``whole`` is the body where all of it is there
    already: then nothing is left to read; else ``is_at_hand`` tells whether a read would return at once, and
    ``send_to`` sends the rest of the body to a stream as it is. ``last`` asks the adapter to close the client's
    connection after it, because where the next request would begin is in doubt. ``trailers`` are the fields behind the
    body, once that was read. ``added`` are fields of this one response, behind those that it may share with others.
    With a ``tunnel`` there is no body: after the head, bytes go both ways, until ``close``.
    """

    __slots__ = (
        "added", "close", "fields", "is_at_hand", "last", "length", "read", "reason", "send_to", "status", "trailers",
        "tunnel", "whole",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        reason: bytes,
        fields: list[Field],
        length: int | None,
        read: Callable[[], bytes] = _no_more,
        close: Callable[[], None] = _nothing,
        last: bool = False,
        tunnel: Tunnel | None = None,
        whole: Bytes | None = None,
        trailers: Callable[[], Sequence[Field]] = tuple,
        is_at_hand: Callable[[], bool] = bool,
        send_to: Callable[[ByteStream, Turn, Callable[[int], None]], None] | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.length = length
        self.read = read
        self.close = close
        self.last = last
        self.tunnel = tunnel
        self.whole = whole
        self.trailers = trailers
        self.is_at_hand = is_at_hand
        self.send_to = send_to
        self.added: Sequence[Field] = ()


def read_target(request: Request, named: Named) -> tuple[bytes, bytes]:
    """The target in origin form (or ``*``) and the host, empty where there is none.

    ``named`` are the request's fields. Raises ``BadRequest`` for a method, target or host that is malformed, for a
    Host that is missing, repeated, or unlike that of the target (RFC 9112 section 3.2), and for CONNECT.
    """
    method, said = request.method, request.target
    target, authority = (_remembered_target if len(method) + len(said) <= LARGEST_KEY else _target)(method, said)
    hosts = named.get(b"host")
    if hosts is None:
        if request.minor_version >= 1:
            raise BadRequest("exactly one Host is needed")
        host = authority or b""
    elif len(hosts) > 1:
        raise BadRequest("exactly one Host is needed")
    else:
        host = hosts[0]
    if not _may_be_host(host) or (authority is not None and authority.lower() != host.lower()):
        raise BadRequest("the Host is malformed, or not that of the target")
    return target, host


def _target(method: bytes, said: bytes) -> tuple[bytes, bytes | None]:
    """The target in origin form, and the authority where there was one; raises ``BadRequest``, for the method, too."""
    if method == b"CONNECT" or _METHOD.fullmatch(method) is None:
        raise BadRequest("the method is malformed, or asks for a tunnel")
    target, authority = (said, None) if said.startswith(b"/") else _split_absolute(method, said)
    if _UNFIT_FOR_TARGET.search(target) or not (target.startswith(b"/") or _is_asterisk(target, method)):
        raise BadRequest("the request target is malformed")
    return target, authority


_remembered_target: Final = lru_cache(maxsize=1024)(_target)


def _may_be_host(host: bytes) -> bool:
    return _is_fit_host(host) if len(host) <= LARGEST_KEY else _HOST.fullmatch(host) is not None


@lru_cache(maxsize=1024)
def _is_fit_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def _is_asterisk(target: bytes, method: bytes) -> bool:
    """Whether the target is the server as a whole (RFC 9112 section 3.2.4)."""
    return target == _ASTERISK and method == b"OPTIONS"


def _split_absolute(method: bytes, said: bytes) -> tuple[bytes, bytes | None]:
    """The target in origin form, and the authority where there was one (RFC 9112 section 3.2.2)."""
    match = _ABSOLUTE.fullmatch(said)
    if match is None:
        return said, None
    authority, rest = match[1], match[2]
    if not authority:
        raise BadRequest("the request target has no host")
    if not rest and method == b"OPTIONS":
        return _ASTERISK, authority
    return (rest if rest.startswith(b"/") else b"/" + rest), authority
