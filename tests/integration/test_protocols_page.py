"""What docs/protocols.md shows: its configuration as it stands, and each of its commands against a real server."""

from __future__ import annotations

import re
import shlex
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from deston.address import Address
from tests.integration.commands import L4, L7, start
from tests.integration.echo import EchoServer
from tests.integration.processes import DEADLINE_S, ROOT, Processes, run
from tests.integration.servers import find_postgres, start_dnsmasq, start_postgres, start_redis
from tests.integration.wire import free_for_both, reserved_port

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
