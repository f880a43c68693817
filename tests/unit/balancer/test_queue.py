"""The order of those who wait for a pool."""

from __future__ import annotations

import pytest

from deston.balancer.pool import Pool
from deston.balancer.queue import Queue
from deston.balancer.server import Health
from deston.errors import AllServersFull, NoServerAvailable
from tests.builders import make_pool, make_server_config


def full_pool() -> Pool:
    return make_pool(make_server_config("a", max_connections=1))


def test_first_come_first_served() -> None:
    """Each is told once; one that was told in vain comes first again, and one that left is passed over."""
    queue, told = Queue(), list[str]()
    wakes = {name: (lambda name=name: told.append(name)) for name in "abcd"}
    for name in "abc":
        queue.join(wakes[name])
    queue.leave(wakes["b"])
    queue.leave(wakes["b"])
    queue.tell_next()
    queue.rejoin(wakes["d"])
    for _ in range(4):
        queue.tell_next()
    assert told == ["a", "d", "c"]


def test_a_lease_that_ends_tells_the_next() -> None:
    """Releasing twice tells once."""
    pool, told = full_pool(), list[str]()
    lease = pool.lease("")
    for name in "ab":
        pool.queue.join(lambda name=name: told.append(name))  # type: ignore[misc]
    lease.release()
    lease.release()
    assert told == ["a"]


def test_a_server_that_comes_back_tells_the_next() -> None:
    """Whoever changes what is usable refreshes the pool, and that may mean room."""
    pool, told = full_pool(), list[str]()
    pool.queue.join(lambda: told.append("a"))
    pool.refresh()
    assert told == ["a"]


def test_full_is_told_apart_from_down() -> None:
    """Waiting helps only where a server is there that was not tried."""
    pool = full_pool()
    server = pool.servers[0]
    with pool.lease(""):
        with pytest.raises(AllServersFull):
            pool.lease("")
        with pytest.raises(NoServerAvailable) as caught:
            pool.lease("", (server,))
        assert not isinstance(caught.value, AllServersFull)
        server.health = Health.DOWN
        pool.refresh()
        with pytest.raises(NoServerAvailable) as caught:
            pool.lease("")
        assert not isinstance(caught.value, AllServersFull)
