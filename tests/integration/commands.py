"""Deston's two commands as processes, and where they listen.

What lives here: how each command is started on a file, and the addresses that it says it listens on.
What must not: what the processes are to do.
Invariant: a command that is handed over listens; INT ends it at once.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deston.address import Address, parse_address
from tests.integration.processes import BIN, Processes, Running, wait_until
from tests.integration.wire import END_OF_HEAD, connect

L4, L7 = "l4", "l7"
BOTH = (L4, L7)


def argv_of(command: str, file: Path | str) -> tuple[list[str], dict[str, str]]:
    """The words of a command that runs on ``file``, and what has to be in its environment."""
    # What the shell of whoever runs the tests says of gunicorn and Deston is not what is tested.
    environment = {"GUNICORN_CMD_ARGS": "", "DESTON_CONFIG": ""}
    if command == L4:
        return [f"{BIN}/deston-l4", "--config", str(file)], environment
    words = [f"{BIN}/gunicorn", "-c", "python:deston.l7.gunicorn_conf", "deston.l7:app"]
    return words, {**environment, "DESTON_CONFIG": str(file)}


@dataclass
class Command:
    """One of the commands as it runs; ``address_of`` tells where one of its listeners is."""

    running: Running
    address_of: Callable[[str], Address]

    @property
    def address(self) -> Address:
        """Where its only listener is, or its first."""
        return self.address_of("")

    @property
    def workers(self) -> set[int]:
        return self.running.workers

    @property
    def worker(self) -> int:
        """Its only worker."""
        (worker,) = self.workers
        return worker

    def wait_for_workers(self, count: int) -> None:
        """Wait until it has so many workers."""
        wait_until(lambda: len(self.workers) == count, f"{count} workers")

    def ask(self, pool: str = "", source: str = "") -> str:
        """The name of the server that answers a client of ``pool``.

        Each pool has a tcp listener of its name, or a route of the host ``pool.test``.
        """
        with connect(self.address_of(pool), source) as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {pool or 'any'}.test\r\nConnection: close\r\n\r\n".encode())
            head, _, body = wire.read_all().partition(END_OF_HEAD)
        assert head.startswith(b"HTTP/1.1 200 "), head or "closed"
        return body.decode().strip()


def start(
    command: str, processes: Processes, file: Path, prefix: Sequence[str] = (), options: Sequence[str] = ()
) -> Command:
    """Start one of the commands on a file; ``prefix`` are words to put before its own, ``options`` behind them."""
    return _when_ready(command, _launch(command, processes, file, prefix, options))


def start_both(processes: Processes, file: Path) -> dict[str, Command]:
    """Start both commands on one file."""
    launched = {command: _launch(command, processes, file) for command in BOTH}
    return {command: _when_ready(command, running) for command, running in launched.items()}


def _launch(
    command: str, processes: Processes, file: Path, prefix: Sequence[str] = (), options: Sequence[str] = ()
) -> Running:
    words, environment = argv_of(command, file)
    return processes.add(Running(command, [*prefix, *words, *options], environment, signal.SIGINT))


def _when_ready(command: str, running: Running) -> Command:
    return Command(running, _l4_addresses(running) if command == L4 else _l7_addresses(running))


def _l4_addresses(running: Running) -> Callable[[str], Address]:
    running.wait_for("deston-l4 .* runs")

    def find(listener: str) -> Address:
        return parse_address(running.wait_for(rf"listener {listener or '.*'}: (\S+) to (?:pool|its routes)")[1])

    return find


def _l7_addresses(running: Running) -> Callable[[str], Address]:
    said = running.wait_for(r"Listening at: (\S+) \(")[1]
    found = [parse_address(one.removeprefix("http://")) for one in said.split(",")]
    # A listener is asked for by its number, everything else is a pool, and all pools are at the first.
    return lambda name: found[int(name) if name.isdigit() else 0]
