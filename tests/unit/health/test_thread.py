"""The monitor in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from deston.balancer.registry import Registry
from deston.balancer.server import Health
from deston.config.model import CheckType
from deston.health.monitor import Monitor
from deston.health.thread import MonitorThread
from tests.unit.health import builders, peers


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds that another thread brings about."""
    deadline = time.monotonic() + builders.DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def test_watches_syncs_and_stops_from_another_thread() -> None:
    """Checks run without this thread's help; reloads and the end are asked for from here."""
    with peers.AnswersWith() as peer, peers.RefusesConnections() as bad:
        a, b = builders.server("a", peer.address), builders.server("b", bad.address)
        settings = builders.health(type=CheckType.HTTP)
        registry = Registry([builders.pool(a, checked=settings)])
        watcher = MonitorThread(Monitor(registry))
        watcher.start()
        wait_for(lambda: a.health is Health.UP, "the first check")
        registry.replace([builders.pool(a, b, checked=settings)])
        watcher.sync()
        wait_for(lambda: b.health is Health.DOWN, "the check of the new server")
        watcher.stop()
        assert "deston-monitor" not in {thread.name for thread in threading.enumerate()}
        watcher.sync()
        watcher.stop()


def test_stop_does_not_wait_for_a_check_that_hangs() -> None:
    """A check under way is cut when the thread is to end, whatever its timeout is."""
    with peers.NeverAnswers() as peer:
        server = builders.server("a", peer.address)
        settings = builders.health(type=CheckType.HTTP, timeout=600.0)
        watcher = MonitorThread(Monitor(Registry([builders.pool(server, checked=settings)])))
        watcher.start()
        wait_for(lambda: peer.connections == 1, "the check")
        watcher.stop()
        assert "deston-monitor" not in {thread.name for thread in threading.enumerate()}
    assert server.health is Health.UNCHECKED


def test_a_fault_in_a_request_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    """A reload that goes wrong is logged, and the thread goes on."""

    class Faulty(Monitor):
        def sync(self) -> None:
            if self._watches:
                raise KeyError("some fault")
            super().sync()

    with peers.NeverAnswers() as peer:
        server = builders.server("a", peer.address)
        watcher = MonitorThread(Faulty(Registry([builders.pool(server)])))
        watcher.start()
        wait_for(lambda: server.health is Health.UP, "the first check")
        watcher.sync()
        wait_for(lambda: caplog.messages, "the log line")
        watcher.stop()
    assert "fault of Deston" in caplog.messages[0]
