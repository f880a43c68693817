"""`make bench` at its smallest: that it works and stops what it started, and never how fast anything is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.bench.peers import PEERS
from scripts.bench.results import load
from scripts.bench.tools import find_program

ROOT = Path(__file__).resolve().parents[2]
BENCH = [sys.executable, "-m", "scripts.bench.run", "--peers", "nginx", "--workloads", "1,6", "--rounds", "1"]
SECONDS = 50.0

pytestmark = [
    pytest.mark.skipif(not find_program("wrk"), reason="wrk is not installed"),
    pytest.mark.skipif(not PEERS["nginx"].find(), reason="nginx with its stream module is not installed"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name: a path to a unix socket has 107 bytes at the most."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def environment(folder: Path) -> dict[str, str]:
    """Ours, with the stand in this folder, so that what is left of it can be found."""
    return {**os.environ, "TMPDIR": str(folder)}


def remains(folder: Path) -> list[str]:
    """The command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


def test_the_smallest_run_has_all_figures(folder: Path) -> None:
    """One round of one second gives each target a figure without an error, and leaves nothing running."""
    output = folder / "result.json"
    command = [*BENCH, "--seconds", "1", "--output", str(output)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(folder), capture_output=True, text=True, timeout=SECONDS
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = load(output)
    measured = {(one.case, one.peer) for one in results.runs}
    l4 = {("l4-keep", peer) for peer in ("direct", "deston-l4", "nginx")}
    l7 = {("l7-keep", peer) for peer in ("direct", "deston-l7", "deston-l7-stock", "nginx")}
    assert measured == l4 | l7 | {("l7-stock", peer) for peer in ("direct", "deston-l7-stock")}
    assert [one.errors for one in results.runs if not one.is_good] == []
    assert all(one.cores["load"] > 0 for one in results.runs)
    assert all(one.cost for one in results.runs if one.peer != "direct")
    assert "deston-l4-l4/deston-l4.conf" in results.configurations
    assert "Deston / nginx" in done.stdout
    assert remains(folder) == []


@pytest.fixture
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A benchmark that measures for longer than anybody waits."""
    command = [*BENCH, "--seconds", "300", "--output", str(folder / "result.json")]
    with subprocess.Popen(command, cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(running: subprocess.Popen[str], number: int, folder: Path) -> None:
    """Ctrl-C, TERM and a closed terminal end the load, the balancers and the servers, and leave no file of theirs."""
    deadline = time.monotonic() + SECONDS
    while not any("wrk" in line and "-d300s" in line for line in remains_of_load()):
        assert time.monotonic() < deadline, "the load runs"
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(SECONDS) == 128 + number
    assert remains(folder) == []
    assert not any("-d300s" in line for line in remains_of_load())
    assert list(folder.glob("deston-bench-*")) == []


def remains_of_load() -> list[str]:
    """The command lines of living processes that are the load of this test."""
    return remains(Path("templates") / "load.lua")
