"""A client of the TCP listener.

What lives here: a greeting, echoes, and an end in one of two ways.
What must not: anything of other protocols.
Invariant: every byte that comes is compared.
"""

from __future__ import annotations

import asyncio

from scripts.soak import patterns
from scripts.soak.answering import GREETING
from scripts.soak.client import PATIENCE, Client, WrongAnswer

# Each message begins with its key, so that it is nobody else's.
_LONGEST = 70_000


class TcpClient(Client):
    async def converse(self) -> None:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(self.host, self.port), PATIENCE)
        try:
            await self._talk(reader, writer)
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = (await asyncio.wait_for(reader.readuntil(b"\n"), PATIENCE)).decode().split()
        if len(greeting) != 2 or greeting[0] != GREETING:
            raise WrongAnswer(f"greeted with {greeting}")
        for number in range(self.draw_length()):
            await self._exchange(reader, writer)
            self.teller.answered(greeting[1], leases=number == 0)
            if not await self.pause():
                break
        await self._end(reader, writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = self.key()
        message = key.encode() + b" " + patterns.body(key, patterns.pick_size(self.rng, _LONGEST))
        writer.write(message)
        answer = await asyncio.wait_for(reader.readexactly(len(message)), PATIENCE)
        if answer != message:
            raise WrongAnswer(f"{key}: {answer[:60]!r} instead of {message[:60]!r}")

    async def _end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """End our side with a last message, and read the server's to its end; or leave."""
        if self.rng.random() < 0.5:
            return
        last = self.key().encode()
        writer.write(last)
        writer.write_eof()
        rest = await asyncio.wait_for(reader.read(), PATIENCE)
        if not last.startswith(rest):
            raise WrongAnswer(f"the last words were {rest[:60]!r} instead of {last!r}")
        if rest != last:
            raise ConnectionResetError("the connection ended before its last words")
