"""What docs/protocols.md shows: its configuration as it stands, and each of its commands against a real server."""

from __future__ import annotations

import json
import re
import shlex
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from websockets.sync.server import ServerConnection, serve

from deston.address import Address
from tests.integration.commands import L4, L7, start
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, DEADLINE_S, ROOT, Processes, run, wait_until
from tests.integration.servers import find_postgres, start_dnsmasq, start_postgres, start_redis
from tests.integration.wire import free_for_both, reserved_port
from tests.peers import READ_SIZE, Peer

PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
[SHOWN] = re.findall(r"^```ini\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
#: By the name of the protocol, what somebody is told to type.
TYPED = dict(re.findall(r"^\| ([^|]+?) \| `([^`]+)` \|", PAGE, re.MULTILINE))
#: What is typed only where a listener has a certificate (tests/integration/test_l7_tls.py).
ELSEWHERE = {"HTTP/2 from clients"}

_SERVER = r"= 10\.0\.0\.(\d+):\d+"

Server = Callable[[Processes], Iterator[Address]]


def postgres(processes: Processes) -> Iterator[Address]:
    with reserved_port() as address, tempfile.TemporaryDirectory() as folder:
        start_postgres(processes, Path(folder), address)
        yield address


def redis(processes: Processes) -> Iterator[Address]:
    with reserved_port() as address, tempfile.TemporaryDirectory() as folder:
        start_redis(processes, Path(folder), address)
        yield address


def dns(processes: Processes) -> Iterator[Address]:
    address = free_for_both()
    start_dnsmasq(processes, address, "--address=/example.com/192.0.2.80")
    yield address


def web(processes: Processes) -> Iterator[Address]:
    with EchoServer("a") as server:
        yield server.address


def websocket(processes: Processes) -> Iterator[Address]:
    """Takes the upgrade, and ends the conversation at once."""

    def take(connection: ServerConnection) -> None:
        """Say nothing."""

    with serve(take, "127.0.0.1", 0, close_timeout=0.1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address(*server.socket.getsockname()[:2])
        server.shutdown()
        thread.join(DEADLINE_S)


#: Who listens, at which pool, the server, and what its answer is known by.
ROWS: dict[str, tuple[str, str, Server, str]] = {
    "PostgreSQL": (L4, "postgres", postgres, r"\b1\b"),
    "redis": (L4, "redis", redis, r"^PONG$"),
    "DNS": (L4, "dns", dns, r"192\.0\.2\.80"),
    "HTTP": (L7, "app", web, r"^HTTP/1\.1 200 "),
    "WebSocket": (L7, "app", websocket, r"^HTTP/1\.1 101 "),
    "server-sent events, long polls": (L7, "app", web, r'"server": "a"'),
}


def moved(text: str, pool: str, server: Address) -> tuple[str, dict[str, str]]:
    """The configuration on ports that are free; which port took the place of which.

    The first server of a pool is one that is there, all others are ports of this machine that refuse.
    """
    ports = {port: str(free_for_both().port) for port in set(re.findall(r"bind = 127\.0\.0\.1:(\d+)", text))}
    listeners, _, pools = re.sub(r"(?<=bind = 127\.0\.0\.1:)\d+", lambda found: ports[found[0]], text).partition(
        "[pools]\n"
    )
    before, name, after = pools.partition(f"[[{pool}]]\n")
    assert name, pool
    after = re.sub(_SERVER, f"= {server}", after, count=1)
    pools = re.sub(_SERVER, r"= 127.0.0.\1:1", before + name + after)
    return f"{listeners}[pools]\n{pools}", ports


def test_every_command_of_the_page_is_here() -> None:
    assert TYPED.keys() - ELSEWHERE == ROWS.keys()


@pytest.mark.parametrize("protocol", ROWS)
def test_what_is_typed_is_answered(protocol: str, processes: Processes, tmp_path: Path) -> None:
    """By the server behind the listener, whatever the protocol."""
    command, pool, server, answer = ROWS[protocol]
    program, *words = shlex.split(TYPED[protocol])
    program = find_postgres(program)
    with contextmanager(server)(processes) as address:
        text, ports = moved(SHOWN, pool, address)
        file = tmp_path / "deston.conf"
        file.write_text(text, encoding="utf-8")
        start(command, processes, file)
        for shown, port in ports.items():
            words = [word.replace(shown, port) for word in words]
        done = run([program, *words], {"PGUSER": "tester", "PGDATABASE": "postgres"})
    assert re.search(answer, done.out, re.MULTILINE), done


class SpeaksHttp2(Peer):
    """Acknowledges what a client of HTTP/2 says of itself, or is silent, as a process that hangs."""

    def __init__(self, hangs: bool) -> None:
        super().__init__()
        self._hangs = hangs

    def serve(self, connection: socket.socket) -> None:
        engine = H2Connection(H2Configuration(client_side=False))
        engine.initiate_connection()
        while data := connection.recv(READ_SIZE):
            engine.receive_data(data)
            if not self._hangs:
                connection.sendall(engine.data_to_send())


@pytest.mark.parametrize(("hangs", "judged"), [(False, "up"), (True, "down")])
def test_the_check_of_grpc(hangs: bool, judged: str, processes: Processes, tmp_path: Path) -> None:
    """It is the beginning of HTTP/2, to which every server of it has to answer."""
    with SpeaksHttp2(hangs) as server:
        text, _ = moved(SHOWN, "grpc", server.address)
        file = tmp_path / "deston.conf"
        before, found, after = text.rpartition("[[[health]]]")
        file.write_text(f"{before}{found}\ninterval = 100ms\ntimeout = 300ms\nfall = 1\nrise = 1\n{after}", "utf-8")
        start(L4, processes, file)

        def health() -> str:
            told = run([f"{BIN}/deston", "status", "--json", "--config", str(file)])
            return str(json.loads(told.out)["pools"]["grpc"]["servers"]["a"]["health"])

        wait_until(lambda: health() == judged, f"{judged}, by a check")
