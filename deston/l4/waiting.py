"""Waiting for a server that has room.

What lives here: a lease at once, or after a while in the pool's queue.
What must not: the order of the queue (``balancer.queue``), dials.
Invariant: nobody overtakes who waits; whoever was told of room and does not use it tells the next.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from gevent.event import Event

from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.errors import AllServersFull
from deston.l4.refusals import Refusal, Refused


def lease_when_free(registry: Registry, pool: Pool, key: str, exclude: Collection[Server] = ()) -> Lease:
    """A lease, after ``queue_timeout`` at the latest.

    ``registry`` is where the pool has a successor, if a reload comes meanwhile; the others are those of ``Pool.lease``.
    Raises ``NoServerAvailable``, and ``Refused`` where too many wait already or the time is over.
    """
    if not pool.queue.waiting:
        try:
            return pool.lease(key, exclude)
        except AllServersFull:
            if not pool.config.queue:
                raise
    return _wait(registry, pool, key, exclude)


def _wait(registry: Registry, pool: Pool, key: str, exclude: Collection[Server]) -> Lease:
    if len(pool.queue.waiting) >= pool.config.queue:
        raise Refused(Refusal.QUEUE_FULL, f"pool {pool.name}: {pool.config.queue} clients wait already")
    deadline = time.monotonic() + pool.config.queue_timeout
    told = Event()
    pool.queue.join(told.set)
    try:
        while True:
            if not told.wait(max(0.0, deadline - time.monotonic())):
                raise Refused(Refusal.QUEUE_TIMEOUT, f"pool {pool.name}: no server had room in time")
            try:
                lease = _lease(registry.pool(pool.name), key, exclude)
            except AllServersFull:
                told.clear()
                pool.queue.rejoin(told.set)
                continue
            pool.queue.tell_next()  # A server that came back has room for more than one.
            return lease
    except BaseException:
        pool.queue.leave(told.set)
        if told.is_set():
            pool.queue.tell_next()
        raise


def _lease(pool: Pool, key: str, exclude: Collection[Server]) -> Lease:
    """A lease on a server that was not tried yet or, where only those have room that were, on one of these.

    Else the room that was told of would be nobody's, and those who wait behind would never hear of it.
    """
    try:
        return pool.lease(key, exclude)
    except AllServersFull:
        if not exclude:
            raise
        return pool.lease(key)
