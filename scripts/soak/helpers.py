"""The soak's own processes: servers, and clients.

What lives here: how they start, hear words, tell, and end.
What must not: Deston's processes.
Invariant: the end of its standard input is the end of each, so that none outlives the soak even where that is killed.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.processes import ROOT
from scripts.soak.answering import SERVE
from scripts.soak.model import PROTOCOLS, SoakError
from scripts.soak.tally import Tally
from scripts.soak.telling import Told

# Longer than a client waits for anything.
END_SECONDS = 30.0


def start(module: str, words: Sequence[str]) -> subprocess.Popen[str]:
    """A module in a process of its own, which no Ctrl-C reaches."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Kill a process, and let go of its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class ServerProcess:
    """One server, which may die and come back at the same ports."""

    def __init__(self, name: str, host: str, ports: Mapping[str, int], tally: Path) -> None:
        self.tally = Tally(tally)
        self._words = [name, host, str(tally), *(str(ports[protocol]) for protocol in PROTOCOLS)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns when it serves."""
        self._process = start("scripts.soak.serve", self._words)
        self._expect(SERVE)

    def say(self, word: str) -> None:
        """Have it serve in another way; returns when it does."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._expect(word)

    def _expect(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != word:
            raise SoakError(f"server {self._words[0]} said {said!r} instead of {word!r}")

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            finish(self._process)
            self._process = None


class LoadProcess:
    """The clients of one protocol."""

    def __init__(self, protocol: str, clients: int, seed: int, addresses: Sequence[str]) -> None:
        self.protocol = protocol
        self.told = Told()
        self._process = start("scripts.soak.load", [protocol, str(clients), str(seed), *addresses])
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.read(line)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def wait(self) -> str:
        """Wait for its end; what was wrong with that, or nothing."""
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the clients of {self.protocol} did not end"
        self._reader.join(END_SECONDS)
        return f"the clients of {self.protocol} ended with status {status}" if status else ""

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(END_SECONDS)
        finish(self._process)
