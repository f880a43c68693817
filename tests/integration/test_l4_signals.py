"""What signals do to ``deston-l4``: stopping, reloading, more and fewer workers, and the death of one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deston.address import Address, parse_address
from tests.integration.client import Load
from tests.integration.commands import L4, Command, start
from tests.integration.configs import Tree, pool, tcp, write_config
from tests.integration.processes import Processes, wait_until
from tests.integration.wire import ScriptedServer, Wire, connect, is_listened_on, refuses, reserved_port

# No test waits for it: one that has to sees a drain of a fraction of a second.
LONG_DRAIN = {"drain_timeout": "60s"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that the test speaks for."""
    with ScriptedServer() as server:
        yield server


def write(folder: Path, server: Address, **sections: Tree) -> Path:
    """A file with one listener to one server."""
    return write_config(folder, {"tcp": tcp()}, pools={"app": pool({"a": server})}, **sections)


def pair(stack: ExitStack, command: Command, server: ScriptedServer) -> tuple[Wire, Wire]:
    """A connection through a command: the client's end and the server's."""
    client = stack.enter_context(connect(command.address))
    accepted = stack.enter_context(server.accept())
    client.echoes_through(accepted)
    return client, accepted


def reload(command: Command, said: str) -> None:
    """Send HUP and wait until all that it does is done, which ``said`` is a sign of."""
    since = len(command.running.lines)
    command.running.send(signal.SIGHUP)
    command.running.wait_for(said, since)


def wait_for_requests(load: Load, more: int) -> None:
    """Wait until so many more requests were made."""
    count = len(load.attempts)
    wait_until(lambda: len(load.attempts) > count + more, f"{more} more requests")


def test_term_lets_connections_end(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """After TERM new clients are refused; a connection that is open goes on, and its end is the command's."""
    command = start(L4, processes, write(tmp_path, server.address, global_=LONG_DRAIN))
    with ExitStack() as stack:
        client, accepted = pair(stack, command, server)
        command.running.send(signal.SIGTERM)
        wait_until(lambda: not is_listened_on(command.address), "the listener to be closed")
        assert refuses(command.address)
        client.echoes_through(accepted)
        client.end()
        assert accepted.read_all() == b""
        accepted.send(b"the rest")
        accepted.close()
        assert client.read_all() == b"the rest"
        assert command.running.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_stop_at_once(
    processes: Processes, tmp_path: Path, server: ScriptedServer, number: signal.Signals
) -> None:
    """INT and QUIT wait for no connection."""
    command = start(L4, processes, write(tmp_path, server.address, global_=LONG_DRAIN))
    with ExitStack() as stack:
        client, _ = pair(stack, command, server)
        command.running.send(number)
        assert command.running.wait() == 0
        assert client.was_reset() or client.read_all() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_right_after_the_start_is_not_lost(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], number: signal.Signals
) -> None:
    """Workers that boot when the stop comes heed it; nobody waits for them until the drain time is over."""
    file = write_config(tmp_path, pools={"app": pool(abc)}, global_={**LONG_DRAIN, "workers": 2})
    command = start(L4, processes, file)
    command.running.send(number)
    assert command.running.wait() == 0


def test_a_drain_that_is_over_cuts_with_a_reset(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """Neither side of a connection that is cut can take what came for all that there was."""
    command = start(L4, processes, write(tmp_path, server.address, global_={"drain_timeout": "200ms"}))
    with ExitStack() as stack:
        ends = pair(stack, command, server)
        command.running.send(signal.SIGTERM)
        assert [end.was_reset() for end in ends] == [True, True]
        assert command.running.wait() == 0
    assert "the drain time is over, connections and sessions cut: 1" in command.running.output


def test_hup_takes_up_new_servers(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """After HUP new connections go to the new servers; an open one lives on, and so do the workers."""
    command = start(L4, processes, write(tmp_path, server.address, global_={"workers": 2}))
    with ExitStack() as stack, ScriptedServer() as successor:
        client, accepted = pair(stack, command, server)
        command.wait_for_workers(2)
        workers = command.workers
        write(tmp_path, successor.address, global_={"workers": 2})
        command.running.send(signal.SIGHUP)
        for worker in workers:
            command.running.wait_for(rf"\[{worker}\] .* was reloaded")
        for _ in range(8):  # Whichever worker takes it.
            pair(stack, command, successor)
        client.echoes_through(accepted)
        assert command.workers == workers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[listeners]\n[[tcp]]\nbind = nonsense\n", "deston.conf:3: listeners.tcp.bind: "),
        ("[listeners]\n[[tcp\n", "deston.conf:2: "),
    ],
    ids=["wrong", "no configuration"],
)
def test_hup_with_a_broken_file_changes_nothing(
    processes: Processes, tmp_path: Path, server: ScriptedServer, text: str, complaint: str
) -> None:
    """What is wrong with the file is said with its line, and the old one stays, with all connections."""
    file = write(tmp_path, server.address)
    command = start(L4, processes, file)
    with ExitStack() as stack:
        client, accepted = pair(stack, command, server)
        worker = command.worker
        file.write_text(text, encoding="utf-8")
        reload(command, complaint)
        client.echoes_through(accepted)
        pair(stack, command, server)
        assert command.worker == worker
    assert "the configuration cannot be used, the old one stays" in command.running.output


def test_hup_with_a_file_that_is_gone_changes_nothing(
    processes: Processes, tmp_path: Path, server: ScriptedServer
) -> None:
    """A file that is missing when it is to be read again is no reason to stop."""
    file = write(tmp_path, server.address)
    command = start(L4, processes, file)
    with ExitStack() as stack:
        pair(stack, command, server)
        file.unlink()
        reload(command, "the old one stays")
        pair(stack, command, server)


def test_hup_with_a_port_in_use_changes_nothing(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """A new listener that cannot be had is said to be in use, and the old ones stay."""
    command = start(L4, processes, write(tmp_path, server.address))
    with ExitStack() as stack:
        pair(stack, command, server)
        listeners = {"tcp": tcp(), "new": tcp(bind=server.address)}
        write_config(tmp_path, listeners, pools={"app": pool({"a": "127.0.0.1:1"})})
        reload(command, f"{server.address} is in use by another process")
        pair(stack, command, server)


def test_hup_changes_listeners_without_a_gap(
    processes: Processes, tmp_path: Path, abc: dict[str, Address], server: ScriptedServer
) -> None:
    """A new listener serves, one that went drains, and one that stays never refuses anybody meanwhile."""
    pools = {"app": pool(abc), "slow": pool({"slow": server.address})}
    file = write_config(tmp_path, {"kept": tcp(), "old": tcp("slow")}, pools=pools, global_=LONG_DRAIN)
    command = start(L4, processes, file)
    old = command.address_of("old")
    with connect(old) as client, server.accept() as accepted, Load(command.address_of("kept"), opening=3) as load:
        client.echoes_through(accepted)
        veteran = command.worker
        write_config(tmp_path, {"kept": tcp(), "new": tcp()}, pools=pools, global_=LONG_DRAIN)
        since = len(command.running.lines)
        command.running.send(signal.SIGHUP)
        new = parse_address(command.running.wait_for(r"listener new: (\S+) to pool app", since)[1])
        with connect(new) as wire:
            wire.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert wire.read_all().startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: not is_listened_on(old), "the old listener to be closed")
        client.echoes_through(accepted)
        load.wait_for(100)
    assert load.failures() == []
    command.running.wait_for(rf"worker {veteran} has left")
    assert parse_address(command.running.wait_for("listener kept: (\\S+)", since)[1]) == command.address_of("kept")


def test_hup_again_and_again_under_load(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """Reloads under load, with changed pools and changed listeners in turn, cost no connection."""
    with reserved_port() as spare:
        plain = {"tcp": tcp()}
        command = start(L4, processes, write_config(tmp_path, plain, pools={"app": pool(abc)}, global_=LONG_DRAIN))
        with Load(command.address, opening=3) as load:
            for turn in range(6):
                servers = {name: abc[name] for name in ("abc", "ab", "c")[turn % 3]}
                listeners = {**plain, "spare": tcp(bind=spare)} if turn // 2 % 2 else plain
                write_config(tmp_path, listeners, pools={"app": pool(servers)}, global_=LONG_DRAIN)
                reload(command, r"worker \d+ has left" if turn in (2, 4) else "was reloaded")
                load.wait_for(20)
        assert load.failures() == []


def test_ttin_and_ttou_change_the_number_of_workers(
    processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """TTIN adds a worker, TTOU takes one away, and all that is asked meanwhile is served."""
    command = start(L4, processes, write_config(tmp_path, pools={"app": pool(abc)}))
    with Load(command.address, opening=2) as load:
        for number, count in ((signal.SIGTTIN, 2), (signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
            command.running.send(number)
            command.wait_for_workers(count)
            load.wait_for(20)
    assert load.failures() == []


def test_a_killed_worker_is_replaced(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """When a worker is killed another one starts, and no connection that is opened meanwhile fails."""
    command = start(L4, processes, write_config(tmp_path, pools={"app": pool(abc)}, global_={"workers": 2}))
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


def test_workers_leave_with_their_arbiter(processes: Processes, tmp_path: Path, server: ScriptedServer) -> None:
    """When the arbiter is killed its workers let their connections end, and go."""
    command = start(L4, processes, write(tmp_path, server.address, global_=LONG_DRAIN))
    with ExitStack() as stack:
        client, accepted = pair(stack, command, server)
        os.kill(command.running.pid, signal.SIGKILL)
        command.running.wait_for("the arbiter is gone, this worker drains")
        client.echoes_through(accepted)
    wait_until(lambda: not command.running.rest_of_group(), "the worker to leave")
