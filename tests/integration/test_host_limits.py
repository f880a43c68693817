"""Limits on clients hold for all workers of a command together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from tests.integration.client import ask
from tests.integration.commands import L4, L7, Command, start
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Processes, run, wait_until
from tests.integration.wire import END_OF_HEAD, Wire, connect

REQUEST = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with EchoServer("a") as server:
        yield server.address


def start_two(
    command: str,
    processes: Processes,
    folder: Path,
    address: Address,
    options: Sequence[str] = (),
    **listener: object,
) -> Command:
    """A command with two workers and one listener; each worker knows the other."""
    make = tcp if command == L4 else http
    one = {**make(), **listener}
    file = write_config(folder, {"one": one}, pools={"app": pool({"a": address})}, global_={"workers": 2})
    found = start(command, processes, file, options=options)
    wait_until(lambda: len(told(file)["workers"]) == 2, "two workers on the board")
    # Whoever has applied a change has looked for the others before.
    run([f"{BIN}/deston", "server", "weight", "app", "a", "2", "--config", str(file)])
    wait_until(lambda: {one["revision"] for one in told(file)["workers"]} == {told(file)["revision"]}, "the change")
    return found


def told(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run([f"{BIN}/deston", "status", "--json", "--config", str(file)]).out)
    return found


@contextlib.contextmanager
def only(command: Command, number: int) -> Iterator[None]:
    """For a moment, only one of the two workers takes clients."""
    other = sorted(command.workers)[1 - number]
    os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(other, signal.SIGCONT)


def is_served(wire: Wire) -> bool:
    """Whether a connection is carried, and not closed."""
    try:
        wire.send(REQUEST)
        return wire.read_until(END_OF_HEAD).startswith(b"HTTP/1.1 200 ")
    except (AssertionError, OSError):
        return False


def come(command: Command, stack: contextlib.ExitStack) -> bool:
    """One more client that stays; whether it is served."""
    return is_served(stack.enter_context(connect(command.address)))


@pytest.mark.parametrize("command", [L4, L7])
def test_connections_of_a_client(command: str, processes: Processes, tmp_path: Path, address: Address) -> None:
    """Those in the other worker are among them, and no more when they, or the worker, are gone."""
    running = start_two(command, processes, tmp_path, address, max_connections_per_client=2)
    with contextlib.ExitStack() as stack:
        with only(running, 0):
            assert come(running, stack)
        with only(running, 1):
            assert [come(running, stack), come(running, stack)] == [True, False]
        with only(running, 0):
            assert not come(running, stack)
    wait_until(lambda: two_at_once(running), "room for two")
    with contextlib.ExitStack() as stack:
        for _ in range(2):  # The last ones may just be leaving.
            wait_until(lambda: come(running, stack), "room for another")
        for worker in running.workers:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: two_at_once(running), "room for two, when the workers are gone")


def two_at_once(command: Command) -> bool:
    with contextlib.ExitStack() as stack:
        return come(command, stack) and come(command, stack)


@pytest.mark.parametrize("options", [(), ("-k", "gevent")], ids=["own", "gevent"])
def test_a_rate(options: tuple[str, ...], processes: Processes, tmp_path: Path, address: Address) -> None:
    """A client has one bucket, whichever worker it comes to, and after a reload, too."""
    running = start_two(L7, processes, tmp_path, address, options, rate_limit="3/1h, burst=3")
    with only(running, 0):
        assert [ask(running.address).status for _ in range(2)] == [200, 200]
    with only(running, 1):
        assert [ask(running.address).status for _ in range(2)] == [200, 429]
    with only(running, 0):
        assert ask(running.address).status == 429
    before = running.workers
    running.running.send(signal.SIGHUP)
    wait_until(lambda: len(running.workers) == 2 and not running.workers & before, "new workers")
    assert ask(running.address).status == 429


def test_connections_of_a_listener(processes: Processes, tmp_path: Path, address: Address) -> None:
    """Beyond them clients wait in the backlog, until one leaves in any worker."""
    running = start_two(L4, processes, tmp_path, address, max_connections=2)
    with contextlib.ExitStack() as stack:
        with only(running, 0):
            first = stack.enter_context(connect(running.address))
            assert is_served(first)
        with only(running, 1):
            assert come(running, stack)
        waiting = stack.enter_context(connect(running.address))
        waiting.send(REQUEST)
        waiting.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waiting.socket.recv(1)
        first.close()
        waiting.socket.settimeout(20)
        assert waiting.read_until(END_OF_HEAD).startswith(b"HTTP/1.1 200 ")
