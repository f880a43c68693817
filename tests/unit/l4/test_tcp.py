"""One TCP connection: to whom it goes, how it ends, and what is counted of it."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import LogFormat, OnLeaving, ServerConfig
from deston.errors import OutOfDescriptors
from deston.l4.client import Client
from deston.l4.refusals import Refusal
from deston.l4.tcp import TcpProxy
from deston.net.dial import dial
from deston.net.stream import Stream
from tests.builders import make_pool, make_server_config
from tests.peers import (
    DEADLINE_S,
    AcceptsAndNeverAnswers,
    AnswersAtTheEnd,
    ClosesAtOnce,
    EchoServer,
    NamesItself,
    Peer,
    RefusingPort,
    ResetsAfter,
    SlowReader,
    UnansweringPort,
    wait_until,
)
from tests.unit.l4.builders import go_down, make_listener
from tests.wires import fill, in_good_time, read_all, read_exactly, tcp_pair, unix_pair

SOON = 0.1
CLIENT = ("127.0.0.1", 50000)

Dials = list[tuple[str, bool]]


class Connection:
    """A client that a proxy serves; ``far`` is the client's end."""

    def __init__(self, proxy: TcpProxy, near: Any, far: Any, address: Any) -> None:
        self.far = far
        self.near = near
        self.serving = gevent.spawn(proxy.handle, near, address)

    def join(self) -> None:
        """Wait until the proxy has done with it, which leaves the socket closed."""
        self.serving.join(DEADLINE_S)
        assert self.serving.ready()
        assert self.serving.exception is None
        wait_until(lambda: self.near.fileno() == -1, "the connection to be over", gevent.sleep)


class Setting:
    """A proxy for one pool, and what its pool's observer was told of dials."""

    def __init__(self, pool: Pool, **listener: Any) -> None:
        self.pool = pool
        self.dials: Dials = []
        self.proxy = TcpProxy(Registry([pool]), make_listener(**listener))
        pool.observer = lambda pool, server, reached: self.dials.append((server.name, reached))

    @contextlib.contextmanager
    def client(self, address: Any = CLIENT, buffer: int = 0) -> Iterator[Connection]:
        with tcp_pair(buffer) as (near, far), in_good_time():
            connection = Connection(self.proxy, near, far, address)
            try:
                yield connection
            finally:
                connection.serving.kill()
                for one in [one for one in self.proxy.connections if one.client.stream.socket is near]:
                    one.cut()

    def server(self, name: str) -> Server:
        return next(one for one in self.pool.servers if one.name == name)

    @property
    def active(self) -> int:
        return sum(server.active for server in self.pool.servers)


def at(name: str, peer: Peer | Address, **changes: Any) -> ServerConfig:
    return make_server_config(name, address=peer if isinstance(peer, Address) else peer.address, **changes)


def test_a_connection_from_its_begin_to_its_account() -> None:
    """A client talks to a server of the pool; in the end the lease is released and the bytes are counted."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
            assert setting.active == 1
            assert len(setting.proxy.connections) == 1
            client.far.shutdown(socket.SHUT_WR)
            assert read_all(client.far) == b""
            client.join()
    a = setting.server("a")
    assert (a.active, a.total, a.failures, a.bytes_in, a.bytes_out) == (0, 1, 0, 5, 5)
    assert a.latency > 0
    assert setting.dials == [("a", True)]
    assert setting.proxy.connections == set()
    assert setting.proxy.refusals.total == 0


def test_a_client_that_half_closes_gets_its_answer() -> None:
    """A client may end what it sends before it gets anything."""
    with AnswersAtTheEnd(b"the answer") as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"the question")
            client.far.shutdown(socket.SHUT_WR)
            assert read_all(client.far) == b"the answer"
            client.join()
        assert server.received == b"the question"
    assert setting.active == 0


def test_connections_take_turns() -> None:
    """Each connection is a pick of its own."""
    with NamesItself("a") as one, NamesItself("b") as other:
        setting = Setting(make_pool(at("a", one), at("b", other)))
        names = []
        for _ in range(4):
            with setting.client() as client:
                names.append(read_all(client.far))
                client.far.close()
                client.join()
    assert sorted(names) == [b"a", b"a", b"b", b"b"]


def test_the_clients_address_decides_without_its_port() -> None:
    """Hashing policies see a client's address in one spelling, and nothing of its port."""
    with contextlib.ExitStack() as stack:
        names = "abcdefgh"
        peers = [stack.enter_context(NamesItself(name)) for name in names]
        configs = [at(name, peer) for name, peer in zip(names, peers, strict=True)]
        setting = Setting(make_pool(*configs, algorithm="ip_hash"))
        chosen = set()
        for address in (("10.1.2.3", 1), ("10.1.2.3", 2), ("::ffff:10.1.2.3", 3, 0, 0)):
            with setting.client(address) as client:
                chosen.add(read_all(client.far))
    assert len(chosen) == 1


def test_a_client_on_a_unix_socket() -> None:
    """A client without an address is served like any other."""
    with EchoServer() as server, unix_pair() as (near, far), in_good_time():
        setting = Setting(make_pool(at("a", server), algorithm="ip_hash"))
        connection = Connection(setting.proxy, near, far, "")
        far.sendall(b"hello")
        assert read_exactly(far, 5) == b"hello"
        far.close()
        connection.join()


def test_a_server_on_a_unix_socket(tmp_path: Path) -> None:
    """A server may be a unix socket."""
    with EchoServer(Address(path=str(tmp_path / "a.sock"))) as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"


# Dials that fail.


@pytest.mark.parametrize("kind", [RefusingPort, UnansweringPort])
def test_a_failed_dial_goes_to_another_server(kind: type[Peer], caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses, or does not answer in time, is counted as failed, and the client never knows."""
    caplog.set_level(logging.INFO, "deston.l4")
    with kind() as bad, EchoServer() as good:
        setting = Setting(make_pool(at("bad", bad), at("good", good, backup=True), connect_timeout=SOON))
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
            assert setting.server("bad").active == 0
            assert setting.server("good").active == 1
    assert setting.dials == [("bad", False), ("good", True)]
    assert (setting.server("bad").failures, setting.server("good").failures) == (1, 0)
    assert setting.active == 0
    assert f"tcp: {bad.address}: " in caplog.text
    assert "trying another server" in caplog.text


def test_the_retries_are_used_up(caplog: pytest.LogCaptureFixture) -> None:
    """After ``retries`` further tries the client is closed; each try went to another server."""
    caplog.set_level(logging.INFO, "deston.l4")
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(RefusingPort()) for _ in range(4)]
        setting = Setting(make_pool(*(at(f"s{port.port}", port) for port in ports), retries=2))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
    assert len({name for name, _ in setting.dials}) == len(setting.dials) == 3
    assert not any(reached for _, reached in setting.dials)
    assert sum(server.failures for server in setting.pool.servers) == 3
    assert setting.active == 0
    assert setting.proxy.refusals.total == 1
    assert "tcp: a connection was refused: 127.0.0.1:" in caplog.text


def test_no_retries() -> None:
    """Without retries the first failed dial is the last."""
    with RefusingPort() as bad, EchoServer() as good:
        setting = Setting(make_pool(at("bad", bad), at("good", good, backup=True), retries=0))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
        assert good.accepted == 0
    assert setting.active == 0


def test_more_retries_than_servers() -> None:
    """When every server was tried there is none left, however many retries are."""
    with RefusingPort() as one, RefusingPort() as other:
        setting = Setting(make_pool(at("a", one), at("b", other), retries=9))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
    assert sorted(setting.dials) == [("a", False), ("b", False)]
    assert setting.active == 0


def test_no_server_available() -> None:
    """A client for whom there is no server is closed at once, without a dial."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server)))
        setting.server("a").health = Health.DOWN
        setting.pool.refresh()
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
        assert server.accepted == 0
    assert setting.proxy.refusals.total == setting.pool.refused == 1
    assert setting.dials == []


def test_a_full_server() -> None:
    """A server with all the connections that it may have gets no more; when one ends, the next one is served."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server, max_connections=1), queue=1))
        with setting.client() as first, setting.client() as second:
            first.far.sendall(b"hello")
            assert read_exactly(first.far, 5) == b"hello"
            second.far.sendall(b"later")
            with setting.client() as third:
                assert read_all(third.far) == b""
                third.join()
            first.far.close()
            first.join()
            assert read_exactly(second.far, 5) == b"later"


def test_a_pool_that_is_gone() -> None:
    """A listener whose pool a reload took away closes its clients, and serves again when it is back."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server)))
        pool = setting.pool
        setting.proxy.registry.replace([])
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
        setting.proxy.registry.replace([pool])
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"


def test_a_name_that_is_not_resolved_yet() -> None:
    """A server whose name has no address yet gets no client; once it has one, it does."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("named", Address("app.test", 80))))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
        setting.server("named").endpoint = server.address
        setting.pool.refresh()
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"


def test_out_of_descriptors_is_no_servers_fault() -> None:
    """Where we cannot dial at all, no server is blamed and none is tried in its place."""

    def starved(address: Address, timeout: float, source: str = "") -> Stream:
        raise OutOfDescriptors("no descriptor is left")

    setting = Setting(make_pool(at("a", Address("127.0.0.1", 1)), at("b", Address("127.0.0.1", 2))))
    setting.proxy = TcpProxy(setting.proxy.registry, setting.proxy.config, dialer=starved)
    with setting.client() as client:
        assert read_all(client.far) == b""
        client.join()
    assert setting.dials == []
    assert sum(server.failures for server in setting.pool.servers) == 0
    assert sum(server.total for server in setting.pool.servers) == 1
    assert setting.active == 0


def test_a_fault_of_ours_leaves_nothing_open() -> None:
    """An error that nobody foresaw ends one connection: its lease is released and its socket closed."""

    def broken(address: Address, timeout: float, source: str = "") -> Stream:
        raise RuntimeError("a fault of ours")

    setting = Setting(make_pool(at("a", Address("127.0.0.1", 1))))
    setting.proxy = TcpProxy(setting.proxy.registry, setting.proxy.config, dialer=broken)
    with tcp_pair() as (near, far), in_good_time():
        with pytest.raises(RuntimeError):
            setting.proxy.handle(near, CLIENT)
        assert read_all(far) == b""
    assert setting.active == 0


# Ends.


def test_a_server_that_closes_at_once() -> None:
    """A server that accepts and closes has ended its side; nothing is counted as a failure."""
    with ClosesAtOnce() as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.far.close()
            client.join()
    assert setting.active == 0
    assert setting.server("a").failures == 0


def test_a_server_that_resets(caplog: pytest.LogCaptureFixture) -> None:
    """A server's reset reaches the client as a reset, and the log only where it is looked for."""
    caplog.set_level(logging.DEBUG, "deston.l4")
    with ResetsAfter(5) as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                client.far.recv(1)
            client.join()
    assert setting.active == 0
    assert setting.server("a").bytes_in == 5
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("DEBUG", "tcp: a connection to a ended: server reset")
    ]


def test_an_idle_connection_is_ended() -> None:
    """The listener's client timeout ends what does not move."""
    with AcceptsAndNeverAnswers() as server:
        setting = Setting(make_pool(at("a", server)), client_timeout=SOON)
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
    assert setting.active == 0


def test_a_half_closed_connection_is_ended() -> None:
    """The pool's half-close timeout ends a connection whose server does not."""
    with AcceptsAndNeverAnswers() as server:
        setting = Setting(make_pool(at("a", server), half_close_timeout=SOON))
        with setting.client() as client:
            client.far.shutdown(socket.SHUT_WR)
            assert read_all(client.far) == b""
            client.join()
    assert setting.active == 0


def test_a_connection_has_the_shorter_life_of_listener_and_pool() -> None:
    """Whoever sets the shorter life ends the connection, with a reset."""
    with EchoServer() as server:
        for listener, pool in ((SOON, 0.0), (3600.0, SOON)):
            setting = Setting(make_pool(at("a", server), max_lifetime=pool), max_lifetime=listener)
            with setting.client() as client:
                client.far.sendall(b"hello")
                assert read_exactly(client.far, 5) == b"hello"
                with pytest.raises(ConnectionResetError):
                    client.far.recv(1)
                client.join()
            assert setting.active == 0


def test_a_further_try_is_of_the_pool_as_it_is_by_then() -> None:
    """A server that was taken out while another one was dialed in vain is not tried."""
    with EchoServer() as gone, EchoServer() as server:
        nobody = Address("127.0.0.1", 1)
        setting = Setting(make_pool(at("nobody", nobody), at("gone", gone), algorithm="first"))
        changed = make_pool(at("new", server))

        def dial_while_it_changes(address: Address, timeout: float, source: str = "") -> Stream:
            setting.proxy.registry.replace([changed])
            return dial(address, timeout, source)

        setting.proxy._dial = dial_while_it_changes
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
        assert [one.total for one in changed.servers] == [1]


@pytest.mark.parametrize("on_down", OnLeaving)
def test_a_server_that_goes_down(on_down: OnLeaving) -> None:
    """Its connections are left alone or ended with a reset, as its pool says."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server), on_down=on_down))
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
            setting.proxy.sweep(0)
            go_down(setting.pool, setting.server("a"))
            setting.proxy.sweep(1.0)
            if on_down is OnLeaving.CLOSE:
                with pytest.raises(ConnectionResetError):
                    client.far.recv(1)
                client.join()
            else:
                client.far.sendall(b"again")
                assert read_exactly(client.far, 5) == b"again"


@pytest.mark.parametrize("linger_timeout", [5.0, 0.0], ids=["lingering", "closing at once"])
def test_a_client_that_sends_on_to_a_server_that_has_left(linger_timeout: float) -> None:
    """The last bytes of a server that has left reach a client that does not listen yet, if there is time to linger."""

    class AnswersAndLeaves(Peer):
        def serve(self, connection: socket.socket) -> None:
            self.take(connection, 1)
            connection.sendall(b"the last word")

    with AnswersAndLeaves() as server:
        setting = Setting(make_pool(at("a", server)), linger_timeout=linger_timeout)
        with setting.client() as client:
            client.far.sendall(b".")
            wait_until(lambda: client.far.recv(13, socket.MSG_PEEK) == b"the last word", "it", gevent.sleep)
            # A byte that it has not read would make the server's own end a reset.
            wait_until(lambda: _server_has_ended(setting), "the server's end", gevent.sleep)
            wait_until(lambda: _sends_on(client.far, setting), "the server's loss", gevent.sleep)
            if linger_timeout:
                assert read_all(client.far) == b"the last word"
                assert setting.proxy.connections
                client.far.close()
            client.join()
    assert setting.active == 0


def _server_has_ended(setting: Setting) -> bool:
    relays = [one._relay for one in setting.proxy.connections]
    return any(relay is not None and relay.from_server.ended for relay in relays)


def _sends_on(far: Any, setting: Setting) -> bool:
    """Send one byte more; whether the proxy has found out that the server is gone."""
    with contextlib.suppress(ConnectionError):
        far.sendall(b".")
    return setting.active == 0


def test_a_connection_that_is_cut_gives_resets() -> None:
    """At the end of a drain both sides see a reset, so that neither takes what it got for all; bytes are counted."""
    ended: list[str] = []

    class NotesItsEnd(Peer):
        def serve(self, connection: socket.socket) -> None:
            try:
                self.take_all(connection)
                ended.append("end")
            except ConnectionResetError:
                ended.append("reset")

    with NotesItsEnd() as server:
        setting = Setting(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"hello")
            wait_until(lambda: server.received, "the bytes", gevent.sleep)
            setting.proxy.cut()
            with pytest.raises(ConnectionResetError):
                client.far.recv(1)
            wait_until(lambda: ended, "the server's end", gevent.sleep)
    assert ended == ["reset"]
    assert setting.active == 0
    assert setting.server("a").bytes_in == 5
    assert setting.proxy.connections == set()


def test_a_kill_ends_a_dial() -> None:
    """A connection that is cut while its server is dialed releases its lease."""
    with UnansweringPort() as port:
        setting = Setting(make_pool(at("a", port)))
        with setting.client() as client:
            wait_until(lambda: setting.active, "the dial", gevent.sleep)
            setting.proxy.cut()
            assert read_all(client.far) == b""
            client.join()
    assert setting.active == 0
    assert setting.server("a").failures == 0


def test_a_server_that_reads_slowly_holds_up_its_client_only() -> None:
    """While a server does not read, its client is held up, and others are served."""
    with SlowReader() as slow, EchoServer() as quick:
        setting = Setting(make_pool(at("slow", slow), at("quick", quick)))
        with setting.client(buffer=8192) as held:
            sent = fill(held.far)
            assert len(slow.received) == 0
            with setting.client() as other:
                other.far.sendall(b"hello")
                assert read_exactly(other.far, 5) == b"hello"
            slow.go.set()
            held.far.sendall(b"the rest")
            held.far.shutdown(socket.SHUT_WR)
            assert read_all(held.far) == b""
            held.join()
        assert len(slow.received) == sent + len(b"the rest")
    assert setting.server("slow").bytes_in == len(slow.received)


def test_a_new_configuration_counts_for_new_connections() -> None:
    """A listener that a reload points to another pool leaves the connections that it has alone."""
    with NamesItself("old") as old, NamesItself("new") as new:
        setting = Setting(make_pool(at("a", old)))
        other = make_pool(at("b", new), name="other")
        with setting.client() as first:
            assert read_exactly(first.far, 3) == b"old"
            setting.proxy.registry.replace([setting.pool, other])
            setting.proxy.config = dataclasses.replace(setting.proxy.config, pool="other")
            with setting.client() as second:
                assert read_all(second.far) == b"new"
            assert first.near.fileno() != -1


# The account.


class Lines:
    """An access log that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, line: str) -> None:
        self.records.append(json.loads(line))


def logged(pool: Pool, **listener: Any) -> tuple[Setting, list[dict[str, Any]]]:
    """A setting with an access log, and its lines."""
    setting = Setting(pool, access_log_format=LogFormat.JSON, **listener)
    lines = Lines()
    setting.proxy.access_log = lines  # type: ignore[assignment]
    return setting, lines.records


def test_a_line_for_a_connection() -> None:
    """Who, where to, how long, how much, and that it ended in good order after one redispatch."""
    with EchoServer() as server, RefusingPort() as port:
        setting, lines = logged(make_pool(at("dead", port), at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"hello")
            assert read_exactly(client.far, 5) == b"hello"
            client.far.shutdown(socket.SHUT_WR)
            assert read_all(client.far) == b""
            client.join()
    expected = {
        "client": "127.0.0.1:50000", "listener": "tcp", "pool": "app", "server": "a", "code": "--", "ending": "closed",
        "bytes_in": 5, "bytes_out": 5, "tries": 2,
    }  # fmt: skip
    assert len(lines) == 1
    assert expected.items() <= lines[0].items()
    assert lines[0]["connect_ms"] >= 0


def test_lines_for_other_ends() -> None:
    """A reset, a refusal and a cut have their codes; a fault of ours has one, too."""
    with ResetsAfter(1) as server, RefusingPort() as port, UnansweringPort() as silent:
        setting, lines = logged(make_pool(at("a", server)))
        with setting.client() as client:
            client.far.sendall(b"x")
            client.join()
        assert lines.pop()["code"] == "SD"
        setting, lines = logged(make_pool(at("dead", port)))
        with setting.client() as client:
            client.join()
        assert (lines[0]["code"], lines[0]["server"], lines.pop()["ending"]) == ("SC", "dead", "connect failed")
        setting, lines = logged(make_pool(at("silent", silent), connect_timeout=60.0))
        with setting.client() as client:
            wait_until(lambda: setting.active, "the dial", gevent.sleep)
            setting.proxy.cut()
            client.join()
        assert lines.pop()["code"] == "KC"


# What clients have to show, and what servers are told.


def test_a_client_that_is_not_welcome() -> None:
    """It is refused before anything is read or dialed, and counted by the reason."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server)), deny=(ipaddress.ip_network("127.0.0.0/8"),))
        with setting.client() as client:
            assert read_all(client.far) == b""
            client.join()
        assert setting.proxy.refusals[Refusal.DENIED] == 1
        assert setting.dials == []


def test_what_was_read_ahead_goes_to_the_server() -> None:
    """Bytes that came with a PROXY protocol header are not lost, even where the first dial fails."""
    with EchoServer() as server, RefusingPort() as port:
        trusted = (ipaddress.ip_network("127.0.0.1/32"),)
        setting = Setting(
            make_pool(at("dead", port), at("a", server)), accept_proxy_protocol=True, trusted_proxies=trusted
        )
        with setting.client() as client:
            client.far.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\nhello")
            assert read_exactly(client.far, 5) == b"hello"
            assert [str(one.client) for one in setting.proxy.connections] == ["192.0.2.7:1"]


def test_connections_of_one_client() -> None:
    """The limit counts those that are open, however they end."""
    with EchoServer() as server:
        setting = Setting(make_pool(at("a", server)), max_connections_per_client=1)
        for _ in range(2):
            with setting.client() as first:
                wait_until(lambda: setting.active, "the relay", gevent.sleep)
                with setting.client() as second:
                    assert read_all(second.far) == b""
                    second.join()
                first.far.close()
                first.join()
        assert setting.proxy.refusals[Refusal.CLIENT_CONNECTIONS] == 2


def test_more_read_ahead_than_the_server_takes() -> None:
    """What was read ahead waits like anything else where the server does not keep up."""
    with SlowReader() as server:
        trusted = (ipaddress.ip_network("127.0.0.1/32"),)
        setting = Setting(make_pool(at("a", server)), accept_proxy_protocol=True, trusted_proxies=trusted)

        def receive(client: Client) -> str:
            client.ahead = b"x" * 20_000_000
            return "app"

        setting.proxy.reception.receive = receive  # type: ignore[method-assign]
        with setting.client() as client:
            wait_until(lambda: any(one._relay for one in setting.proxy.connections), "the relay", gevent.sleep)
            relay = next(iter(setting.proxy.connections))._relay
            assert relay is not None
            assert relay.from_client.is_blocked
            client.far.sendall(b"later")
