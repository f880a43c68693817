"""What follows an upgrade, on real sockets."""

from __future__ import annotations

import socket
import struct
from typing import Any

import gevent
import pytest

from deston.errors import StreamReset
from deston.l7.request import Tunnel
from deston.l7.tunnel import carry
from deston.net.stream import Stream
from tests.wires import in_good_time, read_all, read_exactly, tcp_pair


def test_bytes_go_both_ways() -> None:
    """First what was read ahead on either side, then what comes, until both have ended; and they are counted."""
    with tcp_pair() as (near_client, client), tcp_pair() as (near_server, server), in_good_time():
        counts: list[tuple[int, int]] = []
        tunnel = Tunnel(Stream(near_server), b"hello ", 60.0, 60.0, lambda *both: counts.append(both))
        carrying = gevent.spawn(carry, Stream(near_client), b"first ", tunnel)
        client.sendall(b"frame")
        server.sendall(b"world")
        assert read_exactly(server, 11) == b"first frame"
        assert read_exactly(client, 11) == b"hello world"
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == b""
        server.shutdown(socket.SHUT_WR)
        carrying.get()
        assert counts == [(11, 11)]


def test_a_side_that_breaks_off() -> None:
    """Nobody may take that for a good end."""
    with tcp_pair() as (near_client, client), tcp_pair() as (near_server, _), in_good_time():
        tunnel = Tunnel(Stream(near_server), b"", 60.0, 60.0, _nothing)
        carrying = gevent.spawn(carry, Stream(near_client), b"", tunnel)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with pytest.raises(StreamReset, match="an upgraded connection ended: client reset"):
            carrying.get()


def test_silence_ends_it() -> None:
    """Whatever was sent is delivered; the relay resets what is still on its way."""
    with tcp_pair() as (near_client, client), tcp_pair() as (near_server, server), in_good_time():
        tunnel = Tunnel(Stream(near_server), b"last words", 0.05, 60.0, _nothing)
        gevent.spawn(carry, Stream(near_client), b"", tunnel).get()
        near_client.close()
        assert read_all(client) == b"last words"
        assert server


def test_a_kill_resets_both_sides() -> None:
    """At the end of a drain."""
    with tcp_pair() as (near_client, client), tcp_pair() as (near_server, server), in_good_time():
        counts: list[tuple[int, int]] = []
        tunnel = Tunnel(Stream(near_server), b"abc", 60.0, 60.0, lambda *both: counts.append(both))
        carrying = gevent.spawn(carry, Stream(near_client), b"", tunnel)
        assert read_exactly(client, 3) == b"abc"
        carrying.kill()
        near_client.close()
        near_server.close()
        for far in (client, server):
            with pytest.raises(ConnectionResetError):
                far.recv(1)
        assert counts == [(0, 3)]


def _nothing(*arguments: Any) -> None:
    """Count nothing."""
