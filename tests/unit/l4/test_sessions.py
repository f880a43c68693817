"""What an operator is told of connections and UDP sessions, and that an end meets the right one."""

from __future__ import annotations

import socket
import time
from typing import Any

import gevent
import pytest

from deston.config.model import LogFormat
from deston.l4.sessions import Connections, UdpSessions
from deston.sessions.entry import Entry
from tests.builders import make_pool
from tests.datagram_peers import DatagramClient, DatagramServer
from tests.peers import EchoServer, SlowReader, UnansweringPort, wait_until
from tests.unit.l4.test_tcp import Setting, at
from tests.unit.l4.test_udp import serving
from tests.wires import read_all, read_exactly, unix_pair


class Log:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def told(source: Any) -> list[Entry]:
    return [source.describe(one, "7-1", time.monotonic()) for one in source.under_way()]


def abouts(source: Any) -> list[str]:
    return [one.about for one in told(source)]


def test_a_connection_is_told_and_ended() -> None:
    """Its client and server are cut, its lease is released, and the access log says that it was the operator."""
    with EchoServer() as server:
        setting, log = Setting(make_pool(at("a", server)), access_log_format=LogFormat.TEXT), Log()
        setting.proxy.access_log = log  # type: ignore[assignment]
        source = Connections(setting.proxy)
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
            (entry,) = told(source)
            assert entry[:6] == ("7-1", "tcp", "tcp", "127.0.0.1:50000", "app", "a")
            assert (entry.bytes_in, entry.bytes_out, entry.about) == (5, 5, "")
            assert 0 <= entry.age < 60
            (connection,) = source.under_way()
            assert source.identity(connection) is connection
            assert source.end(connection) == ""
            with pytest.raises(ConnectionResetError):
                client.far.recv(1)
            assert source.identity(connection) is None
            client.join()
    assert (setting.active, source.under_way()) == (0, [])
    assert log.lines[0].split()[4] == "KD"


def test_what_a_connection_is_at() -> None:
    """Before there is a server, while it is dialed, and when one side has ended."""
    with UnansweringPort() as port, EchoServer() as server:
        setting = Setting(make_pool(at("a", port), connect_timeout=60.0))
        source = Connections(setting.proxy)
        with setting.client() as client:
            wait_until(lambda: abouts(source) == ["connects"], "the dial", gevent.sleep)
            assert told(source)[0].server == "a"
            source.end(source.under_way()[0])
            client.join()
        setting = Setting(make_pool(at("a", server, max_connections=1), queue=5, queue_timeout=60.0))
        source = Connections(setting.proxy)
        with setting.client() as client, setting.client() as waiting:
            client.far.sendall(b"x")
            assert read_exactly(client.far, 1) == b"x"
            by_server = {one.server: one.about for one in told(source)}
            assert by_server == {"a": "", "": "is received, or waits for a server"}
            # The first to end makes room for the other, which is to end all the same.
            for one in sorted(source.under_way(), key=lambda one: one.lease is None):
                source.end(one)
            client.join()
            waiting.join()
    assert setting.active == 0


def test_a_half_closed_connection() -> None:
    """By whom."""
    with SlowReader() as server:
        setting = Setting(make_pool(at("a", server)))
        source = Connections(setting.proxy)
        with setting.client() as client:
            client.far.shutdown(socket.SHUT_WR)
            wait_until(lambda: abouts(source) == ["half closed by the client"], "the end", gevent.sleep)
            source.end(source.under_way()[0])
            client.join()


def test_a_session_is_told_and_ended() -> None:
    """The client's next datagram begins another one, which an end of the old one does not meet."""
    with DatagramServer() as server, serving(make_pool(at("a", server.address))) as setting:
        log = Log()
        setting.proxy.access_log = log  # type: ignore[assignment]
        source = UdpSessions(setting.proxy)
        with DatagramClient(setting.address) as client:
            assert client.ask(b"hello") == b"hello"
            (entry,) = told(source)
            assert entry[:3] == ("7-1", "udp", "udp")
            assert entry.client.startswith("127.0.0.1:")
            assert entry[4:6] == ("app", "a")
            assert (entry.bytes_in, entry.bytes_out, entry.about) == (5, 5, "")
            (old,) = source.under_way()
            assert source.identity(old) is old
            assert source.end(old) == ""
            assert (source.identity(old), setting.active) == (None, 0)
            server.may_answer.clear()
            client.send(b"again")
            wait_until(source.under_way, "another session", gevent.sleep)
            assert source.identity(old) is None
            assert told(source)[0].about == "waits for an answer"
            server.may_answer.set()
        assert log.lines[0].split()[4] == "KD"


def test_a_client_on_a_unix_socket() -> None:
    """It has no address."""
    with EchoServer() as server, unix_pair() as (near, far):
        setting = Setting(make_pool(at("a", server)))
        gevent.spawn(setting.proxy.handle, near, "")
        far.sendall(b"x")
        assert read_exactly(far, 1) == b"x"
        source = Connections(setting.proxy)
        assert told(source)[0].client == "unix"
        source.end(source.under_way()[0])
        assert read_all(far) == b""
