"""The Makefile of the documentation that restarts servers one after the other, as somebody would have it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.client import Load, ask
from tests.integration.commands import L4, start, start_both
from tests.integration.configs import QUICK_CHECKS, pool, write_config
from tests.integration.processes import BIN, ROOT, Processes, run, wait_until
from tests.integration.servers import KillableServer, find_program, names_of
from tests.integration.wire import connect, reserved_port

#: Tells whoever restarts servers what it was called with, and returns when that is done.
SSH = """#!/bin/sh
cd {folder}
echo "$@" >asking && mv asking asked
while [ -e asked ]; do sleep 0.02; done
"""


@pytest.fixture
def servers(processes: Processes) -> Iterator[list[KillableServer]]:
    with ExitStack() as ports:
        yield [KillableServer(processes, name, ports.enter_context(reserved_port())) for name in "ab"]


def write_makefile(folder: Path) -> None:
    """The one that docs/run-time.md shows, as it stands there, and the ``ssh`` that it finds."""
    page = (ROOT / "docs" / "run-time.md").read_text(encoding="utf-8")
    [makefile] = re.findall(r"^```make\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    (folder / "ssh").write_text(SSH.format(folder=folder), encoding="utf-8")
    (folder / "ssh").chmod(0o755)


def make(folder: Path, goals: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    """How the goals are made, and in which environment, whatever make runs the tests."""
    own = {"PATH": f"{folder}:{BIN}:{os.environ['PATH']}", "DESTON_CONFIG": f"{folder}/deston.conf", "MAKEFLAGS": ""}
    return [find_program("make"), "-C", str(folder), *goals], own


def test_every_server_is_restarted_and_no_request_fails(
    processes: Processes, tmp_path: Path, servers: list[KillableServer]
) -> None:
    """While one server is away the other one serves, of both commands, for clients of every kind."""
    write_makefile(tmp_path)
    file = write_config(tmp_path, pools={"app": pool(names_of(servers), QUICK_CHECKS, slow_start="0")})
    asked = tmp_path / "asked"
    l4, l7 = start_both(processes, file).values()
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(l7.address, keeping=1, opening=1)),
            stack.enter_context(Load(l7.address, keeping=1, method="POST")),
            stack.enter_context(Load(l4.address, opening=1)),
        ]
        making = processes.start("make", *make(tmp_path, ["deploy-a", "deploy-b"]))
        for server in servers:
            wait_until(lambda: asked.exists() or making.has_ended, "ssh")
            assert asked.read_text(encoding="utf-8") == f"{server.name} systemctl restart shop\n"
            server.kill()
            for load in loads:
                load.wait_for(10)
            server.start()
            asked.unlink()
        assert making.wait() == 0, making.output
        for load in loads:
            load.wait_for(20)
    assert [load.failures() for load in loads] == [[], [], []]
    assert {ask(l7.address).server for _ in range(10)} == {"a", "b"}


def test_a_server_that_is_not_empty_is_not_restarted(
    processes: Processes, tmp_path: Path, servers: list[KillableServer]
) -> None:
    """When the time is up the rollout ends there, with the server still drained."""
    write_makefile(tmp_path)
    makefile = tmp_path / "Makefile"
    makefile.write_text(makefile.read_text("utf-8").replace("--wait 60", "--wait 0.2"), encoding="utf-8")
    file = write_config(tmp_path, pools={"app": pool(names_of(servers[:1]))})
    command = start(L4, processes, file)
    with connect(command.address) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.read_head()
        done = run(*make(tmp_path, ["deploy-a"]))
    assert done.status == 2
    assert "deploy-a] Error 3" in done.err
    status = run([f"{BIN}/deston", "pool", "show", "app", "--config", str(file)])
    assert "drain" in status.out
