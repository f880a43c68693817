"""Slots: how many connections a listener, and all listeners of a process together, may hold.

What lives here: counting, and telling acceptors when there is room again. Pure.
What must not: accepting, and limits on a single client.
Invariant: ``taken`` is the number of connections that are open; whoever was told that there is no room is told once
when there is some.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

from deston.limits import HostCounts
from deston.tables import fingerprint

# A connection takes two descriptors; a fifth stays free for checks, logs and listeners.
DESCRIPTOR_SHARE = 0.8
DESCRIPTORS_PER_CONNECTION = 2


def affordable_connections() -> int:
    """How many connections the file descriptors of this process bear."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, int(descriptors * DESCRIPTOR_SHARE) // DESCRIPTORS_PER_CONNECTION)


class Slots:
    """The slots of one listener, or of a process: then they are the ``whole`` of those of its listeners.

    ``limit`` is 0 for no limit; ``resize`` changes it. With ``counts`` it is one of the machine, for the listener of
    that name, as far as other processes have told.
    """

    __slots__ = ("__weakref__", "_counts", "_key", "_waiting", "limit", "taken", "whole")

    def __init__(
        self, limit: int = 0, whole: Slots | None = None, name: str = "", counts: HostCounts | None = None
    ) -> None:
        self.limit = 0
        self.taken = 0
        self.whole = whole
        self._waiting: list[Callable[[], None]] = []
        self._counts = counts
        self._key = fingerprint("connections of all clients", name)
        self.resize(limit)

    @property
    def full(self) -> bool:
        """Whether no further connection may be opened."""
        if 0 < self.limit <= self.taken + self._elsewhere():
            return True
        return self.whole is not None and self.whole.full

    def _elsewhere(self) -> int:
        return self._counts.elsewhere(self._key) if self._counts is not None else 0

    def resize(self, limit: int) -> None:
        """Set the limit; whoever was told that there is no room is told where there may be some now."""
        self.limit = limit
        if limit and self._counts is not None:
            self._counts.include(self)
        self._tell()

    def tell(self) -> None:
        """Tell other processes how many connections there are."""
        if self._counts is not None and self.limit:
            self._counts.put(self._key, self.taken)

    def take(self) -> None:
        """Count a connection that was opened."""
        self.taken += 1
        if self.limit:
            self.tell()
        if self.whole is not None:
            self.whole.taken += 1

    def leave(self) -> None:
        """Count a connection that is over."""
        self.taken -= 1
        if self.limit:
            self.tell()
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
        if self.limit and self._counts is not None:
            self._counts.waiting.add(self._look)
        if self.whole is not None:
            self.whole.when_free(callback)

    def _look(self) -> None:
        """There may be room because other processes have fewer."""
        if not self.full:
            self._tell()

    def _tell(self) -> None:
        if self._counts is not None:
            self._counts.waiting.discard(self._look)
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    def __repr__(self) -> str:
        return f"<Slots {self.taken}/{self.limit or 'any'}>"
