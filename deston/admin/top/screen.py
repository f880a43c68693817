"""The terminal: its modes, its size, its keys, and what is drawn on it.

What lives here: entering and leaving the full screen, signals, waiting for keys, colours as the terminal has them.
What must not: what is drawn (``frame``), and what keys mean (``choices``).
Invariant: however the process ends or is stopped, short of KILL, the terminal is as it was found.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.screen import Screen as WholeScreen
from rich.text import Text

from deston.admin.top.keys import Keys
from deston.admin.top.view import Line

# How long after an escape the rest of a sequence may come, in seconds: it crosses a network at times.
_SEQUENCE_S = 0.05
_SMALLEST = (20, 6)
_USUAL = (80, 24)
# Signals that end a process, which then says so with its exit status.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def is_terminal() -> bool:
    """Whether standard input and output are one that a screen can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Screen:
    """The whole terminal, from ``with`` on; ``SystemExit`` is raised in it when a signal ends the process."""

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._keys = Keys()
        self._found: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._is_stopped = False
        self._woken, self._wakes = -1, -1
        self._old_wakes = -1

    def __enter__(self) -> Screen:
        self._found = termios.tcgetattr(self._input)
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._woken, False)
        self._old_wakes = signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        handlers: dict[int, Any] = {
            signal.SIGWINCH: _note,
            signal.SIGTSTP: self._note_stop,
            **dict.fromkeys(_ENDING, _end),
        }
        try:
            for number, handler in handlers.items():
                self._handlers[number] = signal.signal(number, handler)
            self._take()
        except BaseException:  # Ctrl-C, too: it goes on, and the terminal is as it was.
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        # A second signal must not keep the terminal from being given back.
        endings: tuple[int, ...] = (*_ENDING, signal.SIGINT)
        for number in endings:
            self._handlers.setdefault(number, signal.getsignal(number))
            signal.signal(number, signal.SIG_IGN)
        self._give_back()
        signal.set_wakeup_fd(self._old_wakes)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._wakes)

    def _take(self) -> None:
        tty.setcbreak(self._input)
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)

    def _give_back(self) -> None:
        # Nobody is left to tell where the terminal has gone.
        with contextlib.suppress(OSError):
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(self._input, termios.TCSAFLUSH, self._found)

    def _note_stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopped = True

    def _stop(self) -> None:
        """Be stopped as the shell asked for, with its terminal given back; returns when it goes on."""
        self._is_stopped = False
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now; of a terminal that does not know, what is usual."""
        try:
            width, height = os.get_terminal_size(self._output)
        except OSError:
            width, height = 0, 0
        return max(_SMALLEST[0], width or _USUAL[0]), max(_SMALLEST[1], height or _USUAL[1])

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw a frame over the last one; raises ``SystemExit`` where the terminal has gone."""
        # Not the size in the environment, which does not follow the window.
        self._console.size = self.size
        text = Text("\n", no_wrap=True, overflow="crop", end="").join(Text.assemble(*line) for line in lines)
        with _gone_ends():
            self._console.control(Control.home())
            self._console.print(WholeScreen(text), end="")

    def wait(self, seconds: float) -> list[str]:
        """The keys that were pressed, waiting so many seconds at most; none where the size changed or time is up.

        Raises ``SystemExit`` where the terminal has gone.
        """
        ready, _, _ = select.select([self._input, self._woken], [], [], max(0.0, seconds))
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 1024)
        if self._is_stopped:
            self._stop()
            return []
        return list(self._read()) if self._input in ready else []

    def _read(self) -> Iterator[str]:
        yield from self._keys.feed(self._read_bytes())
        while self._keys.is_open:
            if not select.select([self._input], [], [], _SEQUENCE_S)[0]:
                yield from self._keys.flush()
                return
            yield from self._keys.feed(self._read_bytes())

    def _read_bytes(self) -> bytes:
        with _gone_ends():
            data = os.read(self._input, 1024)
        if not data:
            _end(signal.SIGHUP, None)
        return data


def _note(number: int, frame: FrameType | None) -> None:
    """Only wakes who waits: the next frame has the new size."""


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _gone_ends() -> Iterator[None]:
    try:
        yield
    except OSError:
        _end(signal.SIGHUP, None)
