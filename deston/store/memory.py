"""A store of one process.

Invariant: see ``base``.
"""

from __future__ import annotations

import threading

from deston.store.base import State, Update


class MemoryStore:
    """Keeps changes for as long as the process lives."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()

    def read(self) -> State:
        return self._state

    def update(self, update: Update, reloads: bool = False) -> State:
        with self._lock:
            state = self._state
            self._state = State(state.revision + 1, state.reloads + reloads, update(state.changes))
            return self._state

    def demand_reload(self) -> State:
        with self._lock:
            state = self._state
            self._state = state._replace(revision=state.revision + 1, reloads=state.reloads + 1)
            return self._state

    def has_changed(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""
