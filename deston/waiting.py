"""Waiting for a server that has room.

What lives here: a lease at once, or after a while in the pool's queue.
What must not: the order of the queue (``balancer.queue``), dials, how a client that left is seen.
Invariant: nobody overtakes who waits; whoever was told of room and does not use it tells the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

from gevent.event import Event

from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.errors import AllServersFull, DestonError, QueueFull, QueueTimeout


class Interruptible(Protocol):
    """What can be told, in the hub, that its client has left."""

    def interrupt(self, error: DestonError) -> None: ...


class Watching(Protocol):
    """Looks whether a client leaves, until it is ended."""

    def end(self) -> None: ...


class _Waiter:
    """One that waits: woken when there may be room, or when its client has left."""

    __slots__ = ("error", "told")

    def __init__(self) -> None:
        self.told = Event()
        self.error: DestonError | None = None

    def interrupt(self, error: DestonError) -> None:
        self.error = error
        self.told.set()

    def wait(self, deadline: float) -> bool:
        """Wait to be told, until ``deadline``; whether it was. Raises the error of a client that left."""
        told = self.told.wait(max(0.0, deadline - time.monotonic()))
        if self.error is not None:
            raise self.error
        return bool(told)


def lease_when_free(
    registry: Registry,
    pool: Pool,
    key: str,
    exclude: Collection[Server] = (),
    preferred: Server | None = None,
    watch: Callable[[Interruptible], Watching] | None = None,
) -> Lease:
    """A lease, after ``queue_timeout`` at the latest.

    ``registry`` is where the pool has a successor, if a reload comes meanwhile; ``watch`` begins to look whether the
    client leaves; the others are those of ``Pool.lease``. Raises ``NoServerAvailable``, its kinds ``QueueFull`` and
    ``QueueTimeout``, and the error of a client that left.
    """
    if not pool.queue.waiting:
        try:
            return pool.lease(key, exclude, preferred)
        except AllServersFull:
            if not pool.config.queue:
                raise
    if len(pool.queue.waiting) >= pool.config.queue:
        raise QueueFull(f"pool {pool.name}: {pool.config.queue} clients wait already")
    waiter = _Waiter()
    watching = None if watch is None else watch(waiter)
    began = time.monotonic()
    try:
        return _wait(registry, pool, key, exclude, preferred, waiter, began + pool.config.queue_timeout)
    finally:
        pool.queue.account(time.monotonic() - began)
        if watching is not None:
            watching.end()


def _wait(
    registry: Registry,
    pool: Pool,
    key: str,
    exclude: Collection[Server],
    preferred: Server | None,
    waiter: _Waiter,
    deadline: float,
) -> Lease:
    told = waiter.told
    pool.queue.join(told.set)
    if pool.has_room:
        # Where requests run in threads, one may have ended before this one stood in the queue.
        pool.queue.tell_next()
    try:
        while True:
            if not waiter.wait(deadline):
                raise QueueTimeout(f"pool {pool.name}: no server had room in time")
            try:
                lease = _lease(registry.current(pool), key, exclude, preferred)
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


def _lease(pool: Pool, key: str, exclude: Collection[Server], preferred: Server | None) -> Lease:
    """A lease on a server that was not tried yet or, where only those have room that were, on one of these.

    Else the room that was told of would be nobody's, and those who wait behind would never hear of it.
    """
    try:
        return pool.lease(key, exclude, preferred)
    except AllServersFull:
        if not exclude:
            raise
        return pool.lease(key)
