"""Slots: how many connections a listener, and all listeners of a process together, may hold.

What lives here: counting, and telling acceptors when there is room again. Pure.
What must not: accepting, and limits on a single client.
Invariant: ``taken`` is the number of connections that are open; whoever was told that there is no room is told once
when there is some.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

# A connection takes two descriptors; a fifth stays free for checks, logs and listeners.
DESCRIPTOR_SHARE = 0.8
DESCRIPTORS_PER_CONNECTION = 2


def affordable_connections() -> int:
    """How many connections the file descriptors of this process bear."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, int(descriptors * DESCRIPTOR_SHARE) // DESCRIPTORS_PER_CONNECTION)


class Slots:
    """The slots of one listener, or of a process: then they are the ``whole`` of those of its listeners.

    ``limit`` is 0 for no limit; ``resize`` changes it.
    """

    __slots__ = ("_waiting", "limit", "taken", "whole")

    def __init__(self, limit: int = 0, whole: Slots | None = None) -> None:
        self.limit = limit
        self.taken = 0
        self.whole = whole
        self._waiting: list[Callable[[], None]] = []

    @property
    def full(self) -> bool:
        """Whether no further connection may be opened."""
        return 0 < self.limit <= self.taken or (self.whole is not None and self.whole.full)

    def resize(self, limit: int) -> None:
        """Set the limit; whoever was told that there is no room is told where there may be some now."""
        self.limit = limit
        self._tell()

    def take(self) -> None:
        """Count a connection that was opened."""
        self.taken += 1
        if self.whole is not None:
            self.whole.taken += 1

    def leave(self) -> None:
        """Count a connection that is over."""
        self.taken -= 1
        if self._waiting:
            self._tell()
        if self.whole is not None:
            self.whole.taken -= 1
            if self.whole._waiting:
                self.whole._tell()

    def when_free(self, callback: Callable[[], None]) -> None:
        """Call back once, when a connection is over next; here or, where that is what lacks, in the whole."""
        if callback not in self._waiting:
            self._waiting.append(callback)
        if self.whole is not None:
            self.whole.when_free(callback)

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    def __repr__(self) -> str:
        return f"<Slots {self.taken}/{self.limit or 'any'}>"
