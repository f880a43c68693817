"""The connection cache: bounds, times, and who is fit to be used again."""

from __future__ import annotations

import math
import time

import gevent
import pytest

from deston.address import Address
from deston.balancer.server import Server
from deston.l7.cache import ConnectionCache, ServerConnection, connection_cache
from deston.net.byte_stream import ByteStream
from deston.net.fake import FakeStream
from tests.builders import make_servers
from tests.peers import wait_until


@pytest.fixture
def server() -> Server:
    return make_servers(1)[0]


def put(
    cache: ConnectionCache, server: Server, seconds: float = 60.0, most: int = 32, quiet: bool = True
) -> FakeStream:
    stream = FakeStream(quiet=quiet)
    now = time.monotonic()
    cache.put(ServerConnection(server, server.endpoint, stream, now), seconds, most, math.inf, now)
    return stream


def take(cache: ConnectionCache, server: Server) -> ByteStream | None:
    found = cache.take(server, False, time.monotonic())
    return None if found is None else found.stream


def test_what_was_put_can_be_taken_once(cache: ConnectionCache, server: Server) -> None:
    """A connection belongs to the cache or to whoever took it, never to both."""
    stream = put(cache, server)
    assert len(cache) == 1
    assert take(cache, server) is stream
    assert take(cache, server) is None
    assert not stream.closed
    assert repr(cache) == "<ConnectionCache 0 idle, 1 reused, 0 stale>"


def test_the_last_one_is_taken_first(cache: ConnectionCache, server: Server) -> None:
    """The others may grow old and go, so that there are no more than are needed."""
    first, second = put(cache, server, seconds=0.5), put(cache, server)
    assert take(cache, server) is second
    assert take(cache, server) is first


def test_servers_do_not_share(cache: ConnectionCache) -> None:
    """A connection is taken for its own server only."""
    a, b = make_servers(1, 1)
    stream = put(cache, a)
    assert take(cache, b) is None
    assert take(cache, a) is stream


def test_a_connection_that_is_not_quiet_is_closed(cache: ConnectionCache, server: Server) -> None:
    """One on which the server spoke or left is of no use; the next one is tried."""
    good = put(cache, server)
    bad = put(cache, server, quiet=False)
    assert take(cache, server) is good
    assert bad.closed
    assert (cache.reused, cache.stale) == (1, 1)


def test_as_many_as_are_allowed(cache: ConnectionCache, server: Server) -> None:
    """Beyond the bound of a server a connection is closed; another server has its own."""
    streams = [put(cache, server, most=2) for _ in range(3)]
    assert [stream.closed for stream in streams] == [False, False, True]
    assert len(cache) == 2
    other = make_servers(1)[0]
    assert not put(cache, other, most=2).closed
    assert put(cache, other, most=0).closed


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_nothing_is_kept(cache: ConnectionCache, server: Server, seconds: float) -> None:
    """A connection that may not idle is closed at once."""
    assert put(cache, server, seconds).closed
    assert len(cache) == 0


def test_what_is_over_its_time_is_not_taken(cache: ConnectionCache, server: Server) -> None:
    """Time alone decides, also before anybody has swept."""
    stream = put(cache, server, seconds=0.005)
    gevent.sleep(0.006)
    assert take(cache, server) is None
    assert stream.closed


def test_the_sweep_closes_what_is_over_its_time(cache: ConnectionCache, server: Server) -> None:
    """Old connections are closed by the sweep, the others stay."""
    old, new = put(cache, server, seconds=0.001), put(cache, server, seconds=60)
    gone = make_servers(1)[0]
    put(cache, gone, seconds=0.001)
    gevent.sleep(0.002)
    cache.sweep(time.monotonic())
    assert (old.closed, new.closed) == (True, False)
    assert len(cache) == 1
    assert list(cache._idle) == [server]


def test_the_sweeper_comes_by_itself(cache: ConnectionCache, server: Server) -> None:
    """An idle connection is closed in time though nobody asks for it."""
    stream = put(cache, server, seconds=0.05)
    wait_until(lambda: stream.closed, "the idle connection is closed", gevent.sleep)


def test_a_server_that_moved_gets_new_connections(cache: ConnectionCache, server: Server) -> None:
    """When a name resolves to another address, connections to the old one are not used any more."""
    stream = put(cache, server)
    server.endpoint = Address("127.0.0.2", 3000)
    assert take(cache, server) is None
    assert stream.closed


def test_what_is_too_old_is_not_kept(cache: ConnectionCache, server: Server) -> None:
    """However busy a connection is, its age is bounded."""
    stream = FakeStream()
    cache.put(ServerConnection(server, server.endpoint, stream, time.monotonic() - 5), 60.0, 32, 4.0, time.monotonic())
    assert cache.take(server, False, time.monotonic()) is None
    assert stream.closed


def test_what_the_hub_has_seen_is_enough_for_what_can_be_sent_again(cache: ConnectionCache, server: Server) -> None:
    """The socket is asked only where a request could not be replayed."""
    for is_replayable in (True, False):
        stream, now = FakeStream(quiet=False, has_been_quiet=True), time.monotonic()
        cache.put(ServerConnection(server, server.endpoint, stream, now), 60.0, 32, math.inf, now)
        assert (cache.take(server, is_replayable, now) is not None) is is_replayable


def test_each_hub_has_one() -> None:
    """All exchanges of a hub share one cache, and threads do not."""
    mine = connection_cache()
    assert connection_cache() is mine
    theirs = gevent.get_hub().threadpool.spawn(lambda: connection_cache() is mine).get()
    assert theirs is False
