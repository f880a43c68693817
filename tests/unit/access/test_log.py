"""The buffer in front of a sink: it gathers, it never waits, and what it loses is counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import gevent
import pytest

from deston.access import log as access
from deston.access.log import AccessLog, AccessLogs
from deston.config.model import LogSink, LogTarget
from tests.peers import DEADLINE_S, wait_until


class Sink:
    """Keeps the batches that it is given; it may be slow, or fail."""

    def __init__(self, may_block: bool = True) -> None:
        self.may_block = may_block
        self.batches: list[list[str]] = []
        self.fails = False
        self.go = threading.Event()
        self.go.set()
        self.closed = 0
        self.reopened = 0

    def write(self, lines: Sequence[str]) -> None:
        self.go.wait(DEADLINE_S)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.batches.append(list(lines))

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "GATHER", 0.01)


@pytest.mark.parametrize("may_block", [True, False])
def test_lines_are_gathered(may_block: bool) -> None:
    """What comes within a moment is one batch; what is left is written at the end."""
    sink = Sink(may_block)
    one = AccessLog(sink, "x")
    for line in "abc":
        one.write(line)
    wait_until(lambda: sink.batches == [["a", "b", "c"]], "the batch", gevent.sleep)
    one.write("d")
    one.close()
    assert sink.batches[1:] == [["d"]]
    assert sink.closed == 1


def test_a_slow_sink_stops_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Writing goes on in memory up to a limit; beyond it lines are lost and counted."""
    monkeypatch.setattr(access, "MOST_LINES", 3)
    sink = Sink()
    sink.go.clear()
    one = AccessLog(sink, "x")
    one.write("a")
    gevent.sleep(0.05)
    for number in range(5):
        one.write(str(number))
    assert one.lost == 2
    sink.go.set()
    with caplog.at_level(logging.WARNING, "deston.access"):
        one.close()
    assert sink.batches == [["a"], ["0", "1", "2"]]
    assert "has lost lines: 2" in caplog.text


def write_and_wait(one: AccessLog, sink: Sink, fails: bool) -> None:
    """Write a line, and wait until it is written or lost."""
    sink.fails = fails
    done = one.lost + len(sink.batches)
    one.write("a")
    wait_until(lambda: one.lost + len(sink.batches) > done, "the outcome", gevent.sleep)


def test_a_sink_that_fails_is_told_of_once(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Until it is over; then the next failure is news again. A full disk is no fault of Deston: no traceback."""
    sink = Sink()
    one = AccessLog(sink, "x")
    with caplog.at_level(logging.ERROR, "deston.access"):
        for fails in (True, True, False, True):
            write_and_wait(one, sink, fails)
    assert [record.getMessage() for record in caplog.records] == [
        "the access log x cannot be written: No space left on device; lines lost so far: 1",
        "the access log x cannot be written: No space left on device; lines lost so far: 3",
    ]
    one.close()
    assert "Traceback" not in capfd.readouterr().err


def test_one_log_for_a_target(tmp_path: Path) -> None:
    """Listeners with the same file share it, and all are opened anew together."""
    logs = AccessLogs("deston-l4")
    target = LogTarget(LogSink.FILE, str(tmp_path / "access.log"))
    assert logs.of(LogTarget(LogSink.OFF)) is None
    shared = logs.of(target)
    assert shared is not None
    assert shared is logs.of(LogTarget(LogSink.FILE, str(tmp_path / "access.log")))
    shared.write("one")
    logs.reopen()
    logs.close()
    assert (tmp_path / "access.log").read_text() == "one\n"
    assert logs.of(target) is not shared
    logs.close()
