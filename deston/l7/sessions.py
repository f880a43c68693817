"""What is told of exchanges, tunnels and kept connections to an operator who asks, and their end at an operator's word.

What lives here: the facts about each, found when they are asked for, under our own worker and under a WSGI server.
What must not: how they are asked for (``deston.sessions``), and anything on the path of a request.
Invariant: an exchange that is over by now is not told of, and the next one of its client not ended in its place.
"""

from __future__ import annotations

from _socket import socket as RawSocket

from deston.address import Address, client_key
from deston.l7.gunicorn_client import GunicornClient
from deston.l7.request import Request, Tunnel
from deston.l7.responding import ClientCut
from deston.l7.visit import Visit, Visits
from deston.sessions.entry import HTTP, IDLE, TUNNEL, Entry, cut_short

_UNIX = "unix"
_IN_A_THREAD = "a request that is served by a thread cannot be ended from outside"


class OfVisits:
    """What the clients of our own worker are at; one that asks for nothing is a session of the kind ``idle``."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def under_way(self) -> list[Visit]:
        return self._visits.all()

    def identity(self, thing: Visit) -> Visit | Request | None:
        return (thing.connection.request or thing) if thing in self._visits else None

    def describe(self, thing: Visit, id: str, now: float) -> Entry:
        connection = thing.connection
        request, answered = connection.request, connection.answered
        client, listener = _client_of(thing.plain.socket), connection.listener.name
        if request is None:
            kind, about = (IDLE, "") if connection.is_idle or thing.is_parked else (HTTP, "between requests")
            return Entry(id, kind, listener, client, "", "", round(now - thing.started, 3), 0, 0, about)
        tunnel = answered.tunnel if answered is not None else None
        return _exchange(id, request, tunnel, client, now, thing.started, connection.sent)

    def end(self, thing: Visit) -> str:
        self._visits.end(thing, thing.connection.request)
        return ""


class OfWsgi:
    """What a WSGI server has given to the application; ``in_threads`` is whether threads serve it."""

    def __init__(self, clients: set[GunicornClient], in_threads: bool) -> None:
        self._clients = clients
        self._in_threads = in_threads

    def under_way(self) -> list[GunicornClient]:
        return list(self._clients)

    def identity(self, thing: GunicornClient) -> GunicornClient | None:
        return thing if thing in self._clients and thing.request is not None else None

    def describe(self, thing: GunicornClient, id: str, now: float) -> Entry:
        request = thing.request
        assert request is not None
        return _exchange(id, request, thing.tunnel, request.peer or _UNIX, now, now, thing.sent)

    def end(self, thing: GunicornClient) -> str:
        if self._in_threads:
            return _IN_A_THREAD
        thing.end_soon(ClientCut("an operator has ended it"))
        return ""


def _exchange(
    id: str, request: Request, tunnel: Tunnel | None, client: str, now: float, otherwise: float, sent: int
) -> Entry:
    """An exchange, or the tunnel that came of it; ``otherwise`` is when it began where no pool has it yet."""
    lease, relay = request.lease, tunnel.relay if tunnel is not None else None
    about = f"{request.method.decode('latin-1')} {request.target[:1000].decode('latin-1')}"
    if tunnel is not None:
        about = f"{request.upgrade.decode('latin-1')} {about}"
    moved = (request.body.received, sent) if relay is None else (relay.from_client.count, relay.from_server.count)
    return Entry(
        id, HTTP if tunnel is None else TUNNEL, request.listener.name, client, lease.pool.name if lease else "",
        lease.server.name if lease else "", round(now - (request.began or otherwise), 3), *moved, cut_short(about),
    )  # fmt: skip


def _client_of(raw: RawSocket) -> str:
    try:
        name = raw.getpeername()
    except OSError:
        return ""  # It has just left.
    return str(Address(client_key(name[0]), name[1])) if isinstance(name, tuple) else _UNIX
