"""All that runs in a soak.

What lives here: ports, files, the servers, Deston's two commands, the processes of clients, and the command `deston`.
What must not: faults, what is checked.
Invariant: whatever was started is stopped when the stand closes, however it comes to that.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.processes import ROOT, Part, stop, wait_until
from scripts.soak.configuration import (
    EXTRA,
    HOSTS,
    L4,
    L7,
    LISTENER_HOST,
    LISTENERS,
    SERVERS,
    WORKERS,
    render,
    replace,
)
from scripts.soak.helpers import LoadProcess, ServerProcess
from scripts.soak.model import HTTP, PROTOCOLS, WS, SoakError

START_SECONDS = 30.0
COMMAND_SECONDS = 30.0
BIN = Path(sys.executable).parent
# How many clients each protocol has: a load that two cores carry with time to spare.
CLIENTS = {"tcp": 12, "udp": 12, "http": 12, "ws": 8}


def free_port(host: str) -> int:
    """A port of a host that is free for TCP and UDP at this moment."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind((host, 0))
        port: int = tcp.getsockname()[1]
        udp.bind((host, port))
        return port


class Stand:
    """Servers, Deston in front of them, and clients in front of it."""

    def __init__(self, seed: int) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="deston-soak-")
        self.folder = Path(self._scratch.name)
        self.seed = seed
        self.config = self.folder / "deston.conf"
        self._ports = {name: free_port(LISTENER_HOST) for name in LISTENERS}
        self._server_ports = {
            name: {protocol: free_port(host) for protocol in PROTOCOLS} for name, host in HOSTS.items()
        }
        self.servers = {
            name: ServerProcess(name, HOSTS[name], ports, self.folder / f"tally-{name}")
            for name, ports in self._server_ports.items()
        }
        self.load: dict[str, LoadProcess] = {}
        #: How many workers of each command were killed.
        self.killed: Counter[str] = Counter()
        self.logs = {command: self.folder / f"{command}.log" for command in (L4, L7)}
        self._commands = {command: self._part(command) for command in (L4, L7)}

    def _part(self, command: str) -> Part:
        census = self.folder / "census"
        census.mkdir(exist_ok=True)
        environment = {
            "DESTON_CONFIG": str(self.config),
            "GUNICORN_CMD_ARGS": "",
            "SOAK_CENSUS": str(census),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "inside"), os.environ.get("PYTHONPATH", "")]),
        }
        words = [str(BIN / "deston-l4"), "--config", str(self.config)]
        if command == L7:
            words = [str(BIN / "gunicorn"), "-c", "python:deston.l7.gunicorn_conf", "deston.l7:app"]
        return Part(command, 0, words, log=self.logs[command], environment=environment)

    def __enter__(self) -> Stand:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        for server in self.servers.values():
            server.start()
        self.write_config()
        for part in self._commands.values():
            part.start()
        if not wait_until(self._is_ready, START_SECONDS):
            said = "\n".join(log.read_text(encoding="utf-8") for log in self.logs.values() if log.exists())
            raise SoakError(f"Deston does not find all of its servers up:\n{said}")

    def _is_ready(self) -> bool:
        if any(not part.is_running for part in self._commands.values()):
            return True
        with contextlib.suppress(SoakError):
            told = self.status()
            is_up = all(one["health"] == "up" for pool in told["pools"].values() for one in pool["servers"].values())
            return is_up and len(told["workers"]) == len(self._commands) * WORKERS
        return False

    def start_load(self) -> None:
        """Start the clients."""
        web = [f"{LISTENER_HOST}:{self._ports['web']}"]
        for protocol in PROTOCOLS:
            own = [f"{LISTENER_HOST}:{self._ports[name]}" for name, one in LISTENERS.items() if one == protocol]
            addresses = web if protocol in (HTTP, WS) else own
            self.load[protocol] = LoadProcess(protocol, CLIENTS[protocol], self.seed, addresses)

    def stop_load(self) -> list[str]:
        """Have the clients end what they are at, and leave; what was wrong with that."""
        for one in self.load.values():
            one.ask_to_end()
        return [said for one in self.load.values() if (said := one.wait())]

    def stop_commands(self) -> list[str]:
        """Have Deston's commands drain and leave; what was wrong with that."""
        parts = list(self._commands.values())
        stop(parts)
        return [
            f"{one.name} ended with status {one.process.returncode}"
            for one in parts
            if one.process and one.process.returncode
        ]

    def close(self) -> None:
        """Stop everything, those in front first, and remove the files; a second call does nothing."""
        for load in self.load.values():
            load.kill()
        stop(list(self._commands.values()))
        for server in self.servers.values():
            server.kill()
        self._scratch.cleanup()

    def arbiter(self, command: str) -> int:
        """The process of a command; raises ``SoakError`` where it has ended."""
        if not self._commands[command].is_running:
            raise SoakError(f"{command} has ended by itself")
        return self._commands[command].pid

    @property
    def census_folder(self) -> Path:
        return self.folder / "census"

    def write_config(self, weights: Mapping[str, int] | None = None) -> None:
        """Write the configuration, with these weights of servers."""
        replace(self.config, render(self._ports, self._server_ports, weights))

    def address(self, pool: str, server: str) -> str:
        """Where a server serves a pool."""
        return f"{HOSTS[server]}:{self._server_ports[server][pool]}"

    def deston(self, *words: str, expected: int = 0) -> str:
        """Run the command `deston`, and hand back what it printed; raises ``SoakError`` for another exit status."""
        command = [str(BIN / "deston"), *words, "--config", str(self.config)]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise SoakError(f"deston {' '.join(words)} took more than {COMMAND_SECONDS:.0f}s") from None
        if done.returncode != expected:
            said = (done.stderr or done.stdout).strip()
            raise SoakError(f"deston {' '.join(words)} ended with status {done.returncode}: {said}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `deston status --json` says."""
        told: dict[str, Any] = json.loads(self.deston("status", "--json"))
        return told

    def reset_all(self) -> None:
        """Have the file count again; the server that is in no pool of it is added where it served: it has counters."""
        changed = {one["pool"] for one in self.status()["changes"]}
        served = self.served[EXTRA]
        for pool in PROTOCOLS:
            if pool in changed:
                self.deston("server", "reset", pool)
            if served[pool]:
                self.deston("server", "add", pool, EXTRA, self.address(pool, EXTRA))

    @property
    def served(self) -> dict[str, dict[str, int]]:
        """What each server has counted itself, by protocol."""
        return {name: self.servers[name].tally.read() for name in (*SERVERS, EXTRA)}
