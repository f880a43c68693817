"""What the kernel knows of a TCP connection, and how it is to close one.

What lives here: asking for a connection's state, and for a reset at its end.
What must not: reading, writing, waiting (``stream``).
Invariant: nothing here changes what was received, and a socket that is no TCP socket is left alone.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
# The states of a TCP connection whose peer has ended or reset it, as TCP_INFO begins with one: CLOSE, CLOSE_WAIT.
_CLOSED: Final = 7
_ENDED: Final = 8


def is_ending(raw: Any) -> bool:
    """Whether the peer has ended or broken off, be there something left to read or not; for TCP."""
    return _state(raw) in (_CLOSED, _ENDED)


def is_broken(raw: Any) -> bool:
    """Whether the peer has broken off, in both directions; of a unix socket, only a write tells."""
    return raw.family != socket.AF_UNIX and _state(raw) == _CLOSED


def reset_on_close(raw: Any) -> None:
    """Make the closing of a socket send a reset, where it is a TCP socket that is still open."""
    if raw.fileno() >= 0 and raw.family != socket.AF_UNIX:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def _state(raw: Any) -> int:
    try:
        return int(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
    except OSError:
        return _CLOSED
