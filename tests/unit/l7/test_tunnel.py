"""What follows an upgrade, on real sockets."""

from __future__ import annotations

import socket
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


@pytest.mark.parametrize("limit", ["silence", "reset"])
def test_other_ends_are_resets(limit: str) -> None:
    """Silence that is too long, or a side that breaks off: nobody may take it for a good end."""
    with tcp_pair() as (near_client, client), tcp_pair() as (near_server, server), in_good_time():
        timeout = 0.05 if limit == "silence" else 60.0
        tunnel = Tunnel(Stream(near_server), b"", timeout, 60.0, _nothing)
        carrying = gevent.spawn(carry, Stream(near_client), b"", tunnel)
        if limit == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        with pytest.raises(StreamReset, match="an upgraded connection ended"):
            carrying.get()
        assert server


def _nothing(*arguments: Any) -> None:
    """Count nothing."""
