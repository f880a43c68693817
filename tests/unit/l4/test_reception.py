"""What a listener asks of its clients, in which order, and what it refuses."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.ssl
import pytest

from deston.config.http_rules import PoolShare, RouteConfig
from deston.config.model import TlsMode
from deston.errors import DestonError
from deston.l4.client import Client
from deston.l4.reception import Reception
from deston.l4.refusals import Refusal, refusal_of
from deston.net.proxy_protocol import TLV_UNIQUE_ID, proxy_header_v1, proxy_header_v2
from deston.net.tls_stream import TlsStream
from tests.builders import make_listener_tls
from tests.tls_peers import NAME, Certificate, make_certificate
from tests.unit.l4.builders import make_listener
from tests.wires import in_good_time, tcp_pair

PEER = ("127.0.0.1", 50000)
REAL, ASKED = ("192.0.2.7", 4711), ("198.51.100.1", 443)
SOON = 0.05


def networks(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ipaddress.ip_network, texts))


BEHIND_A_PROXY: dict[str, Any] = {"accept_proxy_protocol": True, "trusted_proxies": networks("127.0.0.0/8")}


def route(name: str, pool: str, *sni: str, alpn: tuple[str, ...] = ()) -> RouteConfig:
    return RouteConfig(name=name, pools=(PoolShare(pool),), sni=sni, alpn=alpn)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def terminating(certificate: Certificate, **changes: Any) -> dict[str, Any]:
    files: dict[str, Any] = {"certificates": (str(certificate.certificate),), "keys": (str(certificate.key),)}
    return {"tls": make_listener_tls(TlsMode.TERMINATE, **{**files, **changes})}


PASSTHROUGH: dict[str, Any] = {"tls": make_listener_tls(TlsMode.PASSTHROUGH)}


class Arriving:
    """A client in front of a reception; ``far`` is its own end."""

    def __init__(self, client: Client, far: Any) -> None:
        self.client = client
        self.far = far


@contextlib.contextmanager
def arriving(address: Any = PEER) -> Iterator[Arriving]:
    with tcp_pair() as (near, far), in_good_time():
        client = Client(near, address)
        try:
            yield Arriving(client, far)
        finally:
            client.side.close()


def refusal(reception: Reception, client: Client) -> Refusal:
    """Why a client is not received."""
    with pytest.raises(DestonError) as caught:
        reception.receive(client)
    return refusal_of(caught.value)


@contextlib.contextmanager
def asking(far: Any, server_name: str = NAME, alpn: tuple[str, ...] = ()) -> Iterator[Any]:
    """A secured socket whose handshake is under way in a greenlet, ``shaking``."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    secured = context.wrap_socket(far, server_hostname=server_name, do_handshake_on_connect=False)
    shaking = gevent.spawn(secured.do_handshake)
    try:
        yield secured
    finally:
        shaking.kill()
        secured.close()


def test_a_listener_that_asks_nothing_is_plain() -> None:
    """No client of it waits for anything."""
    assert Reception(make_listener()).is_plain
    assert not Reception(make_listener(deny=networks("10.0.0.0/8"))).is_plain
    assert not Reception(make_listener(**BEHIND_A_PROXY)).is_plain
    assert not Reception(make_listener(**PASSTHROUGH)).is_plain


@pytest.mark.parametrize("header", [proxy_header_v1(REAL, ASKED), proxy_header_v2(REAL, ASKED)])
def test_a_trusted_proxy_says_who_the_client_is(header: bytes) -> None:
    """The real client counts from then on, and what follows the header belongs to the server."""
    with arriving() as one:
        one.far.sendall(header + b"hello")
        assert Reception(make_listener(pool="db", **BEHIND_A_PROXY)).receive(one.client) == "db"
        assert (one.client.source, one.client.destination) == (REAL, ASKED)
        assert one.client.ahead == b"hello"


def test_a_header_may_leave_it_to_the_connection() -> None:
    """A proxy's own health checks bring a header without addresses: its peer is the client."""
    with arriving() as one:
        one.far.sendall(proxy_header_v2(None, None))
        Reception(make_listener(**BEHIND_A_PROXY)).receive(one.client)
        assert one.client.source == PEER
        assert one.client.destination == one.client.stream.socket.getsockname()


def test_the_id_of_a_connection_goes_on() -> None:
    """What a proxy in front calls the connection, it is called here."""
    with arriving() as one:
        one.far.sendall(proxy_header_v2(REAL, ASKED, [(TLV_UNIQUE_ID, b"abc")]))
        Reception(make_listener(**BEHIND_A_PROXY)).receive(one.client)
        assert one.client.unique_id == b"abc"


def test_a_peer_that_is_not_trusted_is_not_even_read() -> None:
    """Whatever it sends, it is refused."""
    with arriving(("10.0.0.1", 1)) as one:
        one.far.sendall(proxy_header_v1(REAL, ASKED))
        assert refusal(Reception(make_listener(**BEHIND_A_PROXY)), one.client) is Refusal.NOT_A_PROXY
        assert one.client.stream.has_input()


@pytest.mark.parametrize("listener", [BEHIND_A_PROXY, PASSTHROUGH])
def test_what_is_broken_is_refused(listener: dict[str, Any]) -> None:
    """No header, or no ClientHello: nothing goes to a server."""
    with arriving() as one:
        one.far.sendall(b"GET / HTTP/1.1\r\n")
        assert refusal(Reception(make_listener(**listener)), one.client) is Refusal.PREFACE


@pytest.mark.parametrize("begin", [b"", b"PROXY TCP4 1.2.3.4 "])
def test_what_never_comes_is_refused_in_time(begin: bytes) -> None:
    """A client that says nothing, or half of what it has to, gets the handshake timeout."""
    with arriving() as one:
        one.far.sendall(begin)
        reception = Reception(make_listener(handshake_timeout=SOON, **BEHIND_A_PROXY))
        assert refusal(reception, one.client) is Refusal.PREFACE_TIMEOUT


def test_the_real_client_is_asked_for_at_the_door() -> None:
    """Access lists are about the client, not about the proxy in front of it."""
    reception = Reception(make_listener(deny=networks("192.0.2.0/24"), **BEHIND_A_PROXY))
    with arriving() as one:
        one.far.sendall(proxy_header_v1(REAL, ASKED))
        assert refusal(reception, one.client) is Refusal.DENIED


def test_who_was_let_in_is_counted_until_it_leaves() -> None:
    """And leaving twice, or without having been let in, counts once or never."""
    reception = Reception(make_listener(max_connections_per_client=1))
    with arriving() as one, arriving() as other:
        reception.receive(one.client)
        assert refusal(reception, other.client) is Refusal.CLIENT_CONNECTIONS
        reception.leave(other.client)
        assert refusal(reception, other.client) is Refusal.CLIENT_CONNECTIONS
        reception.leave(one.client)
        reception.leave(one.client)
        reception.receive(other.client)


ROUTES = (route("a", "a-pool", "a.test"), route("h2", "h2-pool", NAME, alpn=("h2",)))


@pytest.mark.parametrize(
    ("asked", "alpn", "pool"), [("a.test", (), "a-pool"), (NAME, ("h2",), "h2-pool"), (NAME, (), "app")]
)
def test_passthrough_reads_and_keeps_the_first_message(asked: str, alpn: tuple[str, ...], pool: str) -> None:
    """SNI and ALPN choose the pool; the message goes to the server as it came."""
    with arriving() as one:
        with asking(one.far, asked, alpn):
            assert Reception(make_listener(**PASSTHROUGH), ROUTES).receive(one.client) == pool
        assert one.client.server_name == asked
        assert one.client.ahead[:2] == b"\x16\x03"


def test_no_route_and_no_pool() -> None:
    """A connection that nobody takes is refused."""
    with arriving() as one, asking(one.far):
        reception = Reception(make_listener(pool="", **PASSTHROUGH), (route("a", "a-pool", "a.test"),))
        assert refusal(reception, one.client) is Refusal.NO_ROUTE


def test_termination(certificate: Certificate) -> None:
    """The handshake is done, the protocol agreed on, and the side of the client is TLS."""
    with arriving() as one, asking(one.far, alpn=("h2", "http/1.1")) as secured:
        reception = Reception(make_listener(**terminating(certificate, alpn=("http/1.1",))), ROUTES)
        assert reception.receive(one.client) == "h2-pool"
        assert isinstance(one.client.side, TlsStream)
        assert (one.client.server_name, one.client.alpn, one.client.ahead) == (NAME, "http/1.1", b"")
        secured.sendall(b"hello")
        assert one.client.side.read(5) == b"hello"


def test_a_header_and_then_tls(certificate: Certificate) -> None:
    """A proxy may stand in front of a listener that terminates TLS; both may arrive in one piece."""
    with arriving() as one:
        one.far.sendall(proxy_header_v1(REAL, ASKED))
        with asking(one.far):
            Reception(make_listener(**terminating(certificate), **BEHIND_A_PROXY)).receive(one.client)
        assert one.client.source == REAL


def test_a_client_has_to_show_a_certificate(certificate: Certificate) -> None:
    """With ``tls_client_ca``, a client without one is refused."""
    with arriving() as one, asking(one.far):
        reception = Reception(make_listener(**terminating(certificate, client_ca=str(certificate.certificate))))
        assert refusal(reception, one.client) is Refusal.TLS


def test_a_handshake_that_stops_is_refused_in_time(certificate: Certificate) -> None:
    """A client that sends its first message and no more does not hold the connection."""
    with arriving() as hello, arriving() as one:
        with asking(hello.far):
            Reception(make_listener(**PASSTHROUGH)).receive(hello.client)
        one.far.sendall(hello.client.ahead)
        reception = Reception(make_listener(handshake_timeout=SOON, **terminating(certificate)))
        assert refusal(reception, one.client) is Refusal.PREFACE_TIMEOUT


def test_a_client_on_a_unix_socket_is_no_proxy_by_chance() -> None:
    """It has no address; whoever may open the socket is trusted with a header."""
    with arriving("") as one:
        assert (one.client.source, one.client.destination, str(one.client)) == (None, None, "unix")
        one.far.sendall(proxy_header_v1(REAL, ASKED))
        Reception(make_listener(**BEHIND_A_PROXY)).receive(one.client)
        assert str(one.client) == "192.0.2.7:4711"
