"""A server of the soak: `python -m scripts.soak.serve NAME HOST TALLY TCP UDP HTTP WS`, the last four being ports.

What lives here: the process with its four ports, and the words on standard input that change how it serves.
What must not: what is answered (``answering``).
Invariant: each word is answered by a line when it is in force; the end of standard input is the end of the process,
so none outlives the soak.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from pathlib import Path

from websockets.asyncio.server import Server, serve

from scripts.soak.answering import SERVE, Answers, Echo
from scripts.soak.model import HTTP, PROTOCOLS, TCP, UDP, WS
from scripts.soak.tally import Tally

#: The word for a server that listens no longer, and serves whom it has.
REFUSE = "refuse"
LARGEST_MESSAGE = 1 << 20
BACKLOG = 1000


class Listening:
    """The four ports, open or closed."""

    def __init__(self, host: str, ports: dict[str, int], answers: Answers) -> None:
        self._host = host
        self._ports = ports
        self._answers = answers
        self._streams: list[asyncio.Server] = []
        self._websockets: Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen on all ports, if that is not so already."""
        if self._datagrams is not None:
            return
        for protocol, handle in ((TCP, self._answers.echo), (HTTP, self._answers.http)):
            self._streams.append(await asyncio.start_server(handle, self._host, self._ports[protocol], backlog=BACKLOG))
        self._websockets = await serve(
            self._answers.websocket,
            self._host,
            self._ports[WS],
            process_request=self._answers.check_of_websockets,
            compression=None,
            ping_interval=None,
            max_size=LARGEST_MESSAGE,
            backlog=BACKLOG,
        )
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Echo(self._answers), local_addr=(self._host, self._ports[UDP])
        )
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._datagrams = transport

    async def close(self) -> None:
        """Listen no longer; connections that are open go on."""
        if self._datagrams is None or self._websockets is None:
            return
        self._datagrams.close()
        for server in self._streams:
            server.close()
        self._websockets.close(close_connections=False)
        self._streams, self._websockets, self._datagrams = [], None, None


async def main(words: list[str]) -> None:
    name, host, tally, *ports = words
    # What a client or Deston breaks off is counted where it matters.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    answers = Answers(name, Tally(Path(tally)))
    listening = Listening(host, dict(zip(PROTOCOLS, map(int, ports), strict=True)), answers)
    await listening.open()
    print(SERVE, flush=True)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while word := (await reader.readline()).decode().strip():
        answers.mode = SERVE if word == REFUSE else word
        await (listening.close() if word == REFUSE else listening.open())
        print(word, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
