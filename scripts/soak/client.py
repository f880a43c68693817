"""What the clients of all protocols have in common.

What lives here: conversation after conversation until the end, and which failure an exception is.
What must not: what is said in a conversation.
Invariant: whatever a conversation ends with is an answer that was right, or one failure.
"""

from __future__ import annotations

import asyncio
import random
import time

from scripts.soak import patterns
from scripts.soak.model import BROKEN, REFUSED, TIMEOUT, WRONG
from scripts.soak.telling import Teller

# Longer than a worker or a server is ever stopped, and than Deston waits for a server, both together.
PATIENCE = 12.0
PAUSE = 0.1
AFTER_FAILURE = 0.2
LONGEST_CONVERSATION = 60


class WrongAnswer(Exception):
    """What came is not what has to come."""


class Failed(Exception):
    """A failure of its own kind."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail)
        self.kind = kind


class Client:
    """One client; each exchange begins with ``begin``, so that a failure knows since when it may have come."""

    is_of_first = True

    def __init__(
        self, host: str, port: int, name: str, rng: random.Random, teller: Teller, ends: asyncio.Event
    ) -> None:
        self.host, self.port = host, port
        self.rng = rng
        self.teller = teller
        self.key = patterns.keys(f"{teller.protocol}{name}")
        self._ends = ends
        self._began = 0.0

    async def run(self) -> None:
        """Converse until the end."""
        while not self._ends.is_set():
            self.begin()
            try:
                await self.converse()
            except Exception as error:
                self.teller.failed(kind_of(error), self._began, f"{type(error).__name__}: {error}")
                await asyncio.sleep(AFTER_FAILURE)

    def begin(self) -> None:
        self._began = time.monotonic()

    async def converse(self) -> None:
        """A connection or session from its beginning to its end; raises what went wrong."""
        raise NotImplementedError

    def draw_length(self) -> int:
        """How many exchanges the next conversation has."""
        return self.rng.randint(1, LONGEST_CONVERSATION)

    async def pause(self) -> bool:
        """Wait a little between two exchanges; whether there is to be another one."""
        await asyncio.sleep(self.rng.uniform(0, 2 * PAUSE))
        self.begin()
        return not self._ends.is_set()


def kind_of(error: Exception) -> str:
    """Which failure an exception is; what nobody has thought of is a wrong answer."""
    if isinstance(error, Failed):
        return error.kind
    if isinstance(error, WrongAnswer):
        return WRONG
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if isinstance(error, (OSError, asyncio.IncompleteReadError)):
        return BROKEN
    return WRONG
