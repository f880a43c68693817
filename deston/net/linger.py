"""Lingering: a last while for a peer that still sends although nobody takes it any more.

What lives here: reading and throwing away, until the peer has ended or its time is over.
What must not: what came before.
Invariant: the stream is closed at the end. A socket that is closed with input unread resets its connection, and a reset
takes from the peer what it has received and not read yet; that is what lingering is for (as nginx's `lingering_close`).
"""

from __future__ import annotations

from contextlib import suppress

from deston.errors import StreamError
from deston.net.stream import Stream


def linger(stream: Stream, seconds: float) -> None:
    """Throw away what the peer of ``stream`` sends for so many seconds at most, then close; for a greenlet."""
    stream.expire_after(seconds)
    try:
        with suppress(StreamError):  # A reset, or the time is over: either way it is the end.
            while True:
                stream.wait_readable()  # However fast the peer is, others get their turn and the deadline is heeded.
                if not stream.read_into(stream.home.scratch):
                    break
    finally:
        stream.close()
