"""What follows an upgrade: bytes both ways, as of any TCP connection.

What lives here: the relay between a client's stream and a server's, with what both had sent too early.
What must not: HTTP, closing the streams.
Invariant: see ``net.relay``; the greenlet that calls sleeps until the tunnel is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from deston.errors import StreamReset
from deston.l7 import http1
from deston.l7.request import Response, Tunnel
from deston.net.byte_stream import ByteStream
from deston.net.hub import one_for_hub, sweeper
from deston.net.relay import Direction, Ending, Limits, Relay, Side
from deston.net.secure_relay import SecureDirection
from deston.net.stream import Stream

_BROKEN: Final = (Ending.CLIENT_RESET, Ending.SERVER_RESET, Ending.SERVER_DOWN, Ending.CUT)


class _Tunnels:
    """Those of a hub; ends those whose server is down or gone, where its pool asks for that."""

    def __init__(self) -> None:
        self.open: dict[Relay, Callable[[], float]] = {}
        sweeper().watched.add(self)

    def sweep(self, now: float) -> None:
        """Once a tick, in the hub."""
        for relay, ends_at in list(self.open.items()):
            if ends_at() <= now:
                relay.cut(Ending.SERVER_DOWN)


def begin(client: ByteStream, response: Response) -> None:
    """Send the head after which bytes go both ways."""
    client.write(http1.response_head(response.status, response.reason, [*response.fields, *response.added]) + b"\r\n")


def carry(client: ByteStream, ahead: bytes, tunnel: Tunnel) -> None:
    """Relay until both sides have ended; ``ahead`` was read of the client already.

    Raises ``StreamReset`` where a side broke off: then the client is to see a reset. After too long a silence the relay
    itself sees to it that what was on its way is not taken for whole.
    """
    # No other kind of stream is ever read by our worker, or dialed.
    sides = cast(Side, client), cast(Side, tunnel.stream)
    way = Direction if all(isinstance(side, Stream) for side in sides) else SecureDirection
    relay = Relay(*sides, Limits(tunnel.timeout, tunnel.half_closed), way)
    for side in sides:
        side.expire_after(float("inf"))
    if ahead:
        relay.from_client.begin_with(ahead)
    if tunnel.ahead:
        relay.from_server.begin_with(tunnel.ahead)
    tunnels = one_for_hub(_Tunnels)
    tunnels.open[relay] = tunnel.ends_at
    tunnel.relay = relay
    try:
        ending = relay.run()
    except BaseException:
        relay.cut()  # Such as at the end of a drain: neither side may take what it got for all.
        raise
    finally:
        del tunnels.open[relay]
        tunnel.count(relay.from_client.count, relay.from_server.count)
    if ending in _BROKEN:
        raise StreamReset(f"an upgraded connection ended: {ending.value}")
