"""Servers and clients that misbehave while a command runs."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import Answer, ask
from tests.integration.commands import BOTH, L4, L7, Command, start, start_both
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.processes import Processes
from tests.integration.wire import ScriptedServer, Wire, connect, reserved_port

FEW_DESCRIPTORS = 64
CROWD = 75
SCRIPTED = ("silent", "stops", "breaks", "resets", "is_reset", "quiet")


@pytest.fixture(scope="module")
def scripted() -> Iterator[dict[str, ScriptedServer]]:
    """A server for each test that speaks for one, by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(ScriptedServer()) for name in SCRIPTED}


@pytest.fixture(scope="module")
def commands(
    module_processes: Processes,
    abc: dict[str, Address],
    scripted: dict[str, ScriptedServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Command]:
    """Both commands on one file: a pool for each scripted server, and ordinary servers for all others."""
    pools = {name: pool({name: server.address}, server_timeout="500ms") for name, server in scripted.items()}
    file = write_config(
        tmp_path_factory.mktemp("trouble"),
        {"web": http(), **{name: tcp(name) for name in pools}, "quiet": tcp("quiet", client_timeout="200ms")},
        pools={"app": pool(abc), **pools},
        routes={name: {"host": f"{name}.test", "pool": name} for name in pools},
    )
    return start_both(module_processes, file)


def test_a_server_that_never_answers(commands: dict[str, Command]) -> None:
    """It is 504 after the time that the server had, and the other requests go on meanwhile."""
    command = commands[L7]
    slow: list[Answer] = []
    asking = threading.Thread(target=lambda: slow.append(ask(command.address, fields={"Host": "silent.test"})))
    asking.start()
    meanwhile = []
    while asking.is_alive():
        meanwhile.append(command.ask())
    asking.join()
    assert [answer.status for answer in slow] == [504]
    assert len(meanwhile) > 3
    assert set(meanwhile) == {"a", "b", "c"}


def test_a_server_that_falls_silent(commands: dict[str, Command], scripted: dict[str, ScriptedServer]) -> None:
    """A body that stops coming is cut off, so that it does not look whole."""
    with connect(commands[L7].address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: stops.test\r\n\r\n")
        with scripted["stops"].accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
            client.read_until(b"half ")
            assert client.was_reset()


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 10\r\n\r\nhalf ", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"],
    ids=["length", "chunked"],
)
def test_a_server_that_breaks_off(
    commands: dict[str, Command], scripted: dict[str, ScriptedServer], framing: bytes
) -> None:
    """A body that is shorter than announced, or in chunks without the last one, is cut off."""
    with connect(commands[L7].address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: breaks.test\r\n\r\n")
        with scripted["breaks"].accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\n" + framing)
            client.read_until(b"half ")
        assert client.was_reset()


@pytest.mark.parametrize("command", BOTH)
def test_a_servers_reset_is_passed_on(
    commands: dict[str, Command], scripted: dict[str, ScriptedServer], command: str
) -> None:
    """A server's reset in the middle of an answer reaches the client as a reset."""
    with connect(commands[command].address_of("resets")) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: resets.test\r\n\r\n")
        with scripted["resets"].accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\n\r\nhalf ")
            client.read_until(b"half ")
            server.reset()
        assert client.was_reset()


@pytest.mark.parametrize("command", BOTH)
def test_a_clients_reset_is_passed_on(
    commands: dict[str, Command], scripted: dict[str, ScriptedServer], command: str
) -> None:
    """A client's reset in the middle of a request reaches the server as a reset."""
    with connect(commands[command].address_of("is_reset")) as client:
        # A WSGI server hands over a body in pieces of 64 KiB.
        client.send(b"POST / HTTP/1.1\r\nHost: is_reset.test\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
        with scripted["is_reset"].accept() as server:
            server.read_head()
            client.reset()
            assert server.was_reset()


def test_a_quiet_connection_is_closed(commands: dict[str, Command], scripted: dict[str, ScriptedServer]) -> None:
    """A tcp connection on which nothing moves for the client timeout is closed on both sides."""
    with connect(commands[L4].address_of("quiet")) as client, scripted["quiet"].accept() as server:
        client.echoes_through(server)
        assert client.read_all() == server.read_all() == b""


@pytest.mark.parametrize("command", BOTH)
def test_clients_beyond_the_descriptors_wait(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], command: str
) -> None:
    """No more is accepted than descriptors last for, and nothing dies; who waited is served when others leave."""
    limited = ["/bin/sh", "-c", f'ulimit -n {FEW_DESCRIPTORS} && exec "$0" "$@"']
    with reserved_port() as one, reserved_port() as other:
        kind, keys = (tcp, {}) if command == L4 else (http, {"keepalive_timeout": "60s"})
        listeners = {"one": kind(bind=one, **keys), "other": kind(bind=other, **keys)}
        front = start(command, processes, write_config(tmp_path, listeners, pools={"app": pool(abc)}), limited)
        front.wait_for_workers(1)
        worker = front.worker
        with ExitStack() as late:
            with ExitStack() as crowd:
                for _ in range(CROWD):
                    crowd.enter_context(connect(one))
                    crowd.enter_context(connect(other))
                # All of the crowd came before these, and some of it waits.
                last = [late.enter_context(connect(address)) for address in (one, other)]
                for wire in last:
                    wire.send(b"GET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n")
                assert nothing_comes(last)
            for wire in last:
                assert wire.read_all().startswith(b"HTTP/1.1 200 ")
    assert front.worker == worker


def nothing_comes(wires: list[Wire]) -> bool:
    """Whether nothing comes for half a second."""
    return not select.select([wire.socket for wire in wires], [], [], 0.5)[0]
