"""The client of a connection, as far as it is known.

What lives here: who it is, what it asked for, and what was read of it ahead.
What must not: how that is found out (``reception.py``).
Invariant: ``host`` is the real client's as far as a trusted proxy tells it; else it is the peer's own.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from typing import Any

from deston.address import client_key
from deston.net.proxy_protocol import Endpoint
from deston.net.relay import Side
from deston.net.stream import Stream


class Client:
    """One client, and the side of its connection.

    ``side`` is what is relayed: the stream itself, or TLS on it. ``host`` is empty for a unix socket, and in one
    spelling for one address. ``ahead`` was read of it and belongs to the server. ``server_name`` and ``alpn`` are its
    SNI and the protocol that TLS agreed on. ``unique_id`` is what a proxy before this one calls the connection.
    """

    __slots__ = (
        "_destination", "ahead", "alpn", "host", "is_admitted", "port", "server_name", "side", "stream", "unique_id",
    )  # fmt: skip

    def __init__(self, raw: RawSocket, address: Any) -> None:
        self.side: Side = Stream(raw)
        self.stream: Stream = self.side
        if isinstance(address, tuple):
            self.host, self.port = client_key(address[0]), address[1]
        else:
            self.host, self.port = "", 0
        self.is_admitted = False
        self.ahead = b""
        self.server_name = ""
        self.alpn = ""
        self.unique_id = b""
        self._destination: Endpoint | None = None

    def is_behind(self, source: Endpoint, destination: Endpoint) -> None:
        """Take over what a proxy tells of who the client is, and of the address that it connected to."""
        self.host, self.port = client_key(source[0]), source[1]
        self._destination = destination

    @property
    def source(self) -> Endpoint | None:
        """Its address; None for a unix socket."""
        return (self.host, self.port) if self.host else None

    @property
    def destination(self) -> Endpoint | None:
        """The address that it connected to; None for a unix socket."""
        if self._destination is None and self.host:
            name = self.stream.socket.getsockname()
            if isinstance(name, tuple):
                self._destination = client_key(name[0]), name[1]
        return self._destination

    def __str__(self) -> str:
        if not self.host:
            return "unix"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Client {self}>"
