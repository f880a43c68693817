"""The clients of one protocol: `python -m scripts.soak.load PROTOCOL CLIENTS SEED HOST:PORT …`.

What lives here: the process, its clients, and their end.
What must not: what a client says (``tcp_client`` and its likes).
Invariant: a word on standard input, or its end, is the end: each client finishes what it is at, and the counts are
told last of all.
"""

from __future__ import annotations

import asyncio
import random
import sys

from scripts.soak.client import Client
from scripts.soak.http_client import HttpClient
from scripts.soak.model import HTTP, TCP, UDP, WS
from scripts.soak.tcp_client import TcpClient
from scripts.soak.telling import Teller
from scripts.soak.udp_client import UdpClient
from scripts.soak.ws_client import WsClient

TELL_SECONDS = 0.5
CLIENTS: dict[str, type[Client]] = {TCP: TcpClient, UDP: UdpClient, HTTP: HttpClient, WS: WsClient}


async def main(words: list[str]) -> None:
    protocol, count, seed, *addresses = words
    teller = Teller(protocol)
    ends = asyncio.Event()
    clients = []
    for number in range(int(count)):
        host, _, port = addresses[number % len(addresses)].rpartition(":")
        rng = random.Random(f"{seed} {protocol} {number}")
        clients.append(CLIENTS[protocol](host, int(port), str(number), rng, teller, ends))
        # Of several addresses the first one is of sessions that end with their answer.
        clients[-1].is_of_first = number % len(addresses) == 0
    tasks = [asyncio.create_task(one.run()) for one in clients]
    telling = asyncio.create_task(tell(teller))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.readline()
    ends.set()
    await asyncio.gather(*tasks)
    telling.cancel()
    teller.tell()


async def tell(teller: Teller) -> None:
    while True:
        teller.tell()
        await asyncio.sleep(TELL_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
