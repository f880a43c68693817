"""Processes that a script starts, watches and ends.

What lives here: one process with the port that it opens, and the waiting for and ending of several.
What must not: which processes these are.
Invariant: a process leads a group of its own, so a Ctrl-C reaches it only through the script that started it, and
what it started in turn can be ended with it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

# What has not ended by itself after this is killed.
STOP_SECONDS = 8.0
POLL_SECONDS = 0.1


@dataclass
class Part:
    """A process: what runs it, the port of 127.0.0.1 that it has to open, and whether its end is the end of all.

    ``environment`` is added to the script's own, and it runs in ``folder``. With a ``log`` the process is quiet: what
    it says goes there.
    """

    name: str
    port: int
    command: Sequence[str]
    is_vital: bool = True
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def command_line(self) -> str:
        words = [os.path.relpath(word, ROOT) if word.startswith(str(ROOT)) else word for word in self.command]
        return shlex.join(words)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it as the leader of a process group, so that Ctrl-C reaches it only through us."""
        with contextlib.ExitStack() as files:
            log = files.enter_context(self.log.open("a", encoding="utf-8")) if self.log else None
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdout=log or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        if self.process.stdout is not None:
            threading.Thread(target=show, args=(self.name, self.process.stdout), daemon=True).start()

    def ask_to_end(self) -> None:
        """Send TERM to the process, which ends its own workers, or to what it left behind."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)
        elif not self.has_left():
            os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Make an end of the process and all that it started."""
        if not self.has_left():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def has_left(self) -> bool:
        """Whether the process and everything in its group are gone."""
        if self.process is None:
            return True
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


def show(name: str, lines: IO[str]) -> None:
    """Print what a process says, each line with its name in front."""
    for line in lines:
        print(f"{name:>4} | {line}", end="", flush=True)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether a request to the port of 127.0.0.1 gets a good answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; returns whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(everything: list[Part]) -> None:
    """End all parts one after another, those in front first, and return only when none of their processes is left.

    A balancer may so end what it has open before its servers go.
    """

    def have_left() -> bool:
        return all(part.has_left() for part in everything)

    deadline = time.monotonic() + STOP_SECONDS
    for part in reversed(everything):
        part.ask_to_end()
        wait_until(part.has_left, max(0.0, deadline - time.monotonic()))
    if have_left():
        return
    for part in everything:
        part.kill()
    wait_until(have_left, STOP_SECONDS)
