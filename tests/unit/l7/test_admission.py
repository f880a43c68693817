"""Connections of one http client: how many, and how often."""

from __future__ import annotations

import socket
from typing import Any

from deston.l7.admission import Admission, CountedStream
from deston.net.stream import Stream
from tests.unit.l7.builders import make_listener


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(**listener: Any) -> tuple[Admission, Clock]:
    clock = Clock()
    return Admission(make_listener(**listener), clock), clock


def test_limits_of_one_client() -> None:
    """So many at one time, so many a second; others and unix sockets are not its matter."""
    assert make()[0].is_trivial
    admission, _ = make(max_connections_per_client=1)
    assert [admission.enter("10.0.0.1"), admission.enter("10.0.0.1"), admission.enter("10.0.0.2")] == [
        True,
        False,
        True,
    ]
    assert all(admission.enter("") for _ in range(5))
    admission.leave("10.0.0.1")
    admission.leave("")
    assert admission.enter("10.0.0.1")
    assert admission.refused["too many connections of the client"] >= 1


def test_a_rate_counts_nobody_who_was_turned_away() -> None:
    admission, clock = make(connection_rate=1, max_connections_per_client=3)
    assert [admission.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    clock.now = 1.0
    assert admission.enter("10.0.0.1"), "the one that was refused by the rate holds no place"


def test_a_stream_is_counted_until_it_is_closed() -> None:
    """Closing twice counts once; one that is not let in is closed at once."""
    admission, _ = make(max_connections_per_client=1)

    def connect() -> tuple[CountedStream, socket.socket]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        return CountedStream(Stream(ours), admission, "10.0.0.1"), theirs

    first, one = connect()
    second, other = connect()
    assert (first.is_let_in, second.is_let_in) == (True, False)
    assert other.recv(1) == b""
    first.close()
    first.close()
    third, another = connect()
    assert third.is_let_in
    third.abort()
    for peer in (one, other, another):
        peer.close()


def test_what_was_counted_outlives_a_reload() -> None:
    """Who is in is counted on, and so is who came, unless the rate is another."""
    admission, _ = make(max_connections_per_client=2, connection_rate=1)
    assert [admission.enter("10.0.0.1") for _ in range(2)] == [True, True]
    admission.leave("10.0.0.1")
    admission.configure(make_listener(max_connections_per_client=3, connection_rate=1))
    assert admission.enter("10.0.0.1") is False
    admission.configure(make_listener(max_connections_per_client=1, connection_rate=5))
    assert admission.enter("10.0.0.1") is False
    admission.leave("10.0.0.1")
    assert admission.enter("10.0.0.1") is True
