"""Servers that die and come back under load."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.client import Load
from tests.integration.commands import L4, L7, Command, start, start_both
from tests.integration.configs import QUICK_CHECKS, pool, write_config
from tests.integration.processes import Processes, wait_until
from tests.integration.servers import KillableServer, names_of
from tests.integration.wire import reserved_port


@pytest.fixture
def servers(processes: Processes) -> Iterator[list[KillableServer]]:
    """Three servers that can be killed and started again."""
    with ExitStack() as ports:
        yield [KillableServer(processes, name, ports.enter_context(reserved_port())) for name in "abc"]


def wait_for_share(load: Load, name: str) -> None:
    """Wait until a server answers some of what is asked from now on."""
    since = time.monotonic()
    wait_until(lambda: load.served(since)[name] >= 3, f"requests served by {name}")


def bring_down(command: Command, load: Load, server: KillableServer) -> float:
    """Kill a server under load and wait until it is known to be down; when it was dead, in monotonic seconds."""
    wait_for_share(load, server.name)
    server.kill()
    dead = time.monotonic()
    command.running.wait_for(rf"app/{server.name} .* is down")
    return dead


def bring_up(command: Command, load: Load, server: KillableServer) -> None:
    """Start a server again, and wait until it gets requests."""
    server.start()
    command.running.wait_for(rf"app/{server.name} .* is up")
    wait_for_share(load, server.name)


def test_l7_loses_nothing_with_a_server(processes: Processes, tmp_path: Path, servers: list[KillableServer]) -> None:
    """A server that is killed under load costs not one request, and has its share again when it is back."""
    file = write_config(tmp_path, pools={"app": pool(names_of(servers), QUICK_CHECKS, slow_start="0")})
    command = start(L7, processes, file)
    with Load(command.address, keeping=2, opening=2) as load:
        dead = bring_down(command, load, servers[1])
        assert servers[1].name not in load.served(since=dead)
        bring_up(command, load, servers[1])
    assert load.failures() == []
    assert Counter(command.ask() for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_l4_dials_another_server(processes: Processes, tmp_path: Path, servers: list[KillableServer]) -> None:
    """No connection that is opened after a server was killed fails, and it has its share again when it is back."""
    file = write_config(tmp_path, pools={"app": pool(names_of(servers), QUICK_CHECKS, slow_start="0")})
    command = start(L4, processes, file)
    with Load(command.address, opening=4) as load:
        dead = bring_down(command, load, servers[1])
        assert servers[1].name not in load.served(since=dead)
        bring_up(command, load, servers[1])
    assert load.failures(since=dead) == []
    assert Counter(command.ask() for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_a_backup_stands_in(processes: Processes, tmp_path: Path, servers: list[KillableServer]) -> None:
    """A backup server serves only while no other can, through both commands."""
    addresses = {server.name: f"{server.address}, backup={'yes' if server.name == 'c' else 'no'}" for server in servers}
    file = write_config(tmp_path, pools={"app": pool(addresses, QUICK_CHECKS, slow_start="0")})
    commands = list(start_both(processes, file).values())
    ordinary = servers[:2]
    assert all(asked(command) == {"a", "b"} for command in commands)
    for server in ordinary:
        server.kill()
    # Not one request waits for the checks to find out.
    assert all(asked(command) == {"c"} for command in commands)
    for command in commands:
        for server in ordinary:
            command.running.wait_for(rf"app/{server.name} .* is down")
    for server in ordinary:
        server.start()
    for command in commands:
        for server in ordinary:
            command.running.wait_for(rf"app/{server.name} .* is up")
        assert asked(command) == {"a", "b"}


def asked(command: Command) -> set[str]:
    """The servers that answer ten requests."""
    return {command.ask() for _ in range(10)}


def test_a_server_that_is_down_from_the_start_is_left_out(
    processes: Processes, tmp_path: Path, servers: list[KillableServer]
) -> None:
    """The first check decides alone, so that a pool is right within a tenth of a second."""
    servers[0].kill()
    never = {**QUICK_CHECKS, "fall": 1000, "rise": 1000}
    file = write_config(tmp_path, pools={"app": pool(names_of(servers), never, retries=0)})
    for command in start_both(processes, file).values():
        command.running.wait_for(r"app/a .* is down: connection refused \(2 of 3 servers usable\)")
        assert asked(command) == {"b", "c"}
