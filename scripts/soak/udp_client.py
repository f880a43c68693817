"""A client of the UDP listeners.

What lives here: a socket, and datagrams of which each is answered.
What must not: anything of other protocols.
Invariant: an answer is one that this socket asked for, now or before; a socket that waited in vain is not used again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from scripts.soak import patterns
from scripts.soak.client import Client, Failed, WrongAnswer
from scripts.soak.model import LOST

PATIENCE = 2.0
_LONGEST = 20_000


class UdpClient(Client):
    async def converse(self) -> None:
        loop = asyncio.get_running_loop()
        transport, box = await loop.create_datagram_endpoint(Box, remote_addr=(self.host, self.port))
        try:
            await self._talk(transport, box)
        finally:
            transport.close()

    async def _talk(self, transport: asyncio.DatagramTransport, box: Box) -> None:
        last = ""
        for _ in range(self.draw_length()):
            server = await self._exchange(transport, box)
            # A session that may have many answers is one lease, whose server may change.
            self.teller.answered(server, leases=self.is_of_first or server != last)
            last = server
            if not await self.pause():
                return

    async def _exchange(self, transport: asyncio.DatagramTransport, box: Box) -> str:
        key = self.key()
        message = key.encode() + b" " + patterns.body(key, patterns.pick_size(self.rng, _LONGEST))
        transport.sendto(message)
        try:
            answer = await asyncio.wait_for(box.queue.get(), PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            raise Failed(LOST, key) from None
        if isinstance(answer, Exception):
            raise answer
        server, _, rest = answer.partition(b" ")
        if rest != message:
            raise WrongAnswer(f"{key}: {answer[:60]!r} instead of {message[:60]!r}")
        return server.decode()


class Box(asyncio.DatagramProtocol):
    """What came for one socket."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.queue.put_nowait(data)

    def error_received(self, error: Exception) -> None:
        self.queue.put_nowait(error)
