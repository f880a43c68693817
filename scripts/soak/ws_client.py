"""A client of the HTTP listener that asks for a WebSocket.

What lives here: a greeting, echoes, and the closing handshake.
What must not: how frames are made, which is the library's business.
Invariant: a conversation that nothing broke off ends with the code of a good end.
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from scripts.soak import patterns
from scripts.soak.answering import GREETING
from scripts.soak.client import PATIENCE, Client, Failed, WrongAnswer
from scripts.soak.model import BROKEN, STATUSES, TIMEOUT

_LONGEST = 70_000
_GOOD_END = 1000


class WsClient(Client):
    async def converse(self) -> None:
        connection = await self._connect()
        try:
            await self._talk(connection)
        except ConnectionClosed as error:
            raise Failed(BROKEN, str(error)) from error
        finally:
            connection.transport.abort()

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                f"ws://{self.host}:{self.port}/ws",
                compression=None,
                open_timeout=PATIENCE,
                ping_interval=None,
                close_timeout=PATIENCE,
                proxy=None,
            )
        except InvalidStatus as error:
            status = str(error.response.status_code)
            if status not in STATUSES:
                raise WrongAnswer(f"status {status}") from error
            raise Failed(status, str(error.response.body)) from error
        except InvalidHandshake as error:
            raise Failed(BROKEN, str(error)) from error

    async def _talk(self, connection: ClientConnection) -> None:
        greeting = str(await self._receive(connection)).split()
        if len(greeting) != 2 or greeting[0] != GREETING:
            raise WrongAnswer(f"greeted with {greeting}")
        self.teller.leased(greeting[1])
        for _ in range(self.draw_length()):
            key = self.key()
            message = key.encode() + b" " + patterns.body(key, patterns.pick_size(self.rng, _LONGEST))
            await connection.send(message)
            if await self._receive(connection) != message:
                raise WrongAnswer(f"{key}: another message came back")
            self.teller.answered(greeting[1])
            if not await self.pause():
                break
        await connection.close()
        if connection.close_code != _GOOD_END:
            raise Failed(BROKEN, f"closed with {connection.close_code}")

    async def _receive(self, connection: ClientConnection) -> str | bytes:
        try:
            return await asyncio.wait_for(connection.recv(), PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            raise Failed(TIMEOUT, "no message") from None
