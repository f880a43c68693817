"""A udp listener: to whom datagrams go, what comes back, and how sessions end."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import ANY_NUMBER, OnLeaving, SendProxyProtocol, ServerConfig
from deston.errors import OutOfDescriptors
from deston.l4.refusals import Refusal
from deston.l4.udp import UdpProxy
from deston.net import datagram
from deston.net.datagram import LARGEST_DATAGRAM, DatagramListener, bind_datagram
from deston.net.proxy_protocol import parse_proxy_header
from tests.builders import make_pool, make_server_config
from tests.datagram_peers import DatagramClient, DatagramServer, unused_port
from tests.peers import LOOPBACK, has_ipv6, wait_until
from tests.unit.l4.builders import go_down, make_udp_listener
from tests.wires import in_good_time

Dials = list[tuple[str, bool]]


def at(name: str, address: Address, **changes: Any) -> ServerConfig:
    return make_server_config(name, address=address, **changes)


class Setting:
    """A proxy that serves, and what its pool's observer was told."""

    def __init__(self, proxy: UdpProxy, pool: Pool, address: Address) -> None:
        self.proxy = proxy
        self.pool = pool
        self.address = address
        self.told: Dials = []
        pool.observer = lambda pool, server, reached: self.told.append((server.name, reached))

    def server(self, name: str) -> Server:
        return next(one for one in self.pool.servers if one.name == name)

    @property
    def active(self) -> int:
        return sum(server.active for server in self.pool.servers)


@contextlib.contextmanager
def serving(pool: Pool, bind: Address = LOOPBACK, **listener: Any) -> Iterator[Setting]:
    raw = bind_datagram(bind)
    host, port = raw.getsockname()[:2]
    proxy = UdpProxy(
        Registry([pool]), make_udp_listener(**{"responses": ANY_NUMBER, **listener}), DatagramListener(raw)
    )
    proxy.start()
    try:
        with in_good_time():
            yield Setting(proxy, pool, Address(host, port))
    finally:
        proxy.close()
    assert sum(server.active for server in pool.servers) == 0


def test_a_session_keeps_its_server() -> None:
    """A client's datagrams go to one server, another client's to the next one, and each gets its own answers."""
    with DatagramServer(b"a:") as a, DatagramServer(b"b:") as b:
        with (
            serving(make_pool(at("a", a.address), at("b", b.address))) as setting,
            DatagramClient(setting.address) as one,
            DatagramClient(setting.address) as other,
        ):
            first, second = one.ask(b"1")[:2], other.ask(b"2")[:2]
            assert {first, second} == {b"a:", b"b:"}
            assert [one.ask(b"%d" % number) for number in range(5)] == [first + b"%d" % n for n in range(5)]
            assert setting.active == len(setting.proxy.sessions) == 2
        assert setting.told.count(("a", True)) == setting.told.count(("b", True)) == 1
        counted = setting.server("a" if first == b"a:" else "b")
        assert (counted.total, counted.bytes_in, counted.bytes_out) == (1, 6, 18)
        assert counted.latency > 0


@pytest.mark.parametrize("size", [0, 1, 1400, LARGEST_DATAGRAM - 1, LARGEST_DATAGRAM])
def test_datagrams_of_every_size(size: int) -> None:
    """What is sent arrives as it is, both ways, the empty one and the largest included."""
    with DatagramServer() as server, serving(make_pool(at("a", server.address))) as setting:
        with DatagramClient(setting.address) as client:
            data = bytes(number % 251 for number in range(size))
            assert client.ask(data) == data
        assert server.received == [data]


def test_a_session_ends_with_its_last_answer() -> None:
    """``responses`` counts for each datagram, so that a client may ask again before it has its answers."""
    with DatagramServer(answers=2) as server:
        with (
            serving(make_pool(at("a", server.address)), responses=2) as setting,
            DatagramClient(setting.address) as client,
        ):
            assert client.ask(b"x") == client.receive() == b"x"
            wait_until(lambda: not setting.proxy.sessions, "the session to end", gevent.sleep)
            client.send(b"1")
            client.send(b"2")
            assert sorted(client.receive() for _ in range(4)) == [b"1", b"1", b"2", b"2"]
            wait_until(lambda: not setting.proxy.sessions, "the session to end", gevent.sleep)
        assert setting.server("a").total == 2


def test_a_flow_without_answers_is_balanced_by_datagram() -> None:
    """With ``responses = 0`` there are no sessions, and each datagram is a pick of its own."""
    with DatagramServer(answers=0) as a, DatagramServer(answers=0) as b:
        with serving(make_pool(at("a", a.address), at("b", b.address)), responses=0) as setting:
            with DatagramClient(setting.address) as client:
                for number in range(6):
                    client.send(b"%d" % number)
                wait_until(lambda: len(a.received) + len(b.received) == 6, "all datagrams", gevent.sleep)
            assert not setting.proxy.sessions
        assert (len(a.received), len(b.received)) == (3, 3)
        assert len(set(a.senders)) == 1
        assert setting.server("a").bytes_in == 3


def test_a_flow_without_answers_goes_round_a_dead_server() -> None:
    """A refusal is told by the next datagram to that server; it goes to another one."""
    with DatagramServer(answers=0) as a:
        with (
            serving(make_pool(at("a", a.address), at("dead", unused_port())), responses=0) as setting,
            DatagramClient(setting.address) as client,
        ):
            for number in range(8):
                client.send(b"%d" % number)
                gevent.sleep(0.01)
            wait_until(lambda: len(a.received) >= 6, "the datagrams", gevent.sleep)
        assert setting.server("dead").failures
        assert ("dead", False) in setting.told


def test_a_flow_without_answers_follows_its_server() -> None:
    """A name that resolves to another address takes the flow there with the next datagram."""
    with DatagramServer(answers=0) as old, DatagramServer(answers=0) as new:
        with (
            serving(make_pool(at("a", old.address)), responses=0) as setting,
            DatagramClient(setting.address) as client,
        ):
            client.send(b"1")
            wait_until(lambda: old.received, "the first datagram", gevent.sleep)
            setting.server("a").endpoint = new.address
            client.send(b"2")
            wait_until(lambda: new.received, "the second one", gevent.sleep)
        assert (old.received, new.received) == ([b"1"], [b"2"])


def test_a_silent_session_ends() -> None:
    """After ``session_timeout`` without a datagram either way; the next one begins a session of its own."""
    with (
        DatagramServer() as server,
        serving(make_pool(at("a", server.address)), session_timeout=30.0) as setting,
        DatagramClient(setting.address) as client,
    ):
        client.ask(b"x")
        now = time.monotonic()
        setting.proxy.sweep(now + 29)
        assert setting.proxy.sessions
        setting.proxy.sweep(now + 31)
        assert not setting.proxy.sessions
        assert client.ask(b"again") == b"again"


def test_the_session_that_was_silent_the_longest_makes_room() -> None:
    """At the cap, a new client is served, and the one that was heard of last keeps its session."""
    with (
        DatagramServer() as server,
        serving(make_pool(at("a", server.address)), max_sessions=2) as setting,
        contextlib.ExitStack() as stack,
    ):
        one, other, third = (stack.enter_context(DatagramClient(setting.address)) for _ in range(3))
        for client in (one, other, one, third):
            client.ask(b"x")
        assert list(setting.proxy.sessions) == [one.name, third.name]


def test_a_refusal_is_a_failure() -> None:
    """An ICMP refusal ends the session and counts; the client's next datagram goes to a server of its own."""
    with DatagramServer() as server:
        pool = make_pool(at("dead", unused_port()), at("a", server.address))
        with serving(pool) as setting, DatagramClient(setting.address) as client:
            client.send(b"lost")
            wait_until(lambda: setting.server("dead").failures, "the refusal", gevent.sleep)
            assert client.ask(b"again") == b"again"
        assert setting.told == [("dead", False), ("a", True)]


def test_a_refusal_that_a_datagram_meets_sends_it_elsewhere() -> None:
    """Where the refusal comes to light with the next datagram, that one is not lost."""
    with DatagramServer() as server:
        pool = make_pool(at("dead", unused_port()), at("a", server.address))
        with serving(pool) as setting, DatagramClient(setting.address) as client:
            setting.proxy._on_answers = lambda ready: None  # type: ignore[method-assign]
            setting.proxy._readiness._on_ready = lambda ready: None
            client.send(b"lost")
            wait_until(lambda: setting.proxy.sessions, "the session", gevent.sleep)
            client.send(b"kept")
            wait_until(lambda: server.received, "the datagram", gevent.sleep)
        assert server.received == [b"kept"]


def test_nobody_is_there() -> None:
    """A datagram that no server can take is counted, and nothing else happens."""
    with serving(make_pool(at("a", unused_port(), max_connections=1))) as setting:
        setting.server("a").health = Health.DOWN
        setting.pool.refresh()
        with DatagramClient(setting.address) as client:
            client.send(b"x")
            wait_until(lambda: setting.proxy.refusals[Refusal.NO_SERVER], "the refusal", gevent.sleep)


def test_access_rules() -> None:
    """A client that is denied has no session, and hears nothing."""
    deny = (ipaddress.ip_network("127.0.0.8/32"),)
    with DatagramServer() as server, serving(make_pool(at("a", server.address)), deny=deny) as setting:
        with DatagramClient(setting.address, "127.0.0.8") as denied, DatagramClient(setting.address) as client:
            denied.send(b"x")
            assert client.ask(b"y") == b"y"
            assert denied.hears_nothing()
        assert setting.proxy.refusals[Refusal.DENIED] == 1
        assert server.received == [b"y"]


@pytest.mark.parametrize("responses", [ANY_NUMBER, 0])
def test_the_client_is_introduced(responses: int) -> None:
    """With PROXY protocol v2, each datagram tells whose it is."""
    with DatagramServer(answers=0) as server:
        pool = make_pool(at("a", server.address), send_proxy_protocol=SendProxyProtocol.V2)
        with serving(pool, responses=responses) as setting, DatagramClient(setting.address) as client:
            client.send(b"1")
            client.send(b"2")
            wait_until(lambda: len(server.received) == 2, "the datagrams", gevent.sleep)
            for data, sent in zip(server.received, (b"1", b"2"), strict=True):
                found = parse_proxy_header(data)
                assert found is not None
                header, length = found
                assert data[length:] == sent
                assert data[13] & 0x0F == 2
                assert header.source == client.name
                assert header.destination == (setting.address.host, setting.address.port)


WILD = [Address("0.0.0.0"), pytest.param(Address("::"), marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6"))]


@pytest.mark.parametrize("bind", WILD)
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.77"])
def test_an_answer_leaves_from_where_the_client_sent_to(bind: Address, host: str) -> None:
    """On a machine with several addresses, a client takes no answer from another one."""
    with (
        DatagramServer() as server,
        serving(make_pool(at("a", server.address)), bind) as setting,
        DatagramClient(Address(host, setting.address.port)) as client,
    ):
        assert client.ask(b"x") == b"x"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_on_both_sides() -> None:
    """A listener and a server on ::1."""
    with DatagramServer(at=Address("::1")) as server:
        with (
            serving(make_pool(at("a", server.address)), Address("::1")) as setting,
            DatagramClient(setting.address) as client,
        ):
            assert client.ask(b"x") == b"x"
        with (
            serving(make_pool(at("a", server.address)), Address("::")) as setting,
            DatagramClient(Address("::1", setting.address.port)) as client,
        ):
            assert client.ask(b"x") == b"x"


def test_a_server_that_goes_down() -> None:
    """Its sessions end where the pool wants that, and stay where not."""
    for on_down in OnLeaving:
        with (
            DatagramServer() as server,
            serving(make_pool(at("a", server.address), on_down=on_down)) as setting,
            DatagramClient(setting.address) as client,
        ):
            client.ask(b"x")
            go_down(setting.pool, setting.server("a"))
            setting.proxy.sweep(time.monotonic())
            assert bool(setting.proxy.sessions) is (on_down is not OnLeaving.CLOSE)


def test_a_drain_waits_for_answers_alone() -> None:
    """Who waits for an answer gets it from a listener that takes nothing more."""
    with DatagramServer() as server, serving(make_pool(at("a", server.address)), responses=1) as setting:
        with DatagramClient(setting.address) as client:
            server.may_answer.clear()
            client.send(b"x")
            wait_until(lambda: setting.proxy.unanswered == 1, "the session", gevent.sleep)
            setting.proxy.stop_receiving()
            server.may_answer.set()
            assert client.receive() == b"x"
            assert setting.proxy.unanswered == 0
            client.send(b"more")
            gevent.sleep(0.05)
            assert setting.proxy.unanswered == 0
        assert server.received == [b"x"]


def test_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A datagram is lost and counted, no server is blamed, and the next one may be served."""
    with DatagramServer() as server, serving(make_pool(at("a", server.address))) as setting:
        with DatagramClient(setting.address) as client, monkeypatch.context() as patch:

            def starved(*arguments: Any) -> None:
                raise OutOfDescriptors("no descriptor is left")

            patch.setattr("deston.l4.udp.connect_datagram", starved)
            client.send(b"x")
            wait_until(lambda: setting.proxy.refusals[Refusal.DESCRIPTORS], "the refusal", gevent.sleep)
        with DatagramClient(setting.address) as client:
            assert client.ask(b"y") == b"y"
        assert setting.told == [("a", True)]


def test_what_a_socket_does_not_take_is_dropped() -> None:
    """A datagram that is too large with its header is lost, and no server is blamed for it."""
    with DatagramServer(answers=0) as server:
        pool = make_pool(at("a", server.address), send_proxy_protocol=SendProxyProtocol.V2)
        for responses in (ANY_NUMBER, 0):
            with serving(pool, responses=responses) as setting, DatagramClient(setting.address) as client:
                client.send(bytes(LARGEST_DATAGRAM))
                wait_until(lambda proxy=setting.proxy: proxy.dropped, "the loss", gevent.sleep)  # type: ignore[misc]
                client.send(b"x")
                wait_until(lambda: server.received, "the next one", gevent.sleep)
                assert setting.told.count(("a", False)) == 0


def test_the_address_that_servers_see() -> None:
    """``source_address`` is where sessions come from."""
    with DatagramServer() as server:
        with (
            serving(make_pool(at("a", server.address), source_address="127.0.0.9")) as setting,
            DatagramClient(setting.address) as client,
        ):
            client.ask(b"x")
        assert server.senders[0][0] == "127.0.0.9"


def test_workers_share_an_address_and_a_draining_one_gets_nothing() -> None:
    """Sockets of one address share the clients; one that hears nobody leaves all of them to the others."""
    with contextlib.ExitStack() as stack:
        one = bind_datagram(LOOPBACK)
        stack.callback(one.close)
        address = Address(*one.getsockname())
        other = bind_datagram(address)
        stack.callback(other.close)
        datagram.hear_nobody(one)
        for _ in range(20):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", one.getsockname())
        assert [other.recv(1) for _ in range(20)] == [b"x"] * 20
        with pytest.raises(BlockingIOError):
            one.recv(1)
