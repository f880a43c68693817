"""Checks by connections and by datagrams: what is sent, what is expected, and what servers do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from deston.errors import OutOfDescriptors
from deston.health import probes
from deston.health.probes import CheckResult, TcpCheck, UdpCheck
from deston.net.stream import Stream
from tests.datagram_peers import DatagramServer, unused_port
from tests.peers import EchoServer, NamesItself, Peer, ResetsAfter, TricklesBytes
from tests.unit.health import builders, peers


def tcp(peer: Any, **settings: Any) -> CheckResult:
    """Make one TCP check of a peer, with these settings."""
    return TcpCheck(builders.health(**settings))(builders.server("a", peer.address))


def udp(address: Address, **settings: Any) -> CheckResult:
    """Make one UDP check of an address, with these settings."""
    return UdpCheck(builders.health(**{"send": b"ping", **settings}))(builders.server("a", address))


def outcome(result: CheckResult) -> tuple[bool, str]:
    return result.ok, result.reason


def test_tcp_accepts() -> None:
    """A server that accepts is up, and the connection is closed again."""
    with peers.NeverAnswers() as peer:
        result = tcp(peer)
        builders.wait_for(lambda: peer.connections == 1, "the connection")
    assert outcome(result) == (True, "connected")
    assert 0 <= result.seconds < builders.DEADLINE_S


def test_tcp_refused() -> None:
    """A closed port is down, in the system's words."""
    with peers.RefusesConnections() as peer:
        assert outcome(tcp(peer)) == (False, "connection refused")


def test_tcp_timeout() -> None:
    """A connection that is not accepted in time is down: here the queue of a listener is full."""
    with peers.AcceptsNothing() as peer:
        assert outcome(tcp(peer, timeout=0.1)) == (False, "timed out after 0.1s")


def test_tcp_over_a_unix_socket(tmp_path: Path) -> None:
    """A unix socket can be checked; one that is not there is down."""
    path = tmp_path / "server.sock"
    with peers.AnswersWith(path=path) as peer:
        assert tcp(peer).ok
    path.unlink()
    assert tcp(peer).reason == "no such file or directory"


def test_no_descriptor_says_nothing_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this process has no descriptor left, a check has no result."""

    def starved(*arguments: Any, **more: Any) -> Stream:
        raise OutOfDescriptors("Too many open files")

    with pytest.raises(OutOfDescriptors):
        TcpCheck(builders.health(), starved)(builders.server())
    monkeypatch.setattr(probes, "connect_datagram", starved)
    with pytest.raises(OutOfDescriptors):
        udp(unused_port())


@pytest.mark.parametrize(
    ("peer", "settings", "expected"),
    [
        (EchoServer(), {"send": b"PING\r\n"}, (True, "connected and sent")),
        (EchoServer(), {"send": b"PING\r\n", "expect": b"PING"}, (True, "answer matches")),
        (NamesItself("+PONG"), {"expect": b"+PONG"}, (True, "answer matches")),
        (EchoServer(), {"send": b"-", "expect": b"+", "timeout": 0.1}, (False, "no expected answer within 0.1s")),
        (TricklesBytes(b"a long answer", 0.01), {"expect": b"answer"}, (True, "answer matches")),
        (ResetsAfter(2), {"send": b"xy", "expect": b"z"}, (False, "connection reset by peer")),
    ],
    ids=repr,
)
def test_tcp_says_and_expects(peer: Peer, settings: dict[str, Any], expected: tuple[bool, str]) -> None:
    """What is expected may come in any pieces, and has to come in time."""
    with peer:
        assert outcome(tcp(peer, **settings)) == expected


def test_tcp_reads_no_more_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that talks without end is down once it has said too much."""
    monkeypatch.setattr(probes, "ANSWER_LIMIT", 1000)
    with NamesItself("x" * 2000) as peer:
        assert outcome(tcp(peer, expect=b"y")) == (False, "answer does not match")


def test_udp_is_answered() -> None:
    """Any answer will do, or the one that is expected."""
    with DatagramServer(b"pong ") as server:
        assert outcome(udp(server.address)) == (True, "answered")
        assert outcome(udp(server.address, expect=b"pong")) == (True, "answer matches")
        assert outcome(udp(server.address, expect=b"pang", timeout=0.1)) == (False, "no answer within 0.1s")
    assert server.received == [b"ping"] * 3


def test_udp_silence() -> None:
    """Silence is good where no answer is expected: many a service never answers."""
    with DatagramServer(answers=0) as server:
        assert outcome(udp(server.address, timeout=0.1)) == (True, "not refused")
        assert outcome(udp(server.address, expect=b"pong", timeout=0.1)) == (False, "no answer within 0.1s")


def test_udp_refused() -> None:
    """A port that nobody is bound to is down."""
    assert outcome(udp(unused_port())) == (False, "connection refused")


def test_udp_unreachable() -> None:
    """An address that there is no way to is down."""
    server = builders.server("a", Address("255.255.255.255", 9))
    assert outcome(UdpCheck(builders.health(send=b"x"))(server)) == (False, "permission denied")
