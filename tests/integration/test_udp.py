"""UDP listeners of the command: workers that share a port, reloads, stops, and a real DNS server."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from deston.address import Address
from tests.datagram_peers import DatagramServer
from tests.integration.commands import L4, argv_of, start
from tests.integration.configs import Tree, pool, write_config
from tests.integration.processes import DEADLINE_S, Processes, run, wait_until
from tests.integration.servers import start_dnsmasq
from tests.integration.wire import connect, free_for_both

# A query for the address of www.example.com.
QUERY = bytes.fromhex("abcd01000001000000000000") + b"\x03www\x07example\x03com\0\0\x01\0\x01"


def udp(bind: object = "127.0.0.1:0", **keys: object) -> Tree:
    """A UDP listener of ``deston-l4``."""
    return {"bind": bind, "protocol": "udp", "pool": "app", **keys}


def write(folder: Path, servers: dict[str, Address], listener: Tree, workers: int = 1, **keys: Any) -> Path:
    return write_config(folder, {"udp": listener}, pools={"app": pool(servers, **keys)}, global_={"workers": workers})


@contextmanager
def client(address: Address) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(DEADLINE_S)
        one.connect((address.host, address.port))
        yield one


def ask(address: Address, data: bytes = b"x") -> bytes:
    """The answer to one datagram of a new client."""
    with client(address) as one:
        one.send(data)
        return one.recv(65535)


def test_workers_share_a_port(processes: Processes, tmp_path: Path) -> None:
    """With port 0, two workers serve one port that the system chose, and its clients are shared out."""
    with DatagramServer(b"a:") as server:
        command = start(L4, processes, write(tmp_path, {"a": server.address}, udp(), workers=2))
        command.wait_for_workers(2)
        with ExitStack() as stack:
            for number in range(32):
                one = stack.enter_context(client(command.address))
                one.send(b"%d" % number)
                assert one.recv(100) == b"a:%d" % number
        command.running.send(signal.SIGTERM)
        assert command.running.wait() == 0
        counts = [int(count) for count in re.findall(r"app/a \S+: leases (\d+)", command.running.output)]
        assert sum(counts) == 32
        assert len(counts) == 2


def test_a_reload_keeps_the_port(processes: Processes, tmp_path: Path) -> None:
    """HUP takes over new servers in the running workers; a new listener brings new workers, and the port stays."""
    with DatagramServer(b"a:") as a, DatagramServer(b"b:") as b:
        file = write(tmp_path, {"a": a.address}, udp(responses=1))
        command = start(L4, processes, file)
        address = command.address
        assert ask(address) == b"a:x"
        write(tmp_path, {"b": b.address}, udp(responses=1))
        command.running.send(signal.SIGHUP)
        command.running.wait_for("was reloaded")
        assert ask(address) == b"b:x"
        old = command.worker
        write_config(tmp_path, {"udp": udp(responses=1), "more": udp()}, pools={"app": pool({"a": a.address})})
        command.running.send(signal.SIGHUP)
        wait_until(lambda: old not in command.workers, "the old worker to leave")
        assert ask(address) == b"a:x"
        assert ask(command.address_of("more")) == b"a:x"


def test_a_stop_waits_for_answers(processes: Processes, tmp_path: Path) -> None:
    """After TERM, a client that was promised an answer gets it."""
    with DatagramServer() as server:
        server.may_answer.clear()
        command = start(L4, processes, write(tmp_path, {"a": server.address}, udp(responses=1)))
        with client(command.address) as one:
            one.send(b"x")
            wait_until(lambda: server.received, "the datagram")
            command.running.send(signal.SIGTERM)
            server.may_answer.set()
            assert one.recv(100) == b"x"
        assert command.running.wait() == 0


def test_a_port_that_is_taken(processes: Processes, tmp_path: Path) -> None:
    """The command says so, and does not start; a TCP listener may have the same port."""
    with DatagramServer() as server:
        words, environment = argv_of(L4, write(tmp_path, {"a": Address("127.0.0.1", 9)}, udp(server.address)))
        done = run(words, environment)
        assert (done.status, done.err) == (1, f"{server.address} is in use by another process\n")


def test_a_server_that_refuses_goes_down(processes: Processes, tmp_path: Path) -> None:
    """A check by a datagram finds it out, and clients go to the other one."""
    health = {"type": "udp", "send": "ping", "expect": "ping", "interval": "50ms", "timeout": "200ms", "fall": 1}
    with DatagramServer(b"a:") as a:
        with DatagramServer() as gone:
            address = gone.address
        file = write(tmp_path, {"a": a.address, "gone": address}, udp(responses=1), health=health)
        command = start(L4, processes, file)
        command.running.wait_for("app/gone .* is down: connection refused")
        assert {ask(command.address) for _ in range(6)} == {b"a:x"}


def test_dns_by_udp_and_tcp(processes: Processes, tmp_path: Path) -> None:
    """dnsmasq behind a listener of each protocol on one port, as DNS has it."""
    server, place = free_for_both(), free_for_both()
    start_dnsmasq(processes, server, "--address=/www.example.com/192.0.2.80")
    listeners = {"udp": udp(place, responses=1), "tcp": {"bind": place, "protocol": "tcp", "pool": "app"}}
    start(L4, processes, write_config(tmp_path, listeners, pools={"app": pool({"dnsmasq": server})}))
    answer = ask(place, QUERY)
    assert answer[:2] == QUERY[:2]
    assert answer.count(bytes([192, 0, 2, 80])) == 1
    with connect(place) as wire:
        wire.send(len(QUERY).to_bytes(2, "big") + QUERY)
        assert wire.socket.recv(2 + len(answer), socket.MSG_WAITALL)[2:4] == QUERY[:2]
