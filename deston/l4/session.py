"""One session: the datagrams of one client, and the server that it was given.

What lives here: its socket and its lease, and what is counted of it.
What must not: which sessions there are, when they end, and the way of the datagrams (``udp.py``).
Invariant: a session owns its socket and its lease until ``close``, and both are released there.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from collections.abc import Callable

from deston.balancer.pool import Lease
from deston.net.datagram import Peer


class Session:
    """A client with a socket that is connected to its server.

    ``introduction`` stands before each of its datagrams: a PROXY protocol header, or nothing. ``due`` is the number of
    answers that are still expected; it means nothing where any number may come. ``quiet_since`` is on the monotonic
    clock. ``transmit`` and ``receive`` are what a socket's ``send`` and ``recv_into`` are.
    """

    __slots__ = (
        "_introduction", "bytes_in", "bytes_out", "descriptor", "due", "is_answered", "lease", "number", "peer",
        "quiet_since", "receive", "socket", "started", "transmit",
    )  # fmt: skip

    def __init__(self, peer: Peer, lease: Lease, raw: RawSocket, introduction: bytes, now: float) -> None:
        self.peer = peer
        self.lease = lease
        self.socket = raw
        self.descriptor = raw.fileno()
        self._introduction = introduction
        self.receive: Callable[[memoryview], int] = raw.recv_into
        self.transmit: Callable[[memoryview], int] = self._transmit_with_introduction if introduction else raw.send
        self.started = self.quiet_since = now
        self.bytes_in = 0
        self.bytes_out = 0
        self.due = 0
        self.is_answered = True
        #: By which an operator knows it, once one has asked.
        self.number = ""

    def _transmit_with_introduction(self, data: memoryview) -> int:
        return self.socket.sendmsg([self._introduction, data])

    def take_first_answer(self, now: float) -> None:
        """The server is there, and answers after so long."""
        self.lease.answered(now - self.started)
        self.lease.reached()

    def close(self) -> None:
        """Close the socket, release the server and account for what was moved; once."""
        self.socket.close()
        self.lease.lasted(self.quiet_since - self.started)
        self.lease.release()
        server = self.lease.server
        server.bytes_in += self.bytes_in
        server.bytes_out += self.bytes_out

    def __repr__(self) -> str:
        return f"<Session {self.peer} {self.lease.server.name}>"
