"""Bodies as they pass: piece by piece, and without staying."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import Client, ask
from tests.integration.commands import BOTH, Command, start
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.named_server import blocks, digest_of
from tests.integration.processes import Processes
from tests.integration.wire import ScriptedServer, connect

LARGE = 100 * 1024 * 1024
# What a worker's memory may grow by while that passes. Buffers of a relay's and of the kernel's count, too.
FLAT = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def events() -> Iterator[ScriptedServer]:
    """A server that sends events when the test has it do so."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module", params=BOTH)
def front(
    request: pytest.FixtureRequest,
    module_processes: Processes,
    abc: dict[str, Address],
    events: ScriptedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    """One of the commands in front of named servers, and of the one with events."""
    file = write_config(
        tmp_path_factory.mktemp("streaming"),
        {"tcp": tcp(), "web": http(), "events": tcp("events")},
        pools={"app": pool(abc), "events": pool({"events": events.address})},
        routes={"events": {"host": "events.test", "pool": "events"}},
    )
    return start(request.param, module_processes, file)


def highest_memory(pid: int) -> int:
    """The most memory that a process has ever had resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_large_download(front: Command) -> None:
    """100 MiB arrive as they were sent, and the worker's memory stays flat."""
    front.ask()
    before = highest_memory(front.worker)
    digest = hashlib.sha256()
    with Client(front.address) as client:
        response = client.begin(f"/bytes/{LARGE}")
        while piece := response.read(1 << 20):
            digest.update(piece)
    assert digest.hexdigest() == digest_of(LARGE)
    assert highest_memory(front.worker) - before < FLAT


@pytest.mark.parametrize("fields", [{"Content-Length": str(LARGE)}, {}], ids=["length", "chunked"])
def test_a_large_upload(front: Command, fields: dict[str, str]) -> None:
    """100 MiB arrive at the server as they were sent, and the worker's memory stays flat."""
    front.ask()
    before = highest_memory(front.worker)
    answer = ask(front.address, "/", "POST", fields, blocks(LARGE))
    assert answer.body.decode() == f"{LARGE} {digest_of(LARGE)}\n"
    assert highest_memory(front.worker) - before < FLAT


def test_a_client_that_does_not_read(front: Command) -> None:
    """A client that takes its time holds up the server, and not the worker's memory or the other clients."""
    front.ask()
    before = highest_memory(front.worker)
    with connect(front.address) as slow:
        slow.send(f"GET /bytes/{LARGE} HTTP/1.1\r\nHost: any.test\r\n\r\n".encode())
        slow.read_head()
        assert {front.ask() for _ in range(50)} == {"a", "b", "c"}
    assert highest_memory(front.worker) - before < FLAT


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"], ids=["until the end", "chunked"])
def test_events_arrive_one_by_one(front: Command, events: ScriptedServer, head: bytes) -> None:
    """A client sees each event before the server has sent the next."""
    with connect(front.address_of("events")) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: events.test\r\nConnection: close\r\n\r\n")
        with events.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + head + b"\r\n")
            for number in range(5):
                event = b"data: %d\n\n" % number
                server.send(b"%x\r\n%s\r\n" % (len(event), event) if head else event)
                assert client.read_until(event).endswith(event)
            server.send(b"0\r\n\r\n" if head else b"")
        assert client.read_all().strip() in (b"", b"0")
