"""Access logs: lines on their way to their sinks.

What lives here: the buffer in front of a sink, and one log for each target of a process.
What must not: what stands in a line, and how it is written.
Invariant: ``write`` never waits and never fails. What a slow sink leaves behind is bounded; beyond that lines are lost,
and their number is told.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from deston.access.sinks import Sink, make_sink
from deston.config.model import LogSink, LogTarget

log = logging.getLogger("deston.access")

# How long a line may wait for others that go with it, in seconds.
GATHER = 0.2
# About ten MiB; a disk that hangs for longer loses lines.
MOST_LINES = 65536


class AccessLog:
    """The buffer in front of one sink, and the greenlet that empties it.

    Where requests run in threads (``threaded``), a thread does: their hubs run only while they wait.
    """

    __slots__ = ("_is_in_trouble", "_lines", "_news", "_sink", "_threaded", "_writer", "_writing", "lost", "name")

    def __init__(self, sink: Sink, name: str, threaded: bool = False) -> None:
        self.name = name
        #: Lines that were never written.
        self.lost = 0
        self._sink = sink
        self._lines: list[str] = []
        self._threaded = threaded
        self._news: Any = threading.Event() if threaded else Event()
        self._is_in_trouble = False
        self._writer: Any = None
        self._writing: Any = threading.Lock() if threaded else Semaphore(1)

    def write(self, line: str) -> None:
        """Have a line written soon."""
        if len(self._lines) >= MOST_LINES:
            self.lost += 1
            return
        self._lines.append(line)
        if not self._news.is_set():
            self._news.set()
            if self._writer is None:
                self._writer = self._start()

    def _start(self) -> Any:
        if not self._threaded:
            return gevent.spawn(self._write_for_ever)
        thread = threading.Thread(target=self._write_for_ever, name="deston-access-log", daemon=True)
        thread.start()
        return thread

    def _write_for_ever(self) -> None:
        while True:
            self._news.wait()
            if self._threaded:
                time.sleep(GATHER)
            else:
                gevent.sleep(GATHER, ref=False)
            self._news.clear()
            self._write_out()

    def _write_out(self) -> None:
        with self._writing:
            lines, self._lines = self._lines, []
            if not lines:
                return
            if self._sink.may_block and not self._threaded:
                error = gevent.get_hub().threadpool.apply(self._write, (lines,))
            else:
                error = self._write(lines)
            self._is_in_trouble = self._is_in_trouble and error is not None
            if error is not None:
                self.lost += len(lines)
                self._tell(f"cannot be written: {getattr(error, 'strerror', None) or error}")

    def _write(self, lines: list[str]) -> Exception | None:
        """What came of it is returned: gevent prints a traceback of whatever is raised in its threads."""
        try:
            self._sink.write(lines)
        except Exception as error:  # Whatever it is, the lines that come later are to be tried.
            return error
        return None

    def _tell(self, what: str) -> None:
        """Tell of trouble once, until it is over."""
        if not self._is_in_trouble:
            self._is_in_trouble = True
            log.error("the access log %s %s; lines lost so far: %d", self.name, what, self.lost)

    def reopen(self) -> None:
        """Open a file anew that was moved away."""
        self._sink.reopen()

    def close(self) -> None:
        """Write what is left, and close the sink."""
        self._write_out()
        if self._writer is not None and not self._threaded:
            self._writer.kill()
            self._writer = None
        if self.lost:
            log.warning("the access log %s has lost lines: %d", self.name, self.lost)
        self._sink.close()

    def __repr__(self) -> str:
        return f"<AccessLog {self.name}, {len(self._lines)} lines>"


class AccessLogs:
    """One log for each target, whoever writes to it."""

    def __init__(self, program: str, threaded: bool = False) -> None:
        self._program = program
        self._threaded = threaded
        self._logs: dict[LogTarget, AccessLog] = {}

    def of(self, target: LogTarget) -> AccessLog | None:
        """The log of a target; None for one that is off."""
        if target.sink is LogSink.OFF:
            return None
        known = self._logs.get(target)
        if known is None:
            name = target.file or target.sink.value
            known = self._logs[target] = AccessLog(make_sink(target, self._program), name, self._threaded)
        return known

    def reopen(self) -> None:
        """Open every file anew."""
        for one in self._logs.values():
            one.reopen()

    def close(self) -> None:
        """Write what is left of all."""
        for one in self._logs.values():
            one.close()
        self._logs.clear()

    def __repr__(self) -> str:
        return f"<AccessLogs {', '.join(one.name for one in self._logs.values())}>"
