"""Crowds, floods and slow peers at TCP listeners: what is refused is counted, and memory stays flat."""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from tests.integration.commands import L4, Command, start
from tests.integration.configs import Tree, pool, tcp, write_config
from tests.integration.processes import Processes, wait_until
from tests.integration.wire import ScriptedServer, Wire, connect

MIB = 1 << 20
PIECE = b"." * MIB
CROWD = 5000
TRUSTING: Tree = {"accept_proxy_protocol": "yes", "trusted_proxies": "127.0.0.0/8"}


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def stop(command: Command) -> str:
    """Have the command end in good order; what it said."""
    command.running.send(signal.SIGTERM)
    assert command.running.wait() == 0
    return command.running.output


def front(processes: Processes, folder: Path, server: Address, listener: Tree, **keys: Any) -> Command:
    """The command with one listener to one server."""
    return start(L4, processes, write_config(folder, {"tcp": listener}, pools={"app": pool({"a": server}, **keys)}))


def test_a_gibibyte_while_the_receiver_sleeps(processes: Processes, tmp_path: Path) -> None:
    """A sender far ahead of its receiver is stopped, memory stays flat, and all of it arrives in the end."""
    with ScriptedServer() as server:
        command = front(processes, tmp_path, server.address, tcp())
        with connect(command.address) as client, server.accept() as accepted:
            client.send(PIECE[:1000])
            wait_until(lambda: accepted.socket.recv(1000, socket.MSG_PEEK), "the first bytes")
            before = resident(command.worker)
            sending = threading.Thread(target=_send_much, args=(client,))
            sending.start()
            sending.join(0.5)
            assert sending.is_alive()
            assert resident(command.worker) - before < 8 * MIB
            received, highest = 0, 0
            while data := accepted.socket.recv(MIB):
                received += len(data)
                if received % (64 * MIB) < len(data):
                    highest = max(highest, resident(command.worker))
            sending.join()
            assert received == 1000 + 1024 * MIB
            assert highest - before < 16 * MIB


def _send_much(client: Wire) -> None:
    for _ in range(1024):
        client.send(PIECE)
    client.end()


@contextmanager
def echoing() -> Iterator[Address]:
    """A server for a crowd: one thread accepts, nobody reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening, ExitStack() as kept:
        accepting = threading.Thread(target=_accept_all, args=(listening, kept))
        accepting.start()
        yield Address(*listening.getsockname())
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept_all(listening: socket.socket, kept: ExitStack) -> None:
    while True:
        try:
            kept.enter_context(listening.accept()[0])
        except OSError:
            return


def test_thousands_of_idle_connections(processes: Processes, tmp_path: Path) -> None:
    """They cost little, new clients are served beside them, and a stop at the end of the drain cuts all of them.

    Where the system allows fewer descriptors, the crowd is as large as they bear.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    crowd = min(CROWD, hard // 4)
    with ExitStack() as stack, echoing() as server:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The command raises its own.
        command = front(processes, tmp_path, server, tcp(backlog=4096))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        stack.enter_context(connect(command.address))
        before = resident(command.worker)
        for _ in range(crowd):
            stack.enter_context(connect(command.address))
        wait_until(lambda: _open_sockets(command.worker) >= 2 * crowd, "the crowd")
        assert (resident(command.worker) - before) / crowd < 16 * 1024


def _open_sockets(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_connections_per_client": 3}, "too many connections of the client"),
        ({"connection_rate": 1}, "connection rate of the client"),
        ({"deny": "127.0.0.1/32"}, "denied"),
    ],
)
def test_a_flood_past_a_limit(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], limits: Tree, reason: str
) -> None:
    """What is beyond is refused and counted, and a client from elsewhere is served meanwhile."""
    log = tmp_path / "access.log"
    listener = tcp(**limits, access_log=log, access_log_format="json")
    command = front(processes, tmp_path, abc["a"], listener)
    # From here on the worker accepts: what is not closed soon is not going to be.
    assert command.ask(source="127.0.0.77") == "a"
    with ExitStack() as stack:
        flood = [stack.enter_context(connect(command.address)) for _ in range(20)]
        refused = sum(_is_closed(one) for one in flood)
        assert refused >= 17
        assert command.ask(source="127.0.0.77") == "a"
    assert f"{reason} {refused}" in stop(command)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["ending"] for line in lines].count(reason) == refused
    assert {line["server"] for line in lines if line["client"].startswith("127.0.0.77:")} == {"a"}


def _is_closed(one: Wire) -> bool:
    one.socket.settimeout(0.3)
    try:
        return one.socket.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_a_limit_makes_clients_wait(processes: Processes, tmp_path: Path) -> None:
    """A server that has room for one gets one; the next one waits in the queue, and another is refused."""
    with ScriptedServer() as server:
        servers = {"a": f"{server.address}, max_connections=1"}
        pools = {"app": pool(servers, queue=1, queue_timeout="20s")}
        command = start(L4, processes, write_config(tmp_path, {"tcp": tcp()}, pools=pools))
        with connect(command.address) as first, server.accept() as accepted, connect(command.address) as second:
            second.send(b"hello")
            first.echoes_through(accepted)
            with connect(command.address) as third:
                third.was_reset()
            first.close()
            accepted.close()
            with server.accept() as next_one:
                assert next_one.read_until(b"hello") == b"hello"
        assert "queue full 1" in stop(command)


@pytest.mark.parametrize("begin", [b"", b"PROXY TCP4 192.0.2.1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0"])
def test_a_header_that_is_never_complete(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], begin: bytes
) -> None:
    """It is refused at its deadline, even if a byte comes now and then; others are served meanwhile."""
    command = front(processes, tmp_path, abc["a"], tcp(**TRUSTING, handshake_timeout="500ms"))
    with connect(command.address) as wire:
        wire.send(begin)
        wire.was_reset()
    with connect(command.address) as wire:
        wire.send(b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n")
        assert wire.read_all().endswith(b"a\n")
    assert "handshake timeout 1" in stop(command)


def test_a_trickle_is_one_header(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """A header may come byte by byte, as long as it is there in time."""
    command = front(processes, tmp_path, abc["a"], tcp(**TRUSTING))
    with connect(command.address) as wire:
        for byte in b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: any.test\r\n":
            wire.send(bytes([byte]))
        wire.send(b"Connection: close\r\n\r\n")
        assert wire.read_all().endswith(b"a\n")


def test_logs_are_moved_away(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """After logrotate has moved a log and sent USR1, lines go to a new file; none is lost."""
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    command = front(processes, tmp_path, abc["a"], tcp(access_log=log))
    command.ask()
    wait_until(lambda: log.exists() and log.read_text().count("\n") == 1, "the first line")
    log.rename(moved)
    command.running.send(signal.SIGUSR1)
    wait_until(lambda: command.ask() and log.exists(), "the new file")
    stop(command)
    form = r"\S+Z 127\.0\.0\.1:\d+ tcp app/a -- [\d.]+ [\d.]+ \d+ \d+ 1"
    lines = (moved.read_text() + log.read_text()).splitlines()
    assert lines
    assert all(re.fullmatch(form, line) for line in lines)
