"""System calls on a socket's descriptor, of which one reads or writes once.

What lives here: receiving and sending, in Python; ``_calls.c`` has the same for where a compiler is.
What must not: waiting, deadlines, whatever takes more than one call.
Invariant: nothing here waits: where nothing can be done now, that is what comes back.
"""

from __future__ import annotations

import os

from deston.net.byte_stream import Bytes


def receive(descriptor: int, limit: int) -> bytes | None:
    """Up to ``limit`` bytes, empty at the end; None where nothing is there yet. Raises ``OSError``."""
    try:
        return os.read(descriptor, limit)
    except BlockingIOError:
        return None


def transmit(descriptor: int, data: Bytes) -> int:
    """How many bytes of ``data`` the socket takes, 0 where it takes none now. Raises ``OSError``."""
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0
