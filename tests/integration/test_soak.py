"""`make soak` at its smallest: that its load is answered, that it finds nothing wrong, and that it leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOAK = [sys.executable, "-m", "scripts.soak.run", "--seed", "1", "--minutes"]
# The shortest that has faults of several kinds.
SHORT = "0.06"
SECONDS = 50.0


def environment(folder: Path) -> dict[str, str]:
    """Ours, with the stand in this folder, so that what is left of it can be found."""
    return {**os.environ, "TMPDIR": str(folder)}


def remains(folder: Path) -> list[str]:
    """The command lines of living processes that name the folder, or have it in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            told = words + (path / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told:
            found.append(words.replace(b"\0", b" ").decode())
    return found


def test_a_short_soak_finds_nothing_wrong(tmp_path: Path) -> None:
    """Every protocol is answered, faults are done, all checks are made, the exit status is 0, and nothing is left."""
    done = subprocess.run(
        [*SOAK, SHORT], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=SECONDS
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Soak of 0.06 min, SEED=1"
    (answers,) = [line for line in lines if line.startswith("Right answers: ")]
    counts = dict(one.split(" ") for one in answers.removeprefix("Right answers: ").split(", "))
    assert counts.keys() == {"tcp", "udp", "http", "ws"}
    assert "0" not in counts.values()
    assert "Failures that no fault excuses: 0" in lines
    assert "What is wrong: nothing" in lines
    assert remains(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A soak that takes longer than anybody waits."""
    with subprocess.Popen(
        [*SOAK, "9"], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(running: subprocess.Popen[str], number: int, tmp_path: Path) -> None:
    """Ctrl-C and TERM end the clients, Deston and the servers, stopped ones too, and leave no file of theirs."""
    deadline = time.monotonic() + SECONDS
    while not any("scripts.soak.load" in line for line in remains(tmp_path)):
        assert time.monotonic() < deadline, "the load runs"
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(SECONDS) == 130
    assert remains(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
