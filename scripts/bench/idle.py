"""Memory of idle connections.

What lives here: opening connections that have done one exchange and then stay silent, and the memory they cost.
What must not: load, balancers.
Invariant: the memory is read while every connection is open, and the balancer was started afresh before.
"""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from scripts.bench.cpu import family, read_stats
from scripts.bench.model import Exchange, Run

TIMEOUT_SECONDS = 20.0
# What a connection costs that waits, not one that has just been served.
SILENT_SECONDS = 5.0
# They load what is loaded on first use, so that it is not counted as theirs.
WARM_UP = 50


def parse_pss(text: str) -> int:
    """The proportional set size in KiB of a /proc/PID/smaps_rollup: memory shared by n processes counts as 1/n."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError("smaps_rollup has no Pss")


def tree_memory(root: int) -> int:
    """The memory in KiB of a process and its descendants."""
    return sum(
        parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8"))
        for pid in family(read_stats(), root)
    )  # fmt: skip


def open_idle(port: int, exchange: Exchange, count: int, held: contextlib.ExitStack) -> list[socket.socket]:
    """Open so many connections, have one right answer on each, and leave them open until ``held`` ends."""
    clients = []
    for _ in range(count):
        client = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS))
        client.sendall(f"GET {exchange.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        read_answer(client, exchange.answer)
        clients.append(client)
    return clients


def read_answer(client: socket.socket, answer: bytes) -> None:
    """Read until the answer has come; raises ``ConnectionError`` where the other side ends before."""
    got = b""
    while not got.endswith(b"\r\n\r\n" + answer):
        more = client.recv(65536)
        if not more:
            raise ConnectionError(f"closed after {len(got)} bytes")
        got += more


def is_open(client: socket.socket) -> bool:
    """Whether an idle connection is still there: nothing to read, not even its end."""
    client.setblocking(False)
    try:
        client.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def measure(pid: int, port: int, exchange: Exchange, count: int, run: Run) -> None:
    """Put the memory in KiB of one idle connection into a run, or why there is none."""
    try:
        with contextlib.ExitStack() as first:
            open_idle(port, exchange, WARM_UP, first)
        before = tree_memory(pid)
        with contextlib.ExitStack() as held:
            clients = open_idle(port, exchange, count, held)
            time.sleep(SILENT_SECONDS)
            after = tree_memory(pid)
            closed = sum(not is_open(client) for client in clients)
    except (OSError, ValueError) as error:
        run.errors.append(f"{type(error).__name__} {error}")
        return
    if closed:
        run.errors.append(f"{closed} of {count} connections were closed")
    run.value = (after - before) / count
