"""Lingering: what a peer still sends is thrown away for a while, and then the stream is closed."""

from __future__ import annotations

import gevent

from deston.net.linger import linger
from deston.net.stream import Stream
from tests.peers import DEADLINE_S, reset
from tests.wires import in_good_time, tcp_pair


def test_it_ends_with_the_peer() -> None:
    """What the peer sends is read until it ends; the stream is closed then."""
    with tcp_pair() as (near, far), in_good_time():
        lingering = gevent.spawn(linger, Stream(near), DEADLINE_S)
        far.sendall(b"x" * 100_000)
        far.close()
        lingering.get()
        assert near.fileno() == -1


def test_it_ends_with_its_time() -> None:
    """A peer that sends for ever, or nothing, is left when the time is over."""
    with tcp_pair() as (near, far), in_good_time():
        linger(Stream(near), 0.05)
        assert near.fileno() == -1


def test_it_ends_with_a_reset() -> None:
    """A peer that resets is gone."""
    with tcp_pair() as (near, far), in_good_time():
        lingering = gevent.spawn(linger, Stream(near), DEADLINE_S)
        gevent.sleep(0)
        reset(far)
        lingering.get()
        assert near.fileno() == -1
