"""Lines that would come again and again.

What lives here: saying a line at once, and then once a minute with how often there was cause for it.
What must not: what is said, and when there is cause.
Invariant: a line that differs in any word is another one; one is left out only where the same was said within the last
minute. What is remembered of lines is bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

#: How many seconds lie between a line and the same one.
EVERY: Final = 60.0
#: How many lines are remembered; of more, the one that was said the longest ago is forgotten.
MOST: Final = 256


class Repeats:
    """Which lines were said when. ``clock`` gives seconds; the methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # When each was said, and how often there was cause since; the order is that in which they were said.
        self._said: dict[Hashable, tuple[float, int]] = {}

    def count(self, line: Hashable) -> int:
        """Count one more cause for a line; how many there are to be told of now, 0 where it is not to be said."""
        now = self._clock()
        with self._lock:
            said, untold = self._said.get(line, (now - EVERY, 0))
            if now - said < EVERY:
                self._said[line] = said, untold + 1
                return 0
            self._said.pop(line, None)
            if len(self._said) >= MOST:
                del self._said[next(iter(self._said))]
            self._said[line] = now, 0
            return untold + 1

    def forget(self) -> None:
        """Begin anew, as a process does."""
        with self._lock:
            self._said.clear()

    def __repr__(self) -> str:
        return f"<Repeats of {len(self._said)} lines>"


#: Of this process.
repeats = Repeats()


def seldom(log: logging.Logger, level: int, message: str, *words: Hashable, error: BaseException | None = None) -> None:
    """Log a line, unless the same one was said within the last minute.

    ``message`` and ``words`` are those of ``Logger.log``; ``error`` is one whose traceback is to be shown. Where there
    was cause for the line while it was not said, it ends with how often.
    """
    if not log.isEnabledFor(level):
        return
    times = repeats.count((log.name, level, message, words))
    if times:
        log.log(level, message + (f" ({times} times)" if times > 1 else ""), *words, exc_info=error)
