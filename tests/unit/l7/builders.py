"""Listeners, requests and responses for tests, ordinary unless a test says otherwise.

What lives here: one builder for each kind of value, the servers of a pool as scripts, and what is logged.
What must not: assertions.
Invariant: what two calls build shares nothing that moves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from deston.address import Address
from deston.balancer.policies import make_policy
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.http_rules import PoolShare, RouteConfig
from deston.config.model import AdminConfig, Config, GlobalConfig, ListenerConfig, Protocol
from deston.errors import ConnectError
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.fields import Field
from deston.l7.request import Request
from deston.net.byte_stream import ByteStream
from deston.net.fake import FakeStream
from tests import builders
from tests.builders import make_pool_config, make_server_config

Reads = Iterable[bytes | BaseException]


def make_listener(name: str = "web", **changes: Any) -> ListenerConfig:
    """An HTTP listener of the pool ``app`` that trusts nobody and says nothing in Via.

    ``changes`` are fields of ``ListenerConfig``.
    """
    return builders.make_listener(Protocol.HTTP, name, **{"bind": Address("127.0.0.1", 8080), "via": False, **changes})


def make_route(name: str = "route", **changes: Any) -> RouteConfig:
    """A route of every host and path to the pool ``app``; ``changes`` are fields of ``RouteConfig``."""
    pools = changes.pop("pools", None) or (PoolShare(changes.pop("pool", "app")),)
    return RouteConfig(name=name, pools=pools, **changes)


def make_config(*pools: Any, routes: tuple[RouteConfig, ...] = (), **changes: Any) -> Config:
    """A listener and its pools, of one server each unless they are given; ``changes`` are fields of ``Config``."""
    ordinary: dict[str, Any] = {
        "file": "deston.conf",
        "global_": GlobalConfig(
            run_dir="run",
            workers=1,
            store="memory",
            drain_timeout=30.0,
            max_connections=0,
            secret_file="",
            stop_delay=5.0,
        ),
        "admin": AdminConfig(bind=Address("127.0.0.1", 9900), token=""),
        "listeners": (make_listener(),),
    }
    found = pools or (make_pool_config(make_server_config()),)
    return Config(pools=found, routes=routes, **{**ordinary, **changes})


def make_request(*fields: Field, **changes: Any) -> Request:
    """``GET /`` without a body for ``example.com`` from 192.0.2.1; ``fields`` come after Host.

    ``changes`` are attributes of ``Request``, those that it begins with and those that it gets.
    """
    ordinary: dict[str, Any] = {
        "listener": make_listener(),
        "method": b"GET",
        "target": b"/",
        "fields": [(b"Host", b"example.com"), *fields],
        "body": NO_BODY,
        "peer": "192.0.2.1",
        "scheme": "http",
    }
    later = {name: changes.pop(name) for name in ("began", "interims", "lease", "record") if name in changes}
    request = Request(**{**ordinary, **changes})
    for name, value in later.items():
        setattr(request, name, value)
    return request


class Client:
    """Where a request's body comes from: these pieces, cut to what a read asks for, or errors."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self._stream = FakeStream(pieces)
        self.reads = 0

        self.trailers: Sequence[Field] = ()

    def read(self, limit: int) -> bytes:
        self.reads += 1
        return self._stream.read(limit)

    @property
    def can_go_on(self) -> bool:
        return False

    def is_at_hand(self) -> bool:
        return True

    def wait_with(self, other: ByteStream) -> None:
        raise AssertionError("nothing is waited for here")


def make_body(*pieces: bytes | BaseException, length: int | None = -1) -> RequestBody:
    """A body in these pieces, of their length unless another is given, None for chunks."""
    total = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    return RequestBody(Client(*pieces), total if length == -1 else length)


def response(body: bytes = b"hello", *fields: bytes, status: bytes = b"200 OK", version: bytes = b"1.1") -> bytes:
    """The bytes of a response of a known length."""
    lines = [b"HTTP/%b %b" % (version, status), b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Servers:
    """Opens scripted connections: each dial of a server takes the next of its scripts.

    A script is a stream, the reads of one, or the error with which the dial fails; a server without scripts refuses.
    ``dialed`` names the servers in the order of their dials, ``streams`` are all that were opened.
    """

    def __init__(self, **scripts: Iterable[FakeStream | Reads | BaseException]) -> None:
        self._scripts = {name: list(ones) for name, ones in scripts.items()}
        self.dialed: list[str] = []
        self.streams: list[FakeStream] = []

    def __call__(self, pool: Pool, server: Server) -> FakeStream:
        """Connect, as the proxy asks for."""
        self.dialed.append(server.name)
        scripts = self._scripts.get(server.name)
        if not scripts:
            raise ConnectError(f"{server.address}: Connection refused")
        script = scripts.pop(0)
        if isinstance(script, BaseException):
            raise script
        stream = script if isinstance(script, FakeStream) else FakeStream(script)
        self.streams.append(stream)
        return stream

    @property
    def requests(self) -> list[bytes]:
        """What each connection was sent, in the order of the dials."""
        return [stream.written for stream in self.streams]


class Sentences(logging.Handler):
    """What is logged, as one text."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.levelname}: {record.getMessage()}\n"
        assert record.exc_info is None, "a traceback"


def make_registry(config: Config) -> Registry:
    """The living pools of a configuration."""
    return Registry(Pool(one, make_policy(one), tuple(map(Server, one.servers))) for one in config.pools)
