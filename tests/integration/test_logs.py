"""What all processes log, as a program reads it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from tests.integration.client import ask
from tests.integration.commands import BOTH, L4, L7, start
from tests.integration.configs import QUICK_CHECKS, http, pool, tcp, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Processes, Running, run, wait_until
from tests.integration.wire import connect

ABOUT = ("time", "level", "command", "pid", "logger", "message")


def events(running: Running) -> list[dict[str, Any]]:
    """Every line that a command has written; one that is no event fails."""
    return [json.loads(line) for line in running.output.splitlines()]


def downs(running: Running) -> list[dict[str, Any]]:
    """What its workers say of the server that went down."""
    return [one for one in events(running) if "app/b" in one["message"] and " is down" in one["message"]]


@pytest.mark.parametrize("options", [(), ("-k", "gevent")], ids=["own", "gevent"])
def test_every_line_is_an_event(options: tuple[str, ...], processes: Processes, tmp_path: Path) -> None:
    """From the start over reloads, good and broken, flips and tracebacks to the end, in arbiters and workers."""
    with EchoServer("a") as a, EchoServer("b") as b:
        pools = {"app": pool({"a": a.address, "b": b.address}, QUICK_CHECKS)}
        global_ = {"workers": 2, "log_format": "json", "log_level": "debug"}
        file = write_config(
            tmp_path, {"web": http(), "raw": tcp()}, pools=pools, global_=global_, admin={"bind": "127.0.0.1:0"}
        )
        l4, l7 = start(L4, processes, file).running, start(L7, processes, file, options=options)
        admin = processes.start("admin", [f"{BIN}/deston", "admin", "--config", str(file)])
        admin.wait_for("the dashboard")
        status = [f"{BIN}/deston", "status", "--json", "--config", str(file)]
        wait_until(lambda: len(json.loads(run(status).out)["workers"]) == 4, "four workers")
        assert ask(l7.address).status == 200
        b.stop()
        # Whoever hears of it while the one that tells is about to leave tells of it, too.
        wait_until(lambda: [len(downs(one)) for one in (l4, l7.running)] == [2, 2], "all workers to know")
        good = file.read_text()
        file.write_text(good.replace("protocol = tcp", "protocol = tpc"))
        l4.send(signal.SIGHUP)
        l4.wait_for("cannot be used")
        file.write_text(good)
        os.kill(sorted(l7.workers)[0], signal.SIGKILL)
        l7.running.wait_for("is gone|SIGKILL")
    for running in (l4, l7.running, admin):
        running.send(signal.SIGTERM)
        assert running.wait() == 0
    for running, command in ((l4, "deston-l4"), (l7.running, "deston-l7"), (admin, "deston-admin")):
        found = events(running)
        assert found
        assert all(set(one) - {"exception"} == set(ABOUT) and one["command"] == command for one in found)
    for running in (l4, l7.running):
        levels = [one["level"] for one in downs(running)]
        assert levels.count("warning") == 1, "one worker of each command tells of it"


def test_a_reload_takes_up_the_form(processes: Processes, tmp_path: Path) -> None:
    file = write_config(tmp_path, {"raw": tcp()}, pools={"app": pool({"a": "127.0.0.1:1"})})
    l4 = start(L4, processes, file).running
    file.write_text(file.read_text() + "\n[global]\nlog_format = json\n")
    l4.send(signal.SIGHUP)
    l4.wait_for('"message": ".* was reloaded"')


@pytest.mark.parametrize("command", BOTH)
def test_a_fault_that_many_meet_is_told_once(command: str, processes: Processes, tmp_path: Path, dead: Address) -> None:
    """Every client meets the same server that refuses: the log has as many lines as there are workers, not clients."""
    started = start(command, processes, write_config(tmp_path, pools={"app": pool({"a": dead}, mark_failures=0)}))
    before = len(started.running.lines)
    for _ in range(50):
        with connect(started.address) as client, contextlib.suppress(ConnectionError):
            client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            assert b" 200 " not in client.read_all()
    started.running.wait_for("Connection refused", before)
    said = [line for line in started.running.lines[before:] if "Connection refused" in line]
    assert len(said) <= 2, said
