"""What signals do to ``gunicorn deston.l7:app``: stopping, reloading, more and fewer workers, the death of one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import Load
from tests.integration.commands import L7, Command, start
from tests.integration.configs import Tree, http, pool, write_config
from tests.integration.processes import Processes, wait_until
from tests.integration.wire import ScriptedServer, Wire, connect, is_listened_on, refuses

# No test waits for it: one that has to sees a drain of a fraction of a second.
LONG_DRAIN = {"drain_timeout": "60s"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"
HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf "


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that the test speaks for."""
    with ScriptedServer() as server:
        yield server


def write(folder: Path, server: Address, **sections: Tree) -> Path:
    """A file with one listener to one server."""
    return write_config(folder, {"web": http()}, pools={"app": pool({"a": server})}, **sections)


def begin(stack: ExitStack, command: Command, server: ScriptedServer, host: str = "any.test") -> tuple[Wire, Wire]:
    """An exchange that waits for its answer: the client's end and the server's."""
    client = stack.enter_context(connect(command.address))
    client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    accepted = stack.enter_context(server.accept())
    accepted.read_head()
    return client, accepted


def complete(client: Wire, accepted: Wire) -> None:
    """Let an exchange come to its end."""
    accepted.send(ANSWER)
    assert client.read_all().endswith(b"\r\n\r\nwhole")


def test_term_lets_exchanges_end(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """After TERM new clients are refused, and the answers that are due still come whole."""
    command = start(L7, processes, write(tmp_path, server.address, global_=LONG_DRAIN))
    with ExitStack() as stack:
        waiting = begin(stack, command, server)
        client, accepted = begin(stack, command, server)
        accepted.send(HALF_AN_ANSWER)
        client.read_until(b"half ")
        command.running.send(signal.SIGTERM)
        wait_until(lambda: not is_listened_on(command.address), "the listener to be closed")
        assert refuses(command.address)
        complete(*waiting)
        accepted.send(b"whole")
        assert client.read_all() == b"whole"
        assert command.running.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_stop_at_once(
    processes: Processes, tmp_path: Path, server: ScriptedServer, number: signal.Signals
) -> None:
    """INT and QUIT wait for no exchange."""
    command = start(L7, processes, write(tmp_path, server.address, global_=LONG_DRAIN))
    with ExitStack() as stack:
        client, _ = begin(stack, command, server)
        command.running.send(number)
        assert command.running.wait() == 0
        assert client.was_reset() or client.read_all() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_right_after_the_start_is_not_lost(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], number: signal.Signals
) -> None:
    """Workers that boot when the stop comes heed it; nobody waits for them until the drain time is over."""
    file = write_config(tmp_path, pools={"app": pool(abc)}, global_={**LONG_DRAIN, "workers": 2})
    command = start(L7, processes, file)
    command.running.send(number)
    assert command.running.wait() == 0


def test_a_drain_that_is_over_cuts_what_is_not_done(
    processes: Processes, tmp_path: Path, server: ScriptedServer
) -> None:
    """A client whose answer is cut gets a reset after what came, so that it cannot take that for all."""
    command = start(L7, processes, write(tmp_path, server.address, global_={"drain_timeout": "200ms"}))
    with ExitStack() as stack:
        client, accepted = begin(stack, command, server)
        accepted.send(b"HTTP/1.1 200 OK\r\n\r\nno length, so an end would look whole")
        client.read_until(b"whole")
        command.running.send(signal.SIGTERM)
        assert client.was_reset()
        assert command.running.wait() == 0


def test_hup_takes_up_new_servers(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], server: ScriptedServer
) -> None:
    """HUP costs no new client anything; afterwards the new servers are asked, and what was begun is completed."""
    command = start(L7, processes, write_pools(tmp_path, server.address, {"a": abc["a"]}))
    with ExitStack() as stack, Load(command.address, opening=2) as load:
        waiting = begin(stack, command, server, "slow.test")
        veteran = command.worker
        write_pools(tmp_path, server.address, {"b": abc["b"]})
        command.running.send(signal.SIGHUP)
        wait_until(lambda: command.workers - {veteran}, "a new worker")
        wait_until(lambda: load.served()["b"] > 0, "a request to the new server")
        complete(*waiting)
        wait_until(lambda: veteran not in command.workers, "the old worker to leave")
        left = time.monotonic()
        load.wait_for(50)
    assert load.failures() == []
    assert set(load.served(since=left)) == {"b"}


def write_pools(folder: Path, slow: Address, servers: dict[str, Address]) -> Path:
    """A file with a slow pool besides the ordinary one."""
    return write_config(
        folder,
        {"web": http()},
        pools={"app": pool(servers), "slow": pool({"slow": slow})},
        routes={"slow": {"host": "slow.test", "pool": "slow"}},
        global_=LONG_DRAIN,
    )


def test_hup_with_a_broken_file_keeps_the_old_one(
    processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """What is wrong with the file is said with its line, and the new workers serve as the old ones did."""
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": abc["a"]})})
    command = start(L7, processes, file)
    with Load(command.address, opening=2) as load:
        load.wait_for(10)
        veteran = command.worker
        file.write_text("[listeners]\n[[web]]\nbind = nonsense\n", encoding="utf-8")
        command.running.send(signal.SIGHUP)
        command.running.wait_for("deston.conf:3: listeners.web.bind: ")
        wait_until(lambda: command.workers and veteran not in command.workers, "the old worker to leave")
        load.wait_for(50)
    assert load.failures() == []
    assert set(load.served()) == {"a"}
    assert "the configuration cannot be used, the old one stays" in command.running.output


def test_ttin_and_ttou_change_the_number_of_workers(
    processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """TTIN adds a worker, TTOU takes one away, and all that is asked meanwhile is served."""
    command = start(L7, processes, write_config(tmp_path, pools={"app": pool(abc)}))
    with Load(command.address, opening=2) as load:
        for number, count in ((signal.SIGTTIN, 2), (signal.SIGTTIN, 3), (signal.SIGTTOU, 2)):
            command.running.send(number)
            command.wait_for_workers(count)
            load.wait_for(20)
    assert load.failures() == []


def test_a_killed_worker_is_replaced(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """When a worker is killed another one starts, and no request over a new connection fails meanwhile."""
    command = start(L7, processes, write_config(tmp_path, pools={"app": pool(abc)}, global_={"workers": 2}))
    with Load(command.address, opening=3) as load:
        command.wait_for_workers(2)
        load.wait_for(50)
        workers = command.workers
        victim = min(workers)
        os.kill(victim, signal.SIGKILL)
        dead = time.monotonic()
        wait_until(lambda: len(command.workers - {victim}) == 2, "another worker")
        load.wait_for(100)
    assert load.failures(since=dead) == []
    assert workers - {victim} < command.workers
