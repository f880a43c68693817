"""Sockets that outlive a process: USR2, systemd's activation, and listeners that a reload brings and takes away."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from deston.address import Address
from deston.store.liveness import began
from tests.integration.client import Load, ask
from tests.integration.commands import BOTH, L4, L7, start
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.processes import BIN, Processes, run, wait_until
from tests.integration.wire import is_listened_on, reserved_port

#: Listens as systemd does, waits for nobody, and becomes the command.
ACTIVATE = """
import os, socket, sys
raw = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
os.dup2(raw.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def children(process: int) -> set[int]:
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        return {int(one) for one in file.read().split()}


@pytest.mark.parametrize("name", BOTH)
def test_usr2_hands_over_to_a_new_arbiter(
    name: str, processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """A new program takes over the sockets, and no client is refused while the old one leaves."""
    listener = tcp() if name == L4 else http()
    with reserved_port() as address:
        file = write_config(tmp_path, {"web": {**listener, "bind": str(address)}}, pools={"app": pool(abc)})
        command = start(name, processes, file)
        old = command.running.pid
        with Load(address, opening=2) as load:
            load.wait_for(10)
            known = children(old)
            command.running.send(signal.SIGUSR2)
            wait_until(lambda: children(old) - known, "a new arbiter")
            (new,) = children(old) - known
            try:
                wait_until(lambda: children(new), "its workers")
                load.wait_for(20)
                command.running.send(signal.SIGTERM)
                command.running.wait()
                load.wait_for(50)
            finally:
                failures = load.failures()
                os.kill(new, signal.SIGTERM)
        wait_until(lambda: not began(new), "the new one to leave")
    assert failures == []


@pytest.mark.parametrize("name", BOTH)
def test_sockets_of_systemd(name: str, processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """A command that is started with sockets that listen already serves who has come before it."""
    listener = tcp() if name == L4 else http()
    with reserved_port() as address:
        file = write_config(tmp_path, {"web": {**listener, "bind": str(address)}}, pools={"app": pool(abc)})
        start(name, processes, file, prefix=[sys.executable, "-c", ACTIVATE, str(address.port)])
        assert {ask(address).server for _ in range(6)} == set(abc)


def test_a_reload_opens_and_closes_http_listeners(
    processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """``deston reload`` brings a new listener and takes one away; one that stays never refuses anybody."""
    with reserved_port() as kept, reserved_port() as gone, reserved_port() as new:

        def write(**listeners: Address) -> Path:
            sections = {name: {**http(), "bind": str(one)} for name, one in listeners.items()}
            return write_config(tmp_path, sections, pools={"app": pool(abc)}, global_={"workers": 2})

        file = write(kept=kept, gone=gone)
        command = start(L7, processes, file)
        with Load(kept, opening=2) as load:
            load.wait_for(10)
            assert ask(gone).status == 200
            write(kept=kept, new=new)
            assert run([f"{BIN}/deston", "reload", "--config", str(file)]).status == 0
            wait_until(lambda: is_listened_on(new), "the new listener")
            assert ask(new).status == 200
            wait_until(lambda: not is_listened_on(gone), "the old one to be closed")
            load.wait_for(50)
            wait_until(lambda: len(command.workers) == 2, "the old workers to leave")
        assert load.failures() == []
