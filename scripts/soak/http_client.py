"""A client of the HTTP listener.

What lives here: requests on a connection that is kept, of several forms, and the strict reading of their answers.
What must not: anything of other protocols.
Invariant: an answer is right if its key, its length, its checksum and each of its bytes are; one that says that it is
whole and is not is wrong.
"""

from __future__ import annotations

import asyncio

from scripts.soak import patterns
from scripts.soak.answering import chunked, read_chunks
from scripts.soak.client import PATIENCE, Client, Failed, WrongAnswer
from scripts.soak.model import STATUSES

_END = b"\r\n\r\n"
_LIMIT = 1 << 20


class HttpClient(Client):
    async def converse(self) -> None:
        opening = asyncio.open_connection(self.host, self.port, limit=_LIMIT)
        reader, writer = await asyncio.wait_for(opening, PATIENCE)
        try:
            for _ in range(self.draw_length()):
                is_kept = await asyncio.wait_for(self._exchange(reader, writer), PATIENCE)
                if not await self.pause() or not is_kept:
                    return
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection takes another."""
        key, size = self.key(), patterns.pick_size(self.rng)
        content = patterns.body(key, size)
        writer.write(self._request(key, size, content))
        head = (await reader.readuntil(_END)).decode("latin-1")
        line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in lines)}
        answer = await _read(reader, fields)
        status = line.split(" ")[1]
        if status in STATUSES and "x-server" not in fields:
            raise Failed(status, f"{key}: {answer[:100]!r}")
        if (status, fields.get("x-key")) != ("200", key):
            raise WrongAnswer(f"{key}: {line}, the key is {fields.get('x-key')}")
        if answer != content or fields.get("x-sum") != patterns.checksum(content):
            raise WrongAnswer(f"{key}: {len(answer)} bytes instead of {len(content)}, or other ones")
        self.teller.answered(fields["x-server"], leases=1)
        return fields.get("connection", "").lower() != "close"

    def _request(self, key: str, size: int, content: bytes) -> bytes:
        form = self.rng.choice(("length", "chunked"))
        head = f"/{form}/{key}/{size} HTTP/1.1\r\nHost: soak.test\r\n"
        match self.rng.randrange(4):
            case 0:
                return f"POST {head}Content-Length: {size}\r\n\r\n".encode() + content
            case 1:
                return f"POST {head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(content)
        return f"GET {head}\r\n".encode()


async def _read(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return await read_chunks(reader)
    if "content-length" not in fields:
        raise WrongAnswer("an answer without a length")
    return await reader.readexactly(int(fields["content-length"]))
