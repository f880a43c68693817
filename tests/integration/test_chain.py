"""L7 in front of L4, as ``conf/chain.conf`` has it."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from deston.address import Address
from tests.integration.client import Load, ask
from tests.integration.commands import start_both
from tests.integration.named_server import blocks, digest_of
from tests.integration.processes import ROOT, Processes
from tests.integration.servers import KillableServer
from tests.integration.wire import ScriptedServer, connect, reserved_port

SIZE = 3_000_000


def write_chain(folder: Path, inner: Address, a: Address, b: Address) -> Path:
    """The example with other ports: L4's, its servers', and any for L7."""
    text = (ROOT / "conf" / "chain.conf").read_text(encoding="utf-8")
    ports = {8081: 0, 8001: inner.port, 3000: a.port, 3001: b.port}
    for old, new in ports.items():
        text, count = re.subn(rf"(= 127\.0\.0\.1):{old}$", rf"\1:{new}", text, flags=re.MULTILINE)
        assert count >= 1, f"conf/chain.conf has no port {old}"
    file = folder / "chain.conf"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_chain_balances(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """Each request through L7 is a connection through L4, which picks the servers in turn."""
    with reserved_port() as inner:
        file = write_chain(tmp_path, inner, abc["a"], abc["b"])
        l4, l7 = start_both(processes, file).values()
        assert l4.address == inner
        assert {l7.ask() for _ in range(4)} == {"a", "b"}
        answer = ask(l7.address, f"/bytes/{SIZE}")
        assert answer.body == b"".join(blocks(SIZE))
        answer = ask(l7.address, "/", "POST", body=b"".join(blocks(SIZE)))
        assert answer.body.decode() == f"{SIZE} {digest_of(SIZE)}\n"


def test_the_server_hears_of_the_client(processes: Processes, tmp_path: Path) -> None:
    """What L7 says about the client goes through L4 untouched."""
    with reserved_port() as inner, ScriptedServer() as server:
        file = write_chain(tmp_path, inner, server.address, Address("127.0.0.1", 1))
        l4, l7 = start_both(processes, file).values()
        l4.running.wait_for("app/b .* is down")
        with connect(l7.address, "127.0.0.77") as client:
            client.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
            head = b""
            while not head:  # A health check comes without a word.
                with server.accept() as accepted:
                    head = accepted.socket.recv(65536)
                    accepted.send(b"HTTP/1.1 204 No Content\r\n\r\n" if head else b"")
            assert client.read_head().startswith(b"HTTP/1.1 204 ")
    assert b"\r\nX-Forwarded-For: 127.0.0.77\r\n" in head
    assert b"\r\nHost: shop.test\r\n" in head


def test_the_chain_loses_nothing_with_a_server(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """A server that is killed behind L4 costs clients who come after that nothing: L4 dials another one."""
    with reserved_port() as inner, reserved_port() as mortal:
        server = KillableServer(processes, "b", mortal)
        file = write_chain(tmp_path, inner, abc["a"], mortal)
        _, l7 = start_both(processes, file).values()
        with Load(l7.address, keeping=2) as load:
            load.wait_for(50)
            server.kill()
            dead = time.monotonic()
            load.wait_for(50)
        assert load.failures(since=dead) == []
        assert Counter(l7.ask() for _ in range(4)) == {"a": 4}
