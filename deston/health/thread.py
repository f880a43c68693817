"""The monitor in a thread of its own, for WSGI servers whose requests run in threads rather than greenlets.

What lives here: the thread with its hub, and the calls that other threads may make.
What must not: anything about health.
Invariant: the monitor is touched by its own thread only; the other threads leave it a request and wake its hub.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

import gevent

# gevent finds it when it is first asked for, and not well where two threads are the first.
import gevent.threadpool
from gevent.event import Event

from deston.health.monitor import STOP_TIMEOUT_S, Monitor

# The hub's native threads are given a moment to see that their check was cut.
JOIN_TIMEOUT_S = STOP_TIMEOUT_S + 1.0

log = logging.getLogger("deston.health")


class MonitorThread:
    """Runs a monitor in a daemon thread; the methods may be called from any thread.

    For processes in which gevent patched nothing. The monitor must not have been started.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._thread = threading.Thread(target=self._run, name="deston-monitor", daemon=True)
        self._requests: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = threading.Event()
        self._bell: Any = None

    def start(self) -> None:
        """Begin to watch; returns when the thread can be asked for something. To be called once."""
        self._thread.start()
        self._running.wait()

    def sync(self) -> None:
        """Have the monitor take over what the registry has now, soon."""
        self._ask(self.monitor.sync)

    def stop(self) -> None:
        """End all watching, within three seconds."""
        self._ask(None)
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT_S)

    def _ask(self, request: Callable[[], object] | None) -> None:
        with self._lock:
            if self._bell is not None:
                self._requests.put(request)
                self._bell.send()

    def _run(self) -> None:
        hub = gevent.get_hub()
        rung = Event()
        # Of all that belongs to a hub, only this may be called from another thread.
        self._bell = bell = hub.loop.async_()
        bell.start(rung.set)
        self._running.set()
        self.monitor.start()
        self._serve(rung)
        with self._lock:
            self._bell = None
        bell.stop()
        bell.close()
        self.monitor.stop()
        hub.destroy(destroy_loop=True)

    def _serve(self, rung: Event) -> None:
        """Do what is asked for until it is the end (None)."""
        while True:
            rung.wait()
            rung.clear()
            while not self._requests.empty():
                request = self._requests.get()
                if request is None:
                    return
                self._do(request)

    def _do(self, request: Callable[[], object]) -> None:
        try:
            request()
        except Exception:  # The thread lasts as long as the process: its end would end all checks.
            log.exception("the monitor could not do what it was asked for, by a fault of Deston")
