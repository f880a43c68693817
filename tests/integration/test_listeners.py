"""Several listeners of one file, and the options of a command."""

from __future__ import annotations

import signal
from pathlib import Path

from deston.address import Address
from tests.integration.client import ask
from tests.integration.commands import L4, argv_of, start_both
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.processes import Processes, Running, run, wait_until
from tests.integration.wire import reserved_port


def test_each_listener_has_its_pool(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """The listeners of a file lead to their own pools, through both commands."""
    with reserved_port() as first, reserved_port() as second:
        listeners = {
            "one": http("a", first),
            "two": http("b", second),
            "three": tcp("a"),
            "four": tcp("b"),
        }
        pools = {name: pool({name: address}) for name, address in abc.items()}
        file = write_config(tmp_path, listeners, pools=pools)
        l4, _ = start_both(processes, file).values()
        found = [ask(address).server for address in (first, second, l4.address_of("three"), l4.address_of("four"))]
    assert found == ["a", "b", "a", "b"]


def test_options_stand_in_for_the_file(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """``--workers`` overrides the file, ``--pid`` names a file that is there while the command runs, and once only."""
    file = write_config(tmp_path, pools={"app": pool(abc)})
    pid_file = tmp_path / "deston.pid"
    words, environment = argv_of(L4, file)
    words += ["--workers", "2", "--pid", str(pid_file), "--log-level", "warning"]
    running = processes.add(Running("l4", words, environment, signal.SIGINT))
    wait_until(lambda: running.has_ended or (pid_file.exists() and len(running.workers) == 2), "two workers")
    assert pid_file.read_text(encoding="ascii").strip() == str(running.pid)
    again = run(words, environment)
    assert again.status == 1
    assert again.err.count("\n") == 1
    assert str(running.pid) in again.err
    running.send(signal.SIGTERM)
    assert running.wait() == 0
    assert not pid_file.exists()
    assert running.output == ""
