"""Upgrades under our own worker: WebSockets, as far as a balancer sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.commands import L7, Command, start
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import Processes
from tests.integration.wire import ScriptedServer, connect

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server that the test speaks for."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def command(module_processes: Processes, server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """HTTP in front of it; a tunnel may be silent for half a second."""
    pools = {"app": pool({"a": server.address}, tunnel_timeout="500ms")}
    return start(L7, module_processes, write_config(tmp_path_factory.mktemp("upgrade"), {"web": http()}, pools=pools))


def test_a_tunnel(command: Command, server: ScriptedServer) -> None:
    """The server sees the upgrade; what comes right behind the heads is not lost; an end is passed on both ways."""
    with connect(command.address) as client:
        client.send(ASK + b"early frame\n")
        with server.accept() as accepted:
            head = accepted.read_head().lower()
            assert b"\r\nconnection: upgrade\r\n" in head
            assert b"\r\nupgrade: websocket\r\n" in head
            assert b"\r\nsec-websocket-key: dghl" in head
            accepted.send(SWITCH + b"early answer\n")
            answer = client.read_head()
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert b"Sec-WebSocket-Accept: x" in answer
            assert accepted.read_until(b"\n") == b"early frame\n"
            assert client.read_until(b"\n") == b"early answer\n"
            client.echoes_through(accepted)
            client.end()
            assert accepted.read_all() == b""
            accepted.send(b"last")
            accepted.end()
            assert client.read_all() == b"last"


def test_a_server_that_stays_with_http(command: Command, server: ScriptedServer) -> None:
    """It answers as ever, and the client's connection goes on."""
    with connect(command.address) as client:
        client.send(ASK)
        with server.accept() as accepted:
            accepted.read_head()
            accepted.send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
            assert client.read_head().startswith(b"HTTP/1.1 426 ")
            assert client.read_until(b"no") == b"no"
            client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            assert b"upgrade" not in accepted.read_head().lower()
            accepted.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes")
            assert client.read_all().endswith(b"yes")


def test_a_server_that_switches_unasked(command: Command, server: ScriptedServer) -> None:
    """It is malformed, as before."""
    with connect(command.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        with server.accept() as accepted:
            accepted.read_head()
            accepted.send(SWITCH)
            assert client.read_all().startswith(b"HTTP/1.1 502 ")


def test_a_tunnel_that_is_silent(command: Command, server: ScriptedServer) -> None:
    """After its timeout it is closed on both sides; nothing was on its way."""
    with connect(command.address) as client:
        client.send(ASK)
        with server.accept() as accepted:
            accepted.read_head()
            accepted.send(SWITCH)
            client.read_head()
            assert client.read_all() == b""
            assert accepted.read_all() == b""
