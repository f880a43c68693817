"""How a connection to a server is opened: the header, the handshake, the address it comes from."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from deston.address import Address
from deston.balancer.server import Server
from deston.config.model import SendProxyProtocol
from deston.errors import ConnectError, StartError
from deston.l4.client import Client
from deston.l4.to_pool import ToPool
from deston.net.dial import dial
from deston.net.proxy_protocol import TLV_ALPN, TLV_AUTHORITY, TLV_UNIQUE_ID, ProxyHeader, parse_proxy_header
from deston.net.relay import Limits
from deston.net.stream import NEVER, Stream
from deston.net.tls_stream import TlsStream
from tests.builders import make_pool_config, make_server_config, make_tls_config
from tests.peers import AnswersAtTheEnd, EchoServer, Peer, wait_until
from tests.tls_peers import NAME, TlsServer, make_certificate
from tests.unit.l4.builders import make_listener
from tests.wires import in_good_time, tcp_pair

CLIENT = ("192.0.2.7", 4711)


@contextlib.contextmanager
def client(address: Any = CLIENT) -> Iterator[Client]:
    with tcp_pair() as (near, _), in_good_time():
        one = Client(near, address)
        yield one
        one.side.close()


def way(dialer: Any = None, **pool: Any) -> ToPool:
    return ToPool(make_listener(), make_pool_config(**pool), dialer or dial)


def make_server(address: Address, tls: bool = False) -> Server:
    return Server(make_server_config(address=address, tls=tls))


def header_at(server: Peer) -> ProxyHeader:
    """The header that a server got, and nothing behind it."""
    wait_until(lambda: parse_proxy_header(bytes(server.received)), "a header", gevent.sleep)
    found = parse_proxy_header(bytes(server.received))
    assert found is not None
    assert found[1] == len(server.received)
    return found[0]


def test_without_a_header() -> None:
    """A server gets the client's bytes alone."""
    with AnswersAtTheEnd(b"") as server, client() as one:
        stream = way().open(make_server(server.address), one)
        assert isinstance(stream, Stream)
        stream.write(b"hello")
        stream.shutdown_write()
        assert stream.read(1) == b""
        stream.close()
        assert bytes(server.received) == b"hello"


def test_version_1() -> None:
    """The first line names the client and the address that it connected to."""
    with AnswersAtTheEnd(b"") as server, client() as one:
        stream = way(send_proxy_protocol=SendProxyProtocol.V1).open(make_server(server.address), one)
        header = header_at(server)
        assert (header.source, header.destination) == (CLIENT, one.stream.socket.getsockname())
        stream.close()


def test_version_2_tells_more() -> None:
    """The name that the client asked for, the protocol that was agreed on, and the one id of the connection."""
    with AnswersAtTheEnd(b"") as server, client() as one:
        one.server_name, one.alpn = "a.test", "h2"
        stream = way(send_proxy_protocol=SendProxyProtocol.V2).open(make_server(server.address), one)
        header = header_at(server)
        assert header.source == CLIENT
        tlvs = dict(header.tlvs)
        assert (tlvs[TLV_AUTHORITY], tlvs[TLV_ALPN]) == (b"a.test", b"h2")
        assert len(tlvs[TLV_UNIQUE_ID]) == 32
        stream.close()
    with AnswersAtTheEnd(b"") as server, client() as again:
        again.unique_id = b"from before"
        stream = way(send_proxy_protocol=SendProxyProtocol.V2).open(make_server(server.address), again)
        assert header_at(server).tlvs == ((TLV_UNIQUE_ID, b"from before"),)
        stream.close()


def test_the_header_stands_before_the_handshake(tmp_path: Path) -> None:
    """A server with TLS reads the header in the clear, as HAProxy and nginx send it."""

    class BehindAHeader(TlsServer):
        def serve(self, connection: Any) -> None:
            line = b""
            while not line.endswith(b"\r\n"):
                line += connection.recv(1)
            self.received += line
            super().serve(connection)

    made = make_certificate(tmp_path)
    tls = make_tls_config(ca=str(made.certificate), server_name=NAME)
    with BehindAHeader(made) as server, client() as one:
        pool = way(send_proxy_protocol=SendProxyProtocol.V1, tls=tls)
        stream = pool.open(make_server(server.address, tls=True), one)
        assert isinstance(stream, TlsStream)
        stream.write(b"hello")
        assert stream.read(5) == b"hello"
        stream.close()
        assert server.received.startswith(b"PROXY TCP4 192.0.2.7 ")
        assert server.server_names == [NAME]


@pytest.mark.parametrize("agreed", ["h2", "imap", ""])
def test_a_server_is_offered_what_the_client_agreed_on(agreed: str, tmp_path: Path) -> None:
    """The bytes are those of that protocol; servers of gRPC let nobody in who does not say so."""
    chosen: list[str | None] = []

    def say_which(secured: ssl.SSLSocket) -> None:
        chosen.append(secured.selected_alpn_protocol())
        secured.sendall(secured.recv(1))
        secured.recv(1)

    made = make_certificate(tmp_path)
    to_pool = way(tls=make_tls_config(ca=str(made.certificate), server_name=NAME))
    with TlsServer(made, say_which) as server:
        server.offer("http/1.1", "h2", "imap")
        for alpn in ("", agreed):
            with client() as one:
                one.alpn = alpn
                stream = to_pool.open(make_server(server.address, tls=True), one)
                stream.write(b"x")
                assert stream.read(1) == b"x"
                stream.close()
    assert chosen == [None, agreed or None]


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """Verification is on by default; another server may be tried."""
    with TlsServer(make_certificate(tmp_path)) as server, client() as one:
        with pytest.raises(ConnectError, match="cannot be trusted"):
            way().open(make_server(server.address, tls=True), one)
        with pytest.raises(StartError, match="cannot be read"):
            way(tls=make_tls_config(ca="missing.pem")).open(make_server(server.address, tls=True), one)


def test_the_address_that_servers_see() -> None:
    """``source_address`` is where connections come from; one that this machine lacks is told."""
    with EchoServer() as server, client() as one:
        stream = way(source_address="127.0.0.9").open(make_server(server.address), one)
        assert stream.socket.getsockname()[0] == "127.0.0.9"
        stream.close()
        with pytest.raises(ConnectError, match=r"no connection from 192\.0\.2\.1"):
            way(source_address="192.0.2.1").open(make_server(server.address), one)


def test_a_header_that_is_not_taken() -> None:
    """A server whose connection is gone already counts as one that could not be reached."""
    with client() as one, tcp_pair() as (near, far):

        def gone(address: Address, timeout: float, source: str = "") -> Stream:
            stream = Stream(near)
            far.close()
            stream.shutdown_write()
            return stream

        with pytest.raises(ConnectError, match="does not take"):
            way(gone, send_proxy_protocol=SendProxyProtocol.V1).open(make_server(Address("127.0.0.1", 1)), one)


def test_limits_of_both() -> None:
    """A limit of 0 is none, and the shorter life counts."""
    listener = make_listener(client_timeout=9.0, client_idle_timeout=0.0, max_lifetime=7.0)
    pool = make_pool_config(half_close_timeout=3.0, server_idle_timeout=4.0, max_lifetime=5.0)
    expected = Limits(idle=9.0, half_closed=3.0, client_idle=NEVER, server_idle=4.0, lifetime=5.0)
    assert ToPool(listener, pool, way).limits == expected  # type: ignore[arg-type]
