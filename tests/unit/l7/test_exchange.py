"""One request with its response: leases, connections and tries, over scripted connections."""

from __future__ import annotations

import contextlib
import gc
import math
import time
import weakref
from _socket import socket as RawSocket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import errors
from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import RetryCause, RetryOn
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.cache import ConnectionCache, ServerConnection
from deston.l7.exchange import Exchange
from deston.l7.incoming import PIECE
from deston.l7.opening import Opening
from deston.l7.request import Response
from deston.l7.retry import BUDGET_FLOOR, RetryBudget
from deston.net.fake import FakeStream, FakeStreamInTurn
from deston.net.stream import Stream
from deston.traffic import traffic
from tests.builders import make_pool, make_server_config, make_server_configs
from tests.leaks import a_while
from tests.properties import unhurried
from tests.unit.l7.builders import Client, Sentences, Servers, make_body, make_request, response
from tests.wires import in_good_time, tcp_pair

HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OPENING = Opening(make_pool(), b"GET", b"/", b"a.test", b"")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
KEPT = b"Connection: keep-alive"


@dataclass
class Observed:
    """What the pool's observer was told: each dial, and whether the server was reached."""

    dials: list[tuple[str, bool]] = field(default_factory=list)

    def __call__(self, pool: Pool, server: Server, reached: bool) -> None:
        self.dials.append((server.name, reached))


class Bench:
    """A pool of scripted servers ``a``, ``b``, ``c`` …, and exchanges with it."""

    def __init__(
        self, cache: ConnectionCache, servers: Servers, count: int = 1, changes: dict[str, Any] | None = None
    ) -> None:
        self.pool = make_pool(*make_server_configs(*[1] * count), **(changes or {}))
        self.observed = Observed()
        self.pool.observer = self.observed
        self.servers = servers
        self.cache = cache
        self.budget = RetryBudget()

    def run(self, method: bytes = b"GET", body: RequestBody | None = None) -> Response:
        request = make_request(method=method, body=body or NO_BODY)
        return Exchange(self.pool, request, OPENING, self.servers, self.cache, self.budget).run()

    def read(self, method: bytes = b"GET", body: RequestBody | None = None) -> bytes:
        """The whole body of a response."""
        return read_all(self.run(method, body))

    @property
    def active(self) -> int:
        return sum(server.active for server in self.pool.servers)

    @property
    def failures(self) -> list[int]:
        return [server.failures for server in self.pool.servers]

    def assert_settled(self) -> None:
        """The invariant: no lease is held, and a connection is closed or idle in the cache."""
        assert self.active == 0
        assert sum(not stream.closed for stream in self.servers.streams) == len(self.cache)


def read_all(found: Response) -> bytes:
    try:
        return b"".join(iter(found.read, b"")) if found.whole is None else bytes(found.whole)
    finally:
        found.close()


BenchMaker = Callable[..., Bench]


@pytest.fixture
def bench(cache: ConnectionCache) -> BenchMaker:
    """Makes benches of this test's cache; the scripts are named by their servers."""

    def make(count: int = 1, changes: dict[str, Any] | None = None, **scripts: object) -> Bench:
        return Bench(cache, Servers(**scripts), count, changes)  # type: ignore[arg-type]

    return make


def test_a_response_comes_back(bench: BenchMaker) -> None:
    """Status, reason, fields and body are those of the server; what is there as a whole holds no lease."""
    one = bench(a=[[response(b"hello", b"X-A: 1", b"x-a: 2", status=b"201 Made")]])
    found = one.run()
    assert (found.status, found.reason, found.length) == (201, b"Made", 5)
    assert found.fields == [(b"Content-Length", b"5"), (b"X-A", b"1"), (b"x-a", b"2")]
    assert found.whole == b"hello"
    assert one.active == 0
    assert found.read() == b""
    found.close()
    assert one.servers.requests == [HEAD]
    assert one.observed.dials == [("a", True)]
    one.assert_settled()


@pytest.mark.parametrize(
    ("reads", "length", "body"),
    [
        ([response(b"")], 0, b""),
        ([response(b"ab")], 2, b"ab"),
        ([CHUNKED, b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n"], None, b"abc"),
        ([UNTIL_CLOSE, b"ab", b"c"], None, b"abc"),
    ],
)
def test_every_framing(bench: BenchMaker, reads: list[bytes], length: int | None, body: bytes) -> None:
    """However a body ends, it comes back whole; its length is known where the server says it."""
    one = bench(a=[reads])
    found = one.run()
    assert found.length == length
    assert read_all(found) == body
    one.assert_settled()


# --- keeping connections


def test_a_connection_is_used_again(bench: BenchMaker) -> None:
    """After a complete response the connection serves the next exchange."""
    one = bench(a=[[response(b"one"), response(b"two")]])
    assert [one.read(), one.read()] == [b"one", b"two"]
    assert one.servers.dialed == ["a"]
    assert one.servers.requests == [HEAD * 2]
    assert one.observed.dials == [("a", True)]
    one.assert_settled()


@pytest.mark.parametrize(
    ("reads", "kept"),
    [
        ([response(b"x")], True),
        ([response(b"")], True),
        ([CHUNKED + b"1\r\nx\r\n0\r\n\r\n"], True),
        ([response(b"x", b"Connection: close")], False),
        ([response(b"x", version=b"1.0")], False),
        ([response(b"x", KEPT, version=b"1.0")], True),
        ([UNTIL_CLOSE + b"x"], False),
        ([response(b"x") + b"more"], False),
        ([response(b"x", status=b"204 No Content")], False),
        ([response(b"", status=b"304 Not Modified")], True),
        ([response(b"x", b"Keep-Alive: timeout=5")], True),
        ([response(b"x", b"Keep-Alive: timeout=1")], False),
        ([response(b"x", b"Keep-Alive: timeout=0")], False),
    ],
)
def test_which_connections_are_kept(bench: BenchMaker, reads: list[bytes], kept: bool) -> None:
    """Only where the server keeps it open, the response was complete, and nothing is left over."""
    one = bench(a=[reads])
    one.read()
    assert len(one.cache) == kept
    assert one.servers.streams[0].closed is not kept
    one.assert_settled()


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("keep_alive", "expected"),
    [
        ([], 4.0),
        ([b"timeout=60"], 4.0),
        ([b"timeout=5"], 4.0),
        ([b"timeout=4"], 3.0),
        ([b"timeout=2, max=100"], 1.0),
        ([b"max=100, Timeout=2"], 1.0),
        ([b"timeout=10", b"timeout=3"], 2.0),
        ([b"timeout=x"], 4.0),
        ([b"timeout=-5"], 4.0),
        ([b"timeout="], 4.0),
        ([b""], 4.0),
    ],
)
def test_the_servers_keep_alive_time_is_obeyed(keep_alive: list[bytes], expected: float) -> None:
    """A connection idles for as long as the pool says, or a second less than the server says."""
    kept: list[float] = []

    class Watched(ConnectionCache):
        def put(self, connection: ServerConnection, seconds: float, most: int, oldest: float, now: float) -> None:
            kept.append(seconds)
            super().put(connection, seconds, most, oldest, now)

    with a_while(Watched()) as watched:
        one = Bench(watched, Servers(a=[[response(b"x", *(b"Keep-Alive: " + value for value in keep_alive))]]))
        one.read()
    assert kept == [expected]


def test_a_connection_belongs_to_the_address_that_was_dialed(bench: BenchMaker) -> None:
    """A server that moves while it answers is dialed at its new address next time."""
    one = bench(a=[[response(b"old")], [response(b"new")]])
    found = one.run()
    one.pool.servers[0].endpoint = Address("127.0.0.2", 3000)
    assert read_all(found) == b"old"
    assert one.read() == b"new"
    assert one.servers.dialed == ["a", "a"]
    one.assert_settled()


def test_a_failure_leaves_no_cycle(bench: BenchMaker) -> None:
    """What a failed exchange held is freed at once, not when the collector of cycles comes by."""
    one = bench(1)
    body = make_body(b"x" * PIECE)
    freed = weakref.ref(body._source)
    gc.disable()
    try:
        with contextlib.suppress(errors.ConnectError):
            one.run(b"POST", body)
        del body
        assert freed() is None
    finally:
        gc.enable()


def test_a_pool_that_keeps_none(bench: BenchMaker) -> None:
    """Without room in the cache each exchange has a connection of its own."""
    one = bench(changes={"max_idle_connections": 0}, a=[[response()], [response()]])
    one.read()
    one.read()
    assert one.servers.dialed == ["a", "a"]
    one.assert_settled()


def test_a_body_that_nobody_reads_closes_the_connection(bench: BenchMaker) -> None:
    """A response that is given up half way leaves its connection unfit for another."""
    one = bench(a=[[CHUNKED, b"2\r\nab\r\n", b"0\r\n\r\n"]])
    found = one.run()
    assert found.read() == b"ab"
    found.close()
    found.close()
    assert found.read() == b""
    assert len(one.cache) == 0
    one.assert_settled()


@pytest.mark.parametrize(
    "reads", [[response(b"ab")[:-1], b"b"], [CHUNKED + b"2\r\nab\r\n0\r\n\r\n"], [UNTIL_CLOSE + b"ab"]]
)
def test_a_body_that_nobody_begins_to_read_closes_the_connection(bench: BenchMaker, reads: list[bytes]) -> None:
    """Nor is a connection fit for another exchange if all of its body was left unread."""
    one = bench(a=[reads])
    one.run().close()
    assert one.servers.streams[0].closed
    one.assert_settled()
    one = bench(a=[[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"]])
    one.run().close()
    assert one.servers.streams[0].closed


def test_a_body_that_is_not_there_need_not_be_read(bench: BenchMaker) -> None:
    """The answer to HEAD is complete as it is: its connection is kept though nobody reads."""
    one = bench(a=[[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]])
    found = one.run(b"HEAD")
    assert found.fields == [(b"Content-Length", b"5")]
    found.close()
    assert len(one.cache) == 1
    one.assert_settled()


def test_fields_about_the_connection_stay_here(bench: BenchMaker) -> None:
    """Hop-by-hop fields of a response, and those that it names so, are not passed on."""
    fields = [b"Connection: X-Hop, keep-alive", b"X-Hop: 1", b"Keep-Alive: timeout=9", b"X-End: 2", b"Upgrade: h2c"]
    found = bench(a=[[response(b"", *fields)]]).run()
    assert found.fields == [(b"Content-Length", b"0"), (b"X-End", b"2")]


# --- trying again


def test_a_refused_dial_goes_to_the_next_server(bench: BenchMaker) -> None:
    """A server that cannot be reached costs nothing but the next try, whatever the method."""
    one = bench(3, c=[[response(b"c")]])
    assert one.read(b"POST", make_body(b"body")) == b"c"
    assert one.servers.dialed == ["a", "b", "c"]
    assert one.failures == [1, 1, 0]
    assert one.observed.dials == [("a", False), ("b", False), ("c", True)]
    one.assert_settled()


def test_as_many_tries_as_are_allowed(bench: BenchMaker) -> None:
    """After the last try its error comes out; no server is tried twice."""
    one = bench(4, changes={"retries": 2})
    with pytest.raises(errors.ConnectError):
        one.run()
    assert len(set(one.servers.dialed)) == len(one.servers.dialed) == 3
    one.assert_settled()


def test_without_retries_the_first_failure_is_the_last(bench: BenchMaker) -> None:
    """A pool may forbid other tries."""
    one = bench(2, changes={"retries": 0}, b=[[response()]])
    with pytest.raises(errors.ConnectError):
        one.run()
    assert one.servers.dialed == ["a"]


def test_the_error_of_the_last_server_comes_out(bench: BenchMaker) -> None:
    """Where no other server is left, what the last one did is said, not that there is no other."""
    one = bench(1, changes={"retries": 5}, a=[[errors.StreamReset("gone")]])
    with pytest.raises(errors.StreamReset, match="gone"):
        one.run()
    one = bench(2, changes={"retries": 5}, a=[[errors.StreamReset("gone")]])
    with pytest.raises(errors.ConnectError, match="refused"):
        one.run()


def test_no_server_at_all(bench: BenchMaker) -> None:
    """A pool without a server that may be picked is told apart from one whose servers fail."""
    one = bench(1)
    one.pool.servers[0].base_weight = 0
    one.pool.refresh()
    with pytest.raises(errors.NoServerAvailable):
        one.run()
    one.assert_settled()


def test_without_descriptors_nobody_else_is_asked(bench: BenchMaker) -> None:
    """A fault of ours counts against no server."""
    one = bench(2, a=[errors.OutOfDescriptors("EMFILE")], b=[[response()]])
    with pytest.raises(errors.OutOfDescriptors):
        one.run()
    assert one.failures == [0, 0]
    assert one.observed.dials == []
    one.assert_settled()


FAILURES = [
    [errors.StreamReset("reset")],
    [],
]


@pytest.mark.parametrize("reads", FAILURES)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_safe_method_survives_a_server_that_breaks_off(
    bench: BenchMaker, method: bytes, reads: list[bytes | BaseException]
) -> None:
    """A server that dies before the first byte of its answer costs a safe request one more try."""
    one = bench(2, a=[reads], b=[[response(b"")]])
    assert one.read(method) == b""
    assert one.servers.dialed == ["a", "b"]
    assert one.failures == [1, 0]
    assert one.observed.dials == [("a", True), ("a", False), ("b", True)]
    one.assert_settled()


@pytest.mark.parametrize("reads", FAILURES)
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND"])
def test_any_other_method_is_sent_once(bench: BenchMaker, method: bytes, reads: list[bytes | BaseException]) -> None:
    """What a server may have acted on is not sent to another."""
    one = bench(2, a=[reads], b=[[response()]])
    with pytest.raises((errors.StreamReset, errors.StreamEnded)):
        one.run(method, make_body(b"body"))
    assert one.servers.dialed == ["a"]
    assert one.failures == [1, 0]
    one.assert_settled()


@pytest.mark.parametrize(
    ("reads", "error"),
    [
        ([errors.ReadTimeout("late")], errors.ReadTimeout),
        ([b"HTTP/1.1 200 OK\r\n", errors.ReadTimeout("late")], errors.ReadTimeout),
        ([b"what?\r\n\r\n"], errors.BadResponse),
        ([b"HTTP/1.1 200 OK\r\nContent-Len"], errors.BadResponse),
        ([b"HTTP/1.1 200 OK\r\n", errors.StreamReset("reset")], errors.BadResponse),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"], errors.BadResponse),
        ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"], errors.BadResponse),
        ([b"HTTP/1.1 100 Continue\r\nContent-Length : 1\r\n\r\n"], errors.BadResponse),
    ],
)
def test_what_is_not_tried_again(
    bench: BenchMaker, reads: list[bytes | BaseException], error: type[errors.DestonError]
) -> None:
    """A server that is silent for too long, or has begun an answer, has had the request."""
    one = bench(2, a=[reads], b=[[response()]])
    with pytest.raises(error):
        one.run()
    assert one.servers.dialed == ["a"]
    assert one.failures == [1, 0]
    one.assert_settled()


def test_a_malformed_answer_ends_with_a_reset(bench: BenchMaker) -> None:
    """Whoever speaks another protocol is left for good."""
    one = bench(a=[[b"SSH-2.0-OpenSSH\r\n\r\n"]])
    with pytest.raises(errors.BadResponse):
        one.run()
    assert one.servers.streams[0].aborted


def test_the_budget_bounds_retries(bench: BenchMaker) -> None:
    """When a server keeps dying, only so many requests are tried again."""
    dies = [[errors.StreamReset("reset")] for _ in range(10)]
    one = bench(2, a=dies, b=[[response(b"", b"Connection: close")] for _ in range(10)])
    outcomes = []
    for _ in range(8):
        try:
            outcomes.append(one.run().status)
        except errors.StreamReset:
            outcomes.append(0)
    assert outcomes.count(0) + outcomes.count(200) == 8
    assert sum(name == "b" for name in one.servers.dialed) >= BUDGET_FLOOR
    assert outcomes.count(0) == one.failures[0] - BUDGET_FLOOR


def test_the_budget_grows_with_the_requests(bench: BenchMaker) -> None:
    """Each exchange counts as a request, of which a share may be tried again."""
    one = bench(a=[[response(b"")] * 50])
    for _ in range(50):
        one.read()
    assert sum(iter(lambda: one.budget.take(time.monotonic()), False)) == 10


def test_a_body_is_sent_again_as_it_was(bench: BenchMaker) -> None:
    """A body that fits the memory goes whole to the next server, too."""
    body = make_body(b"one ", b"two", length=None)
    one = bench(2, a=[FakeStream([errors.StreamReset("reset")])], b=[[response(b"ok")]])
    assert one.read(b"GET", body) == b"ok"
    sent = HEAD + b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"
    assert one.servers.requests == [sent, sent]


def test_a_body_beyond_the_memory_is_sent_once(bench: BenchMaker) -> None:
    """A body that was not kept cannot be sent again, even if the method could."""
    one = bench(2, a=[[errors.StreamReset("reset")]], b=[[response()]])
    with pytest.raises(errors.StreamReset):
        one.run(b"GET", make_body(b"x" * PIECE, b"y"))
    assert one.servers.dialed == ["a"]
    one.assert_settled()


def test_a_large_body_survives_a_refused_dial(bench: BenchMaker) -> None:
    """Nothing of a body is lost to a server that could not be reached."""
    one = bench(2, b=[[response(b"ok")]])
    assert one.read(b"POST", make_body(b"x" * 3 * PIECE)) == b"ok"
    assert one.servers.requests == [HEAD + b"x" * 3 * PIECE]


def test_each_failed_try_is_logged(bench: BenchMaker, said: Sentences) -> None:
    """With the server, what was wrong with it, and whether another one is tried."""
    one = bench(2, a=[[errors.StreamReset("reset by peer")]], b=[[b"what?\r\n\r\n"]])
    with pytest.raises(errors.BadResponse):
        one.run()
    one = bench(1)
    with pytest.raises(errors.ConnectError):
        one.run()
    assert said.text.splitlines() == [
        "INFO: app/a: reset by peer, trying another server",
        "INFO: app/b: the status line is malformed",
        "INFO: app/a: 127.0.0.1:3000: Connection refused, and there is no other server",
    ]


# --- connections that went stale


@pytest.fixture
def stale(bench: BenchMaker) -> Callable[..., Bench]:
    """A bench with an idle connection to ``a``, on which the next exchange meets these reads."""

    def make(*reads: bytes | BaseException, count: int = 1, **scripts: object) -> Bench:
        first = FakeStream([response(b"first"), *reads])
        dials = [first, *scripts.pop("a", [])]  # type: ignore[misc]
        one = bench(count, a=dials, **scripts)
        for other in one.pool.servers[1:]:
            other.backup = True  # So that the idle connection to the first is what is tried first.
        one.pool.refresh()
        assert one.read() == b"first"
        assert len(one.cache) == 1
        one.servers.dialed.clear()
        one.observed.dials.clear()
        return one

    return make


@pytest.mark.parametrize("reads", FAILURES)
def test_a_stale_connection_is_replaced_for_free(
    stale: Callable[..., Bench], reads: list[bytes | BaseException]
) -> None:
    """One that died idle is no fault of its server, costs no try, and draws nothing from the budget."""
    one = stale(*reads, a=[[response(b"again")]])
    one.pool.config = make_pool(*make_server_configs(1), retries=0).config
    assert one.read() == b"again"
    assert one.servers.dialed == ["a"]
    assert one.failures == [0]
    assert one.observed.dials == [("a", True)]
    assert one.cache.stale == 1
    assert sum(iter(lambda: one.budget.take(0.0), False)) == BUDGET_FLOOR
    one.assert_settled()


def test_a_stale_connection_of_an_unsafe_request_is_a_failure(stale: Callable[..., Bench]) -> None:
    """Whether a server saw a POST before it closed cannot be known: it is not sent again."""
    one = stale(errors.StreamReset("reset"), a=[[response(b"again")]])
    with pytest.raises(errors.StreamReset):
        one.run(b"POST", make_body(b"x"))
    assert one.servers.dialed == []
    one.assert_settled()


def test_a_stale_connection_is_seen_before_it_is_used(stale: Callable[..., Bench]) -> None:
    """One whose server has closed meanwhile is not used at all, for no method."""
    one = stale(a=[[response(b"again")]])
    one.servers.streams[0].quiet = False
    assert one.read(b"POST", make_body(b"x")) == b"again"
    assert one.servers.requests == [HEAD, HEAD + b"x"]
    one.assert_settled()


def test_only_one_replay_is_free(stale: Callable[..., Bench]) -> None:
    """What fails on a fresh connection, too, is a failure like any other."""
    one = stale(errors.StreamReset("stale"), a=[[errors.StreamReset("fresh")]], count=2, b=[[response(b"b")]])
    assert one.read() == b"b"
    assert one.servers.dialed == ["a", "b"]
    assert one.failures == [1, 0]
    one.assert_settled()


def test_a_stale_connection_whose_server_is_gone(stale: Callable[..., Bench]) -> None:
    """When the server does not accept any more either, another one serves."""
    one = stale(errors.StreamEnded("stale"), count=2, b=[[response(b"b")]])
    assert one.read() == b"b"
    assert one.servers.dialed == ["a", "b"]
    one.assert_settled()


@pytest.mark.parametrize("reads", [[b"HTTP/1.1 2"], [errors.ReadTimeout("late")], [b"what?\r\n\r\n"]])
def test_a_reused_connection_that_speaks_is_not_stale(
    stale: Callable[..., Bench], reads: list[bytes | BaseException]
) -> None:
    """A server that answers badly or not at all has had the request, on whatever connection."""
    one = stale(*reads, a=[[response(b"again")]])
    with pytest.raises((errors.BadResponse, errors.ReadTimeout)):
        one.run()
    assert one.servers.dialed == []
    assert one.failures == [1]
    one.assert_settled()


def test_the_body_of_a_stale_exchange_is_sent_again(stale: Callable[..., Bench]) -> None:
    """A safe request keeps its body over the replay."""
    one = stale(errors.StreamReset("reset"), a=[[response(b"again")]])
    assert one.read(b"GET", make_body(b"body")) == b"again"
    assert one.servers.requests == [HEAD + HEAD + b"body", HEAD + b"body"]


# --- sending


@pytest.mark.parametrize(
    ("pieces", "length", "sent"),
    [
        ([b"ab", b"cd"], 4, b"abcd"),
        ([], None, b"0\r\n\r\n"),
        ([b"ab", b"c" * 16], None, b"2\r\nab\r\n10\r\n" + b"c" * 16 + b"\r\n0\r\n\r\n"),
    ],
)
def test_how_a_body_is_sent(bench: BenchMaker, pieces: list[bytes], length: int | None, sent: bytes) -> None:
    """A body goes as it is where its length is known, else in chunks with their end."""
    one = bench(a=[[response(b"ok")]])
    assert one.read(b"POST", make_body(*pieces, length=length)) == b"ok"
    assert one.servers.requests == [HEAD + sent]
    assert one.pool.servers[0].bytes_in == sum(map(len, pieces))
    assert one.pool.servers[0].bytes_out == 2
    one.assert_settled()


@pytest.mark.parametrize("length", [100, None])
@pytest.mark.parametrize("broken", [b"", errors.ClientGone("broke off")])
def test_a_body_cut_short_is_never_complete_at_the_server(
    bench: BenchMaker, length: int | None, broken: bytes | BaseException
) -> None:
    """A client that breaks off takes its request along: no server sees an end of the body."""
    if length is None and broken == b"":
        return  # That is the end of the body.
    one = bench(a=[[response()]])
    with pytest.raises(errors.ClientGone):
        one.run(b"POST", make_body(b"x" * 10, broken, length=length))
    (stream,) = one.servers.streams
    assert stream.aborted
    assert not stream.written.endswith(b"0\r\n\r\n")
    assert len(stream.written) < len(HEAD) + 100
    assert one.failures == [0]
    one.assert_settled()


def test_a_client_that_sends_nothing_costs_no_server_anything(bench: BenchMaker) -> None:
    """The first bytes of a body are awaited before a server is picked."""
    one = bench(a=[[response()]])
    with pytest.raises(errors.ClientGone):
        one.run(b"POST", make_body(length=5))
    assert one.servers.dialed == []
    assert one.pool.servers[0].total == 0


def test_a_body_over_its_limit_is_never_complete_at_the_server(bench: BenchMaker) -> None:
    """A body in chunks that grows over the limit is cut off, and its connection with it."""
    body = make_body(b"x" * 10, b"y" * 10, length=None)
    body.most = 15
    one = bench(a=[[response()]])
    with pytest.raises(errors.RequestTooLarge):
        one.run(b"POST", body)
    assert one.servers.streams[0].aborted
    assert b"y" not in one.servers.streams[0].written
    one.assert_settled()


@pytest.mark.parametrize("length", [None, 3 * PIECE])
def test_an_early_answer_ends_the_sending(bench: BenchMaker, length: int | None) -> None:
    """A server that answers before it has everything is listened to; its connection is not used again."""
    stream = FakeStream([response(b"too much", status=b"413 Too Large")], speaks_after=1)
    one = bench(a=[stream])
    found = one.run(b"POST", make_body(*[b"x" * PIECE] * 3, length=length))
    assert found.status == 413
    assert read_all(found) == b"too much"
    assert len(stream.written) < 2 * PIECE
    assert stream.closed
    assert one.failures == [0]
    assert one.pool.servers[0].latency == 0.0
    one.assert_settled()


@pytest.mark.parametrize(("length", "kept"), [(None, False), (PIECE, True)])
def test_an_answer_to_the_last_piece(bench: BenchMaker, length: int | None, kept: bool) -> None:
    """A body of a known length is whole with its last piece; one in chunks is not before their end was sent."""
    stream = FakeStream([response(b"ok")], speaks_after=1)
    one = bench(a=[stream])
    assert one.read(b"POST", make_body(b"x" * PIECE, length=length)) == b"ok"
    assert stream.closed is not kept
    one.assert_settled()


def test_an_interim_answer_does_not_end_the_sending(bench: BenchMaker) -> None:
    """100, 102 and 103 may come while the body is still on its way; the rest of it is awaited."""
    body_end = len(HEAD) + 3 * PIECE
    stream = FakeStreamInTurn(
        (1, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (2 * PIECE, b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (body_end, response(b"done")),
    )
    one = bench(a=[stream])
    assert one.read(b"POST", make_body(*[b"x" * PIECE] * 3)) == b"done"
    assert len(stream.written) == body_end
    assert len(one.cache) == 1
    one.assert_settled()


def test_interim_answers_are_passed_over(bench: BenchMaker) -> None:
    """Whatever comes before the final answer is not it."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 5\r\n\r\n"
    one = bench(a=[[b"HTTP/1.1 100 Continue\r\n\r\n" + interim, interim + response(b"final")]])
    found = one.run()
    assert (found.status, read_all(found)) == (200, b"final")
    one.assert_settled()


def test_an_answer_and_a_close_in_the_middle_of_a_body(bench: BenchMaker) -> None:
    """What a server said before it broke the connection is still read."""
    stream = FakeStream([response(b"go away", status=b"403 Forbidden")], takes=len(HEAD) + 10)
    one = bench(a=[stream])
    found = one.run(b"POST", make_body(*[b"x" * PIECE] * 3))
    assert (found.status, read_all(found)) == (403, b"go away")
    assert stream.closed
    one.assert_settled()


def test_a_close_without_an_answer_in_the_middle_of_a_body(bench: BenchMaker) -> None:
    """A server that takes no more and says nothing has failed."""
    one = bench(a=[FakeStream(takes=len(HEAD) + 10)])
    with pytest.raises(errors.StreamEnded):
        one.run(b"POST", make_body(*[b"x" * PIECE] * 3))
    assert one.failures == [1]
    one.assert_settled()


def test_a_server_that_does_not_take_the_body(bench: BenchMaker) -> None:
    """A write that waits for too long is a timeout, not a reason to try another server."""
    one = bench(2, a=[FakeStream(takes=10, write_error=errors.WriteTimeout("stuck"))], b=[[response()]])
    with pytest.raises(errors.WriteTimeout):
        one.run(b"POST", make_body(b"x" * PIECE))
    assert one.servers.dialed == ["a"]
    assert one.failures == [1, 0]
    one.assert_settled()


# --- time


def test_a_slow_client_does_not_use_up_the_servers_time(bench: BenchMaker) -> None:
    """The server's time begins anew with each piece of the body, and when all was sent."""
    stream = FakeStream([response(b"ok")])
    bench(changes={"server_timeout": 7.0}, a=[stream]).read(b"POST", make_body(*[b"x" * PIECE] * 2))
    first, all_sent = len(HEAD) + PIECE, len(HEAD) + 2 * PIECE
    assert stream.deadlines == [(0, 7.0), (0, 7.0), (first, 7.0), (all_sent, 7.0)]


def kept(cache: ConnectionCache, server: Server, near: RawSocket) -> None:
    """Keep a connection to a server that is idle."""
    now = time.monotonic()
    cache.put(ServerConnection(server, server.endpoint, Stream(near), now), 60.0, 32, math.inf, now)


def test_the_time_of_a_try_begins_with_it(cache: ConnectionCache) -> None:
    """Over kept connections, too: the next server has all of it, though the one before has used up as much."""
    timeouts = RetryOn(frozenset({RetryCause.TIMEOUT}), frozenset())
    pool = make_pool(*make_server_configs(1, 1), server_timeout=0.4, retry_on=timeouts)
    with tcp_pair() as (silent, _), tcp_pair() as (near, far), in_good_time():
        for server, raw in zip(pool.servers, (silent, near), strict=True):
            kept(cache, server, raw)
        gevent.spawn_later(0.6, far.sendall, response(b"late"))
        assert read_all(Exchange(pool, make_request(), OPENING, Servers(), cache, RetryBudget()).run()) == b"late"
        cache.sweep(math.inf)


def test_the_time_in_a_queue_is_not_the_servers(cache: ConnectionCache) -> None:
    """It begins when there is room, not when the client began to wait."""
    pool = make_pool(make_server_config("a", max_connections=1), server_timeout=0.4)
    with tcp_pair() as (near, far), in_good_time():
        kept(cache, pool.servers[0], near)
        gevent.spawn_later(0.6, pool.lease("").release)
        gevent.spawn_later(0.8, far.sendall, response(b"late"))
        exchange = Exchange(pool, make_request(), OPENING, Servers(), cache, RetryBudget(), registry=Registry([pool]))
        assert read_all(exchange.run()) == b"late"
        cache.sweep(math.inf)


def test_each_piece_of_a_response_has_its_time(bench: BenchMaker) -> None:
    """The time is for the next bytes, not for the whole response."""
    stream = FakeStream([CHUNKED, b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"])
    one = bench(changes={"server_timeout": 7.0}, a=[stream])
    assert one.read() == b"ab"
    assert [seconds for _, seconds in stream.deadlines] == [7.0, 7.0, 7.0, 7.0]


@pytest.mark.interpreted
def test_the_time_to_an_answer_is_observed(bench: BenchMaker) -> None:
    """The latency of a server is the time from the end of a request to the head of its answer."""

    class Slow(FakeStream):
        def read(self, limit: int) -> bytes:
            gevent.sleep(0.005)
            return super().read(limit)

    one = bench(a=[Slow([response(b"ok")])])
    one.read()
    assert 0.005 <= one.pool.servers[0].latency < 1.0


# --- responses that break off


@pytest.mark.parametrize(
    "reads",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc", errors.StreamReset("reset")],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc", errors.ReadTimeout("late")],
        [CHUNKED, b"3\r\nabc\r\n"],
        [CHUNKED, b"3\r\nabc\r\n", errors.StreamReset("reset")],
        [CHUNKED, b"3\r\nabc\r\n", b"what\r\n"],
        [UNTIL_CLOSE, b"abc", errors.StreamReset("reset")],
    ],
)
def test_a_response_that_breaks_off_is_an_error_at_its_end(
    bench: BenchMaker, reads: list[bytes | BaseException]
) -> None:
    """What has come is handed on, then the error: never a short body that looks whole, never another server."""
    one = bench(2, a=[reads], b=[[response()]])
    found = one.run()
    assert found.read() == b"abc"
    with pytest.raises((errors.StreamError, errors.BadResponse)):
        found.read()
    assert one.failures == [1, 0]
    assert one.servers.dialed == ["a"]
    one.assert_settled()
    found.close()
    assert found.read() == b""


# --- kills


class Killed(BaseException):
    """What ends a greenlet from outside, as ``GreenletExit`` does."""


@pytest.mark.parametrize(
    "script",
    [
        Killed(),
        [Killed()],
        [b"HTTP/1.1 200 OK\r\n", Killed()],
        FakeStream(takes=0, write_error=Killed()),
    ],
)
def test_a_kill_leaves_nothing_behind(bench: BenchMaker, script: object) -> None:
    """An exchange that is ended from outside releases its lease, resets its connection and blames nobody."""
    one = bench(2, a=[script], b=[[response()]])
    with pytest.raises(Killed):
        one.run()
    assert one.servers.dialed == ["a"]
    assert one.failures == [0, 0]
    assert all(stream.aborted for stream in one.servers.streams)
    one.assert_settled()


def test_a_kill_in_the_middle_of_a_response_leaves_nothing_behind(bench: BenchMaker) -> None:
    """Nor does one while the body is read, and the server is not blamed for it."""
    one = bench(a=[[response(b"hello")[:-2], Killed()]])
    found = one.run()
    assert found.read() == b"hel"
    with pytest.raises(Killed):
        found.read()
    assert one.failures == [0]
    one.assert_settled()


# --- anything

failures = st.sampled_from(
    [
        errors.StreamReset("reset"),
        errors.ReadTimeout("late"),
        errors.WriteTimeout("stuck"),
        errors.StreamEnded("end"),
        Killed(),
    ]
)
answers = st.sampled_from(
    [
        response(b"whole"),
        response(b"whole", b"Connection: close"),
        response(b"x" * 100)[:-50],
        CHUNKED + b"5\r\nwhole\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nwhole\r\n",
        CHUNKED + b"what",
        UNTIL_CLOSE + b"whole",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200",
        b"what\r\n\r\n",
        response(b"more") + b"over",
    ]
)
streams = st.builds(
    FakeStream,
    st.lists(st.one_of(answers, failures), max_size=4),
    takes=st.sampled_from([math.inf, math.inf, 0, 40]),
    speaks_after=st.sampled_from([math.inf, math.inf, 1, 70_000]),
)
dials = st.one_of(
    streams, streams, streams, st.sampled_from([errors.ConnectError("no"), errors.OutOfDescriptors("no"), Killed()])
)
bodies = st.sampled_from(
    [
        lambda: RequestBody(None, 0),
        lambda: make_body(b"small"),
        lambda: make_body(b"small", length=None),
        lambda: make_body(*[b"x" * PIECE] * 3),
        lambda: make_body(*[b"x" * PIECE] * 3, length=None),
        lambda: make_body(b"short", length=10),
        lambda: make_body(b"x" * PIECE, errors.ClientGone("gone"), length=None),
    ]
)
requests = st.tuples(st.sampled_from([b"GET", b"POST", b"HEAD"]), bodies, st.integers(0, 3))


@unhurried
@given(st.lists(st.lists(dials, max_size=4), min_size=1, max_size=3), st.lists(requests, min_size=1, max_size=6))
def test_however_an_exchange_ends_nothing_is_left_behind(
    scripts: list[list[object]], asked: list[tuple[bytes, Callable[[], RequestBody], int]]
) -> None:
    """After any requests to any servers: no lease, each connection closed or idle, no error but ours or the kill."""
    with a_while(ConnectionCache()) as cache:
        named = dict(zip("abc", scripts, strict=False))
        one = Bench(cache, Servers(**named), len(scripts))  # type: ignore[arg-type]
        for method, body, reads in asked:
            try:
                found = one.run(method, body())
            except (errors.DestonError, Killed):
                one.assert_settled()
                continue
            try:
                for _ in range(reads):
                    found.read()
            except (errors.DestonError, Killed):
                one.assert_settled()
            finally:
                found.close()
            one.assert_settled()
    assert all(server.active == 0 for server in one.pool.servers)


@pytest.mark.parametrize("cut", [None, -30])
def test_bytes_count_for_the_listener(bench: BenchMaker, cut: int | None) -> None:
    """As for the server: both ways, whether the response is there at once or comes in pieces."""
    answer = response(b"x" * 50)
    one = bench(a=[[answer] if cut is None else [answer[:cut], answer[cut:]]])
    counts = traffic["web"]
    received, sent = counts.received, counts.sent
    one.read(b"POST", make_body(b"12345"))
    server = one.pool.servers[0]
    assert (counts.received - received, counts.sent - sent) == (5, 50) == (server.bytes_in, server.bytes_out)


def test_bytes_of_a_copy_count_for_no_listener(bench: BenchMaker) -> None:
    """Nobody waits for the answer to what a mirror sends."""
    one = bench(a=[[response(b"x" * 50)]])
    before = traffic["web"].sent
    request = make_request()
    request.is_copy = True
    assert read_all(Exchange(one.pool, request, OPENING, one.servers, one.cache, one.budget).run())
    assert (traffic["web"].sent, one.pool.servers[0].bytes_out) == (before, 50)


def test_a_pool_that_changes_while_a_body_comes(cache: ConnectionCache) -> None:
    """A client may take its time for the body; its server is one of those that are there then."""
    old, new = make_pool(*make_server_configs(1)), make_pool(make_server_config("new"))
    registry = Registry([old])

    class Slow(Client):
        def read(self, limit: int) -> bytes:
            registry.replace([new])
            return super().read(limit)

    body = RequestBody(Slow(b"body"), 4)
    servers = Servers(new=[[response(b"hello")]])
    request = make_request(method=b"POST", body=body)
    exchange = Exchange(old, request, OPENING, servers, cache, RetryBudget(), registry=registry)
    assert read_all(exchange.run()) == b"hello"
    assert servers.dialed == ["new"]
