"""The peers that other tests rely on: they stop, come back on the same port, and tell their state."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deston.address import Address
from tests.peers import (
    AcceptsAndNeverAnswers,
    EchoServer,
    NamesItself,
    Peer,
    RefusingPort,
    TricklesBytes,
    UnansweringPort,
    wait_until,
)
from tests.wires import read_all


def test_a_peer_tells_its_state() -> None:
    """The representation says what it is, where it listens, and whom it has."""
    with EchoServer() as peer:
        assert repr(peer) == f"<EchoServer 127.0.0.1:{peer.port} listening, 0 accepted, 0 open>"
        with socket.create_connection(("127.0.0.1", peer.port)) as client:
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
            assert repr(peer) == f"<EchoServer 127.0.0.1:{peer.port} listening, 1 accepted, 1 open>"
        wait_until(lambda: not peer.open, "the end")
    assert repr(peer) == f"<EchoServer 127.0.0.1:{peer.port} stopped, 1 accepted, 0 open>"


@pytest.mark.parametrize(("kind", "state"), [(RefusingPort, "held"), (UnansweringPort, "full")])
def test_a_port_tells_its_state(kind: type[Peer], state: str) -> None:
    """A port on which nobody serves says what is the matter with it."""
    with kind() as peer:
        assert repr(peer) == f"<{kind.__name__} 127.0.0.1:{peer.port} {state}>"
    assert repr(peer) == f"<{kind.__name__} 127.0.0.1:{peer.port} stopped>"


def test_a_peer_comes_back() -> None:
    """A peer that is stopped has its connections cut, and listens on the same port when it is started again."""
    with NamesItself("a") as peer:
        with socket.create_connection(("127.0.0.1", peer.port)) as client:
            assert read_all(client) == b"a"
            peer.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", peer.port))
        peer.start()
        with socket.create_connection(("127.0.0.1", peer.port)) as client:
            assert read_all(client) == b"a"
        assert peer.accepted == 2


def test_a_peer_that_waits_for_something_stops() -> None:
    """Neither a client that stays nor one that has gone keeps a peer from stopping."""
    with AcceptsAndNeverAnswers() as peer, socket.create_connection(("127.0.0.1", peer.port)):
        with socket.create_connection(("127.0.0.1", peer.port)):
            wait_until(lambda: peer.open == 2, "both connections")
        peer.stop()
        assert peer.open == 0


def test_a_peer_that_trickles_notices_its_clients_end() -> None:
    """Bytes come one by one until the client has gone."""
    with TricklesBytes(b"start") as peer:
        with socket.create_connection(("127.0.0.1", peer.port)) as client:
            assert client.recv(5) == b"start"
            assert client.recv(1) == b"."
        assert peer.cut_off.wait(10)


def test_a_peer_on_a_unix_socket(tmp_path: Path) -> None:
    """A peer listens on a unix socket as it does on a port."""
    with EchoServer(Address(path=str(tmp_path / "a.sock"))) as peer, socket.socket(socket.AF_UNIX) as client:
        client.connect(peer.address.path)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        assert repr(peer).startswith(f"<EchoServer unix:{tmp_path}/a.sock listening, 1")
