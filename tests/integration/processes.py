"""Commands as real processes, and what they say.

What lives here: starting a command, reading its output while it runs, its workers, its end.
What must not: configurations, what clients and servers say to each other.
Invariant: a process that was started here is gone, with its whole group, when its ``Processes`` is left; one that
leaves a traceback or another process behind fails the test.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# How long a test waits for what must happen; it proves nothing about speed.
DEADLINE_S = 20.0
POLL_S = 0.02
TRACEBACK = "Traceback (most recent call last)"


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait until ``condition`` holds; fail with ``what`` was waited for if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g}s"
        time.sleep(POLL_S)


class Entry(NamedTuple):
    """A line of the process table."""

    pid: int
    state: str
    parent: int
    group: int


def process_table() -> Iterator[Entry]:
    """All processes of the machine that have not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # It has just left.
            continue
        if fields[0] not in "ZX":
            yield Entry(int(folder.name), fields[0], int(fields[1]), int(fields[2]))


class Running:
    """A process, the leader of a group of its own, whose output is read while it runs.

    ``stop_signal`` is what ``ask_to_end`` sends it. ``may_trace`` lets it write tracebacks, where a test has it run
    code that fails.
    """

    may_trace = False

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self.stop_signal = stop_signal
        self._news = threading.Condition()
        self._silent = False
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def workers(self) -> set[int]:
        """The process ids of its children."""
        return {entry.pid for entry in process_table() if entry.parent == self.pid}

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def wait_for(self, pattern: str, since: int = 0) -> re.Match[str]:
        """The first match in a line of the output, from line number ``since`` on; waits until there is one."""
        deadline = time.monotonic() + DEADLINE_S
        looked_at = since
        with self._news:
            while True:
                for line in self.lines[looked_at:]:
                    if match := re.search(pattern, line):
                        return match
                looked_at = len(self.lines)
                in_time = not self._silent and self._news.wait(max(0.0, deadline - time.monotonic()))
                assert in_time or len(self.lines) > looked_at, f"{self.name} did not say {pattern!r}:\n{self.output}"

    def send(self, number: int) -> None:
        """Send a signal to the process, not to its children."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; waits until it has ended."""
        try:
            return self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end:\n{self.output}") from None

    def kill(self) -> None:
        """End it as the kernel would, with its group; returns when nothing of it is left."""
        self._kill_group()
        self._process.wait(DEADLINE_S)

    def ask_to_end(self) -> None:
        """Send it what it stops for, if it runs."""
        if not self.has_ended:
            self.send(self.stop_signal)

    def finish(self) -> list[str]:
        """Wait for the end that was asked for; what was wrong with it and with the output."""
        complaints = []
        try:
            self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            complaints.append(f"{self.name} did not stop")
        if self.has_ended and self.rest_of_group():
            complaints.append(f"{self.name} left processes behind: {self.rest_of_group()}")
        self._kill_group()
        self._process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        if TRACEBACK in self.output and not self.may_trace:
            complaints.append(f"{self.name} wrote a traceback")
        return [f"{complaint}:\n{self.output}" for complaint in complaints]

    def rest_of_group(self) -> list[int]:
        return [entry.pid for entry in process_table() if entry.group == self.pid]

    def _kill_group(self) -> None:
        for pid in self.rest_of_group():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Processes:
    """All that a test, or several, started; leaving it ends them, those in front first."""

    def __init__(self) -> None:
        self._running: list[Running] = []

    def add(self, running: Running) -> Running:
        """Be responsible for the end of a process."""
        self._running.append(running)
        return running

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Running:
        """Start a program that TERM ends."""
        return self.add(Running(name, argv, environment))

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for running in reversed(self._running):
            running.ask_to_end()
        complaints = [complaint for running in self._running for complaint in running.finish()]
        assert not complaints, "\n".join(complaints)


class Finished(NamedTuple):
    """What a command that has ended left: its exit status, and what it wrote."""

    status: int
    out: str
    err: str


def run(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Finished:
    """Run a command to its end, which has to come by itself."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        timeout=DEADLINE_S,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
