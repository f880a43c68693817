"""A command in a pseudo-terminal, as though somebody sat in front of it.

What lives here: starting it there, what it wrote, pressing keys, the modes of the terminal.
What must not: which command, and what its output means.
Invariant: leaving it kills what still runs, and closes the terminal.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tests.integration.processes import DEADLINE_S, ROOT, wait_until

_STEERING = re.compile(r"\x1b\[[0-9;?]*[@-~]")


class PseudoTerminal:
    """A command whose terminal has so many columns and lines."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None, columns: int = 80, lines: int = 24
    ) -> None:
        self._own, self._its = os.openpty()
        self.resize(columns, lines)
        self._written = b""
        self.modes_before = self.modes
        self._process = subprocess.Popen(
            argv,
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._own, 65536)
            except OSError:
                return
            self._written += data

    @property
    def modes(self) -> list[Any]:
        """What the terminal does with keys by itself, as termios has it."""
        return termios.tcgetattr(self._its)

    @property
    def written(self) -> str:
        """All that was written, with what steers the terminal."""
        return self._written.decode("utf-8", "replace")

    @property
    def length(self) -> int:
        """How much was written up to now."""
        return len(self.written)

    def text(self, since: int = 0) -> str:
        """What was written, without what steers the terminal, from a ``length`` on."""
        return _STEERING.sub("", self.written[since:])

    def wait_for(self, pattern: str, since: int = 0) -> None:
        """Wait until the text, from a ``length`` on, has a match."""
        wait_until(lambda: re.search(pattern, self.text(since)), pattern)

    def press(self, keys: str) -> None:
        """Press keys, one behind the other."""
        os.write(self._own, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size."""
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; waits until it has ended."""
        return self._process.wait(DEADLINE_S)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(DEADLINE_S)
        os.close(self._its)  # The reader is told that nobody writes any more.
        self._reader.join(DEADLINE_S)
        os.close(self._own)
