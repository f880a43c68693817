"""Waiting for a server that has room."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health
from deston.errors import AllServersFull, ClientGone, NoServerAvailable, QueueFull, QueueTimeout
from deston.waiting import Interruptible, lease_when_free
from tests.builders import make_pool, make_server_config
from tests.wires import in_good_time

SOON = 0.05


def small_pool(**changes: Any) -> Pool:
    """A pool with room for one."""
    return make_pool(make_server_config("a", max_connections=1), **{"queue": 2, "queue_timeout": 20.0, **changes})


def waiting(pool: Pool, count: int = 1) -> list[Any]:
    """So many that wait, in this order."""
    waiters = [gevent.spawn(lease_when_free, Registry([pool]), pool, "") for _ in range(count)]
    gevent.idle()
    assert len(pool.queue.waiting) == count
    return waiters


def test_room_is_given_in_order() -> None:
    """Who came first is served first, and nobody overtakes who waits."""
    pool = small_pool()
    lease = lease_when_free(Registry([pool]), pool, "")
    one, other = waiting(pool, 2)
    with in_good_time():
        lease.release()
        first: Lease = one.get()
        assert not other.ready()
        first.release()
        other.get().release()
    assert not pool.queue.waiting


def test_one_that_comes_while_another_is_told_has_to_wait() -> None:
    """Between the end of a lease and the turn of who was told, nobody may take the room; in vain is in front again."""
    pool = small_pool()
    lease = lease_when_free(Registry([pool]), pool, "")
    one, other = waiting(pool, 2)
    lease.release()
    thief = pool.lease("")  # Such as a request of another kind, which does not wait.
    gevent.idle()
    assert not one.ready()
    with in_good_time():
        thief.release()
        one.get().release()
        other.get().release()


def test_too_many_and_too_long() -> None:
    """The queue is bounded, and so is the time in it; 0 lets none wait."""
    pool = small_pool(queue=1)
    with lease_when_free(Registry([pool]), pool, ""):
        waiter = waiting(pool)[0]
        with pytest.raises(QueueFull):
            lease_when_free(Registry([pool]), pool, "")
        waiter.kill()
        pool = small_pool(queue_timeout=SOON)
        with lease_when_free(Registry([pool]), pool, ""), pytest.raises(QueueTimeout):
            lease_when_free(Registry([pool]), pool, "")
        assert (pool.queue.waited, pool.queue.times.seconds) == (1, pool.queue.longest)
        assert pool.queue.longest >= SOON
        assert not pool.queue.waiting
        pool = small_pool(queue=0)
        with lease_when_free(Registry([pool]), pool, ""), pytest.raises(AllServersFull):
            lease_when_free(Registry([pool]), pool, "")


def test_one_that_is_gone_takes_no_room() -> None:
    """A waiter that is cut, even when it was just told, leaves the room to the next one."""
    pool = small_pool()
    lease = lease_when_free(Registry([pool]), pool, "")
    one, other = waiting(pool, 2)
    one.kill(block=False)
    lease.release()
    with in_good_time():
        other.get().release()
    assert not pool.queue.waiting
    assert pool.servers[0].active == 0


def test_servers_that_go_and_come() -> None:
    """With the last server down, who waits is told and refused; a server that comes back serves all that it can."""
    pool = small_pool()
    with lease_when_free(Registry([pool]), pool, ""):
        one, other = waiting(pool, 2)
        pool.servers[0].health = Health.DOWN
        pool.refresh()
        with in_good_time():
            for waiter in (one, other):
                waiter.join()
                assert isinstance(waiter.exception, NoServerAvailable)
        pool.servers[0].health = Health.UP
        pool.refresh()
        one, other = waiting(pool, 2)
        pool.servers[0].max_connections = 3
        pool.refresh()
        with in_good_time():
            one.get().release()
            other.get().release()


def test_a_waiter_with_a_server_that_failed_does_not_keep_others_from_it() -> None:
    """Room at a server that was tried before is used, be it by one that would have liked another."""
    one_each = [make_server_config(name, port, max_connections=1) for name, port in (("a", 1), ("b", 2))]
    pool = make_pool(*one_each, queue=5, queue_timeout=20.0)
    registry = Registry([pool])
    first, second = pool.lease(""), pool.lease("")
    choosy = gevent.spawn(lease_when_free, registry, pool, "", (first.server,))
    plain = gevent.spawn(lease_when_free, registry, pool, "")
    gevent.idle()
    with in_good_time():
        first.release()
        choosy.get().release()
        plain.get().release()
    second.release()
    assert not pool.queue.waiting


def test_who_waits_lives_through_a_reload() -> None:
    """The pool that takes the place of another one goes on with its queue, and who is told leases from the new one."""
    old = small_pool()
    registry = Registry([old])
    lease = old.lease("")
    waiter = gevent.spawn(lease_when_free, registry, old, "")
    gevent.idle()
    new = Pool(old.config, old.policy, old.servers)
    new.queue = old.queue
    registry.replace([new])
    with in_good_time():
        lease.release()
        found: Lease = waiter.get()
    assert found.pool is new
    found.release()


def test_who_waits_for_a_pool_that_goes_is_served_by_what_it_had() -> None:
    """A reload that drops the pool refuses nobody who waits for it."""
    pool = small_pool()
    registry = Registry([pool])
    lease = pool.lease("")
    waiter = gevent.spawn(lease_when_free, registry, pool, "")
    gevent.idle()
    registry.replace([])
    with in_good_time():
        lease.release()
        found: Lease = waiter.get()
    assert found.pool is pool
    found.release()


class Leaving:
    """A client that a test lets leave."""

    def __init__(self) -> None:
        self.waiter: Interruptible | None = None
        self.is_over = False

    def __call__(self, waiter: Interruptible) -> Leaving:
        self.waiter = waiter
        return self

    def end(self) -> None:
        self.is_over = True


def test_a_client_that_leaves_waits_no_more() -> None:
    """Whoever has left is dropped at once, and the room goes to who waits behind."""
    pool = small_pool()
    registry, client = Registry([pool]), Leaving()
    lease = pool.lease("")
    gone = gevent.spawn(lease_when_free, registry, pool, "", watch=client)
    gevent.idle()
    stays = gevent.spawn(lease_when_free, registry, pool, "")
    gevent.idle()
    with in_good_time():
        assert client.waiter is not None
        client.waiter.interrupt(ClientGone("it left"))
        gone.join()
        assert isinstance(gone.exception, ClientGone)
        assert client.is_over
        assert len(pool.queue.waiting) == 1
        lease.release()
        stays.get().release()
    assert pool.servers[0].active == 0
