"""Connections that are cut from outside."""

from __future__ import annotations

import threading

import pytest

from deston.health.wire import Wire
from tests.unit.health import builders, peers


def test_a_cut_wakes_a_reader_in_another_thread() -> None:
    """Whoever is blocked in a read is at the end of the stream as soon as the wire is cut."""
    received: list[bytes] = []
    with peers.NeverAnswers() as peer:
        wire = Wire(peer.address, builders.DEADLINE_S)
        with wire.open() as opened:
            reader = threading.Thread(target=lambda: received.append(opened.recv(1)))
            reader.start()
            wire.cut()
            reader.join(builders.DEADLINE_S)
    assert received == [b""]


def test_a_wire_that_was_cut_does_not_open() -> None:
    """If the time is over before the connection was begun, none is made."""
    with peers.NeverAnswers() as peer:
        wire = Wire(peer.address, 1.0)
        wire.cut()
        with pytest.raises(TimeoutError):
            wire.open()
    assert peer.connections == 0


def test_cutting_twice_is_once() -> None:
    """A wire may be cut again, or after the connection was closed."""
    with peers.NeverAnswers() as peer:
        wire = Wire(peer.address, 1.0)
        wire.open().close()
        wire.cut()
        wire.cut()
