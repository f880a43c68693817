"""What `make run`, `make status` and `make reload` do with real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.processes import Part, is_free

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20.0
L4 = [sys.executable, "-c", "from deston.l4.cli import main; main()"]
# A demonstration with parts of its own: two that a test may kill, and one whose end is the end of all.
RUN = """
import json, sys
from scripts.processes import Part
from scripts.run import run
parts = [Part(**fields) for fields in json.loads(sys.argv[1])]
trouble = run(parts)
print(f"trouble: {trouble}")
"""
CONFIG = """
[global]
run_dir = .
[listeners]
    [[tcp]]
    bind = 127.0.0.1:{port}
    protocol = tcp
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:{server}
        [[[health]]]
        type = none
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/path", timeout=5) as response:
        return str(response.read().decode())


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only its remains."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


class Demonstration:
    """`scripts.run` in a process of its own, with demo servers as its parts, and what it has printed."""

    def __init__(self, log: Path) -> None:
        names = ("a", "b", "vital")
        self.ports = {name: free_port() for name in names}
        demo = [sys.executable, str(ROOT / "scripts" / "demo_server.py")]
        parts = [
            {"name": name, "port": port, "command": [*demo, name, str(port)], "is_vital": name == "vital"}
            for name, port in self.ports.items()
        ]
        self.log = log
        with log.open("w", encoding="utf-8") as output:
            command = [sys.executable, "-c", RUN, json.dumps(parts)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    def says(self, text: str) -> bool:
        return text in self.log.read_text(encoding="utf-8")

    def pids(self) -> dict[str, int]:
        """The processes that it started, by their parts."""
        found = {}
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in path.read_text(encoding="utf-8").split():
                words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
                found[words[-3]] = int(pid)
        return found

    def wait(self) -> int:
        return self.process.wait(SECONDS)


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Demonstration]:
    """A demonstration that has told what to try."""
    one = Demonstration(tmp_path / "log")
    try:
        wait_for(lambda: one.says("Try this"), "what to try is printed")
        yield one
    finally:
        if one.process.poll() is None:
            one.process.terminate()
        one.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_process_is_left(demonstration: Demonstration, number: int) -> None:
    """Ctrl-C, TERM and a closed terminal end every process that was started, and are no trouble."""
    pids = demonstration.pids()
    assert set(pids) == {"a", "b", "vital"}
    demonstration.process.send_signal(number)
    assert demonstration.wait() == 0
    assert demonstration.says("trouble: \n")
    assert [pid for pid in pids.values() if is_running(pid)] == []
    assert all(is_free(port) for port in demonstration.ports.values())


def test_a_demo_server_may_go(demonstration: Demonstration) -> None:
    """A demo server that was killed ends nothing else; the command that starts it again is printed, and works."""
    os.kill(demonstration.pids()["b"], signal.SIGTERM)
    wait_for(lambda: demonstration.says("b is gone"), "its end is noticed")
    said = demonstration.log.read_text(encoding="utf-8")
    command = re.search(r"b is gone. Start it again with:\n  (.*)\n", said)
    assert command
    with subprocess.Popen(["sh", "-c", f"exec {command[1]}"], cwd=ROOT) as again:
        try:
            wait_for(lambda: not is_free(demonstration.ports["b"]), "it listens again")
            assert get(demonstration.ports["b"]).startswith("This is server b.\nGET /path\n")
        finally:
            again.terminate()
    assert get(demonstration.ports["a"]).startswith("This is server a.\n")


def test_the_end_of_a_vital_part_is_the_end_of_all(demonstration: Demonstration) -> None:
    """When L4 or L7 ends unexpectedly, all ends, and it is said which one did."""
    pids = demonstration.pids()
    os.kill(pids["vital"], signal.SIGKILL)
    demonstration.wait()
    assert demonstration.says("trouble: vital has ended, so everything does.")
    assert [pid for pid in pids.values() if is_running(pid)] == []


def test_a_taken_port_is_named() -> None:
    """A port that another program listens on is not free, and one that nobody has is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])
    assert is_free(free_port())


def test_a_command_to_repeat_is_short() -> None:
    """The printed command names files as they are seen from the checkout."""
    part = Part("b", 3001, [str(ROOT / ".venv/bin/python"), str(ROOT / "scripts/demo_server.py"), "b", "3001"])
    assert part.command_line == ".venv/bin/python scripts/demo_server.py b 3001"


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder with the pid file of a `deston-l4` that runs, and with its log."""
    config, port = tmp_path / "deston.conf", free_port()
    config.write_text(CONFIG.format(port=port, server=free_port()), encoding="utf-8")
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        command = [*L4, "--config", str(config), "--pid", str(tmp_path / "deston-l4.pid")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for(lambda: serves(port), "its worker serves")
        yield tmp_path
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        finally:
            process.kill()


def serves(port: int) -> bool:
    """Whether a worker takes a client, if only to close the connection for want of a server."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
            return client.recv(1) == b""
    except ConnectionRefusedError:
        return False


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()


def script(name: str, run_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUN_DIR": str(run_dir)}
    return subprocess.run([ROOT / "scripts" / name], env=environment, capture_output=True, text=True)


def test_status_tells_what_runs(run_dir: Path) -> None:
    """Status names the process with its pid file, since when it runs, and its workers."""
    pid = int((run_dir / "deston-l4.pid").read_text(encoding="utf-8"))
    done = script("status", run_dir)
    assert done.returncode == 0
    line = re.fullmatch(r"deston-l4 runs since (.+), process (\d+), workers: (.+)\n", done.stdout)
    assert line, done.stdout
    assert int(line[2]) == pid
    assert line[3].split() == children(pid)


def test_reload_reaches_what_runs(run_dir: Path) -> None:
    """Reload has the running process read its configuration again, and its worker stays."""
    pid = int((run_dir / "deston-l4.pid").read_text(encoding="utf-8"))
    before = children(pid)
    done = script("reload", run_dir)
    said = "deston-l4 was told to read its configuration again; its log says what came of it.\n"
    assert (done.returncode, done.stdout) == (0, said)
    log = run_dir / "log"
    wait_for(lambda: log.read_text(encoding="utf-8").count("was reloaded") == 1, "the worker has reloaded")
    assert children(pid) == before
