"""What is told of connections and UDP sessions to an operator who asks, and their end at an operator's word.

What lives here: the facts about each, found when they are asked for.
What must not: how they are asked for (``deston.sessions``), and anything on the path of a connection or a datagram.
Invariant: what is over by now is not told of, and not ended in the place of another.
"""

from __future__ import annotations

from deston.l4.session import Session
from deston.l4.tcp import Connection, TcpProxy
from deston.l4.udp import CUT, UdpProxy
from deston.sessions.entry import TCP, UDP, Entry, cut_short


class Connections:
    """The connections of a TCP listener."""

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy

    def under_way(self) -> list[Connection]:
        return list(self._proxy.connections)

    def identity(self, thing: Connection) -> Connection | None:
        return thing if thing in self._proxy.connections else None

    def describe(self, thing: Connection, id: str, now: float) -> Entry:
        lease, client = thing.lease, thing.client
        bytes_in, bytes_out = thing.moved
        age = round(now - thing.started, 3)
        return Entry(
            id, TCP, self._proxy.config.name, str(client), lease.pool.name if lease else "",
            lease.server.name if lease else "", age, bytes_in, bytes_out, cut_short(_about(thing)),
        )  # fmt: skip

    def end(self, thing: Connection) -> str:
        thing.cut()
        return ""


def _about(connection: Connection) -> str:
    name = connection.client.server_name
    return f"{connection.phase} {name}".strip() if name else connection.phase


class UdpSessions:
    """The sessions of a UDP listener."""

    def __init__(self, proxy: UdpProxy) -> None:
        self._proxy = proxy

    def under_way(self) -> list[Session]:
        return list(self._proxy.sessions.values())

    def identity(self, thing: Session) -> Session | None:
        return thing if self._proxy.sessions.get(thing.peer) is thing else None

    def describe(self, thing: Session, id: str, now: float) -> Entry:
        lease, age = thing.lease, round(now - thing.started, 3)
        about = "" if thing.is_answered else "waits for an answer"
        return Entry(
            id, UDP, self._proxy.config.name, self._proxy.client_of(thing), lease.pool.name, lease.server.name, age,
            thing.bytes_in, thing.bytes_out, about,
        )  # fmt: skip

    def end(self, thing: Session) -> str:
        self._proxy.end(thing, CUT)
        return ""
