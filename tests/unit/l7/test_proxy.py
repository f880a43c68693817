"""From a request to a response: the order of things, and the answer to each error."""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import errors
from deston.address import Address
from deston.config.http_rules import RateLimit
from deston.config.model import AdminState, Config, Forwarded
from deston.l7 import http1
from deston.l7.answers import answered, refusal
from deston.l7.body import NO_BODY
from deston.l7.fields import Fields
from deston.l7.incoming import PIECE
from deston.l7.proxy import Proxy, tls_contexts
from deston.l7.request import Request, Response
from deston.net.fake import FakeStream
from tests.builders import make_pool_config, make_server_config, make_tls_config
from tests.peers import READ_SIZE, NamesItself, RefusingPort
from tests.properties import unhurried
from tests.tls_peers import NAME, Certificate, TlsServer
from tests.unit.l7.builders import (
    Servers,
    make_body,
    make_config,
    make_listener,
    make_registry,
    make_request,
    make_route,
    response,
)
from tests.unit.l7.test_exchange import read_all
from tests.unit.l7.test_http1 import tokens, values

CLOSED = b"Connection: close"


def forward(request: Request, config: Config | None = None, servers: Servers | None = None) -> tuple[Response, Servers]:
    """What a new proxy answers, and the servers that it asked; ``a`` answers a few times unless others are given."""
    config = config or make_config()
    servers = servers or Servers(a=[[response(b"a", CLOSED)] for _ in range(3)])
    return Proxy(make_registry(config), config, servers).forward(request), servers


def sent(request: Request, config: Config | None = None) -> bytes:
    """What a server is sent."""
    found, servers = forward(request, config)
    assert found.status == 200, found
    read_all(found)
    return servers.requests[0]


def one_pool(**changes: Any) -> Config:
    return make_config(make_pool_config(make_server_config(), **changes))


# --- what a server gets


def test_a_request_goes_on_as_it_came() -> None:
    """Method, target and fields stay, with the Host in front and what is known of the client behind."""
    request = make_request(
        (b"X-A", b"1"), (b"Cookie", b"a"), (b"x-a", b"2"), (b"Cookie", b"b"), method=b"LINK", target=b"/%2f//x?%20"
    )
    assert sent(request) == (
        b"LINK /%2f//x?%20 HTTP/1.1\r\nHost: example.com\r\nX-A: 1\r\nCookie: a\r\nx-a: 2\r\nCookie: b\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: example.com\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    )


def sent_with_same_fields(*changes: dict[str, Any]) -> list[bytes]:
    """What a server is sent by requests that share their fields, and differ in what is given."""
    config, listener, fields = make_config(), make_listener(), Fields([(b"Host", b"example.com")])
    servers = Servers(a=[[response(b"a", CLOSED)] for _ in changes])
    proxy = Proxy(make_registry(config), config, servers)
    for change in changes:
        read_all(proxy.forward(make_request(listener=listener, fields=fields, **change)))
    return servers.requests


def test_the_same_fields_need_not_mean_the_same_body() -> None:
    """In HTTP/2 neither a length nor a coding has to be said: what ends a body is each request's own."""
    bodies = [NO_BODY, make_body(b"12345"), make_body(b"1234567"), make_body(b"abc", length=None), NO_BODY]
    heads = sent_with_same_fields(*({"body": body} for body in bodies))
    assert [b"Content-Length: 5\r\n" in head for head in heads] == [False, True, False, False, False]
    assert [b"Content-Length: 7\r\n" in head for head in heads] == [False, False, True, False, False]
    assert [b"Transfer-Encoding: chunked\r\n" in head for head in heads] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"upgrade": b"websocket"}, b"Upgrade: websocket\r\n"),
        ({"expects": True, "body": make_body(b"1")}, b"Expect: 100-continue\r\n"),
        ({"scheme": "https"}, b"X-Forwarded-Proto: https\r\n"),
    ],
)
def test_the_same_fields_need_not_mean_the_same_lines(change: dict[str, Any], line: bytes) -> None:
    """Whether a connection can be taken over, or a client waits, is not said by the fields alone."""
    assert [line in head for head in sent_with_same_fields({}, change, {})] == [False, True, False]


@pytest.mark.parametrize(
    ("body", "came", "goes"),
    [
        (make_body(b"abc"), [(b"Content-Length", b"3")], b"Content-Length: 3\r\n\r\nabc"),
        (make_body(b"abc"), [(b"content-length", b"0003")], b"Content-Length: 3\r\n\r\nabc"),
        (make_body(b"abc"), [], b"Content-Length: 3\r\n\r\nabc"),
        (
            make_body(b"abc", length=None),
            [(b"Transfer-Encoding", b"chunked")],
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            make_body(b"abc", length=None),
            [(b"Content-Length", b"9")],
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (make_body(length=0), [(b"Content-Length", b"0")], b"Content-Length: 0\r\n\r\n"),
    ],
)
def test_the_end_of_a_body_is_said_once(body: Any, came: list[Any], goes: bytes) -> None:
    """However a body came, the server is told of its end in one way, the way in which it is sent."""
    got = sent(make_request(*came, method=b"POST", body=body))
    line, _, rest = goes.partition(b"\r\n\r\n")
    assert got.endswith(b"X-Forwarded-Host: example.com\r\n" + line + b"\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" + rest)
    assert got.lower().count(b"content-length:") + got.lower().count(b"transfer-encoding:") == 1


def test_without_a_body_nothing_is_said_of_its_end() -> None:
    """A GET without a body stays one."""
    assert b"ontent" not in sent(make_request())


@pytest.mark.parametrize("named", [b"Content-Length", b"close, content-length", b"Transfer-Encoding", b"Host"])
def test_connection_cannot_take_the_framing_away(named: bytes) -> None:
    """A client cannot make the server look for the end of a body elsewhere than we do, nor for another host."""
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
    fields = (b"Connection", named), (b"Content-Length", b"%d" % len(smuggled))
    got = sent(make_request(*fields, method=b"POST", body=make_body(smuggled)))
    assert got.endswith(b"\r\nContent-Length: %d\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" % len(smuggled) + smuggled)
    assert got.startswith(b"POST / HTTP/1.1\r\nHost: example.com\r\n")


@pytest.mark.parametrize("field", [(b"X", b"a\r\nContent-Length: 5"), (b"X", b"a\n"), (b"X\r\nY", b"a"), (b"X", b"\0")])
def test_a_field_that_would_be_several_reaches_no_server(field: tuple[bytes, bytes]) -> None:
    """What a lax WSGI server lets through is refused before anybody is dialed."""
    found, servers = forward(make_request(field))
    assert found.status == 400
    assert servers.dialed == []


@unhurried
@given(st.lists(st.tuples(tokens, values), max_size=10), st.binary(max_size=100), st.booleans())
def test_a_server_gets_exactly_one_request(fields: list[tuple[bytes, bytes]], body: bytes, known: bool) -> None:
    """Whatever the fields say, what arrives is one request: one head, one framing, one Host, the body behind it."""
    length = len(body) if known else None
    found, servers = forward(make_request(*fields, method=b"POST", body=make_body(body, length=length)))
    read_all(found)
    last = http1.last_chunk()
    for got in servers.requests:
        head, _, rest = got.partition(b"\r\n\r\n")
        names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        assert names.count(b"host") == 1
        assert names.count(b"transfer-encoding") == (not known)
        assert names.count(b"content-length") <= known
        assert names.count(b"content-length") or not (known and body)
        assert rest == (body if known else rest[: -len(last)] + last)


@pytest.mark.parametrize(
    ("host_header", "host", "expected"),
    [
        ("preserve", b"Example.com:81", b"Example.com:81"),
        ("server", b"example.com", b"127.0.0.1:3000"),
        ("other.test", b"example.com", b"other.test"),
        # HTTP/1.0, without a Host: an empty one is refused by many servers.
        ("preserve", b"", b"127.0.0.1:3000"),
        ("server", b"", b"127.0.0.1:3000"),
        ("other.test", b"", b"other.test"),
    ],
)
def test_which_host_a_server_gets(host_header: str, host: bytes, expected: bytes) -> None:
    """The client's, the server's own, or what the pool says."""
    fields = [(b"Host", host)] if host else []
    request = make_request(fields=fields, minor_version=0)
    got = sent(request, one_pool(host_header=host_header))
    assert got.startswith(b"GET / HTTP/1.1\r\nHost: " + expected + b"\r\n")


def test_which_host_a_unix_socket_gets() -> None:
    """A server without a host is called localhost."""
    server = make_server_config(address=Address(path="/run/app.sock"))
    config = make_config(make_pool_config(server, host_header="server"))
    assert b"\r\nHost: localhost\r\n" in sent(make_request(), config)


def test_each_server_is_called_by_its_own_name() -> None:
    """Where servers get their own address as Host, the next server that is tried gets its own, too."""
    servers = make_server_config("a", 3000), make_server_config("b", 3001)
    config = make_config(make_pool_config(*servers, host_header="server"))
    scripts = Servers(a=[[errors.StreamReset("reset")]], b=[[response(b"", CLOSED)]])
    forward(make_request(), config, scripts)
    assert [b"Host: 127.0.0.1:3000" in got for got in scripts.requests] == [True, False]
    assert [b"Host: 127.0.0.1:3001" in got for got in scripts.requests] == [False, True]


# --- who the client is

TRUSTING = make_listener(trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))


def test_a_trusted_proxy_is_believed() -> None:
    """What a trusted proxy says of its client goes on, with its own address added."""
    said = (b"X-Forwarded-For", b"203.0.113.9"), (b"X-Forwarded-Proto", b"https")
    got = sent(make_request(*said, listener=TRUSTING, peer="10.0.0.1"))
    assert b"X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n" in got
    assert got.count(b"X-Forwarded-Proto: https\r\n") == got.count(b"X-Forwarded-Proto") == 1


def test_nobody_else_is() -> None:
    """What anybody else says of its client is dropped."""
    said = (b"X-Forwarded-For", b"203.0.113.9"), (b"Forwarded", b"for=203.0.113.9"), (b"X-Real-IP", b"203.0.113.9")
    assert b"203.0.113.9" not in sent(make_request(*said, listener=TRUSTING))


def test_the_listener_says_which_fields_are_added() -> None:
    """X-Forwarded, Forwarded, both or none."""
    for forms, expected in [
        (frozenset[Forwarded](), []),
        (frozenset({Forwarded.RFC7239}), [b"Forwarded: for=192.0.2.1;"]),
        (frozenset(Forwarded), [b"X-Forwarded-For: 192.0.2.1\r\n", b"Forwarded: for=192.0.2.1;"]),
    ]:
        got = sent(make_request(listener=make_listener(forwarded=forms)))
        assert [text in got for text in expected] == [True] * len(expected)
        assert got.count(b"orwarded") == {0: 0, 1: 1, 2: 4}[len(expected)]


@pytest.mark.parametrize(
    ("peer", "said", "same"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [b"203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", [b"198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
    ],
)
def test_a_client_stays_with_its_server(peer: str, said: list[bytes], same: str) -> None:
    """Hashing goes by the client, not by the proxy in front of us or by what the client says."""
    servers = [make_server_config(name, 3000 + index) for index, name in enumerate("abcdefgh")]
    config = make_config(make_pool_config(*servers, algorithm="ip_hash"))
    registry = make_registry(config)
    fields = [(b"X-Forwarded-For", line) for line in said]
    scripts = Servers(**{one.name: [[response(b"", CLOSED)]] for one in servers})
    Proxy(registry, config, scripts).forward(make_request(*fields, listener=TRUSTING, peer=peer)).close()
    assert scripts.dialed == [registry.pool("app").pick(same).name]


# --- which pool


def two_pools() -> Config:
    routes = (
        make_route("api", path="/api/", pool="api", strip_prefix="/api"),
        make_route("host", hosts=("api.test",), pool="api"),
    )
    pools = make_pool_config(make_server_config()), make_pool_config(make_server_config("x"), name="api")
    return make_config(*pools, routes=routes)


@pytest.mark.parametrize(
    ("target", "host", "server", "line"),
    [
        (b"/", b"a.test", "a", b"GET / HTTP/1.1"),
        (b"/api/x?y", b"a.test", "x", b"GET /x?y HTTP/1.1"),
        (b"/api", b"a.test", "a", b"GET /api HTTP/1.1"),
        (b"/x", b"API.test:8080", "x", b"GET /x HTTP/1.1"),
        (b"http://api.test/x", b"api.test", "x", b"GET /x HTTP/1.1"),
    ],
)
def test_routes_choose_the_pool(target: bytes, host: bytes, server: str, line: bytes) -> None:
    """A route takes the request to its pool, without its prefix; else it is the listener's pool."""
    scripts = Servers(a=[[response(b"", CLOSED)]], x=[[response(b"", CLOSED)]])
    found, _ = forward(make_request(target=target, fields=[(b"Host", host)]), two_pools(), scripts)
    assert found.status == 200
    assert scripts.dialed == [server]
    assert scripts.requests[0].startswith(line + b"\r\n")


def test_no_route_and_no_pool() -> None:
    """A listener without a pool of its own answers 404 to what no route takes."""
    found, servers = forward(make_request(listener=make_listener(pool="")), two_pools())
    assert (found.status, found.last) == (404, False)
    assert servers.dialed == []


def test_a_pool_that_is_gone() -> None:
    """A pool that a reload took away is no server."""
    found, _ = forward(make_request(listener=make_listener(pool="gone")))
    assert found.status == 503


# --- errors


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (errors.ConnectError("refused"), 503),
        (errors.ConnectTimeout("late"), 503),
        (errors.OutOfDescriptors("EMFILE"), 503),
        ([errors.StreamReset("reset")], 502),
        ([], 502),
        ([b"what?\r\n\r\n"], 502),
        ([b"HTTP/1.1 200 OK\r\n"], 502),
        ([errors.ReadTimeout("late")], 504),
        (FakeStream(takes=0, write_error=errors.WriteTimeout("stuck")), 504),
    ],
)
def test_what_a_client_gets_for_a_failed_server(script: Any, status: int) -> None:
    """503 for no server, 502 for a bad one, 504 for a silent one; the client's connection goes on."""
    found, _ = forward(make_request(), servers=Servers(a=[script]))
    assert (found.status, found.last) == (status, False)
    assert read_all(found).startswith(b"%d " % status)


def test_no_server_is_503() -> None:
    """A pool whose servers are all out of use answers at once."""
    config = make_config()
    registry = make_registry(config)
    registry.pool("app").servers[0].base_weight = 0
    registry.pool("app").refresh()
    found = Proxy(registry, config, Servers()).forward(make_request())
    assert found.status == 503


@pytest.mark.parametrize(
    ("request_", "status", "last"),
    [
        (make_request(fields=[]), 400, True),
        (make_request((b"Host", b"b.test")), 400, True),
        (make_request(target=b"x"), 400, True),
        (make_request(method=b"CONNECT", target=b"a.test:443"), 400, True),
    ],
)
def test_a_bad_request_reaches_no_server(request_: Request, status: int, last: bool) -> None:
    """What cannot be read in one way only is refused, and the connection that it came on closed."""
    found, servers = forward(request_)
    assert (found.status, found.last) == (status, last)
    assert servers.dialed == []


@pytest.mark.parametrize(("most", "status"), [(0, 200), (10, 200), (9, 413)])
@pytest.mark.parametrize("known", [True, False])
def test_the_largest_body(most: int, status: int, known: bool) -> None:
    """A body over the listener's limit is refused with 413, whether its length is announced or not."""
    body = make_body(b"12345", b"67890", length=10 if known else None)
    found, servers = forward(make_request(method=b"POST", body=body, listener=make_listener(max_body_size=most)))
    assert (found.status, found.last) == (status, False)
    if known and status == 413:
        assert servers.dialed == []
    else:
        assert [stream.aborted for stream in servers.streams] == [status == 413]


def test_a_client_that_breaks_off() -> None:
    """Who sends less than it announced gets 400, if it is still there, and is closed."""
    body = make_body(b"x" * PIECE, b"y", length=2 * PIECE)
    found, servers = forward(make_request(method=b"POST", body=body))
    assert (found.status, found.last) == (400, True)
    assert servers.streams[0].aborted


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.BadRequest("why"), b"400 Bad Request\n"),
        (errors.NoRoute("why"), b"404 Not Found\n"),
        (errors.LengthRequired("why"), b"411 Length Required\n"),
        (errors.BadResponse("why"), b"502 Bad Gateway\n"),
        (errors.NoServerAvailable("why"), b"503 Service Unavailable\n"),
        (errors.ReadTimeout("why"), b"504 Gateway Timeout\n"),
        (errors.ConfigError([]), b"500 Internal Server Error\n"),
    ],
)
def test_our_own_answers(error: errors.DestonError, text: bytes) -> None:
    """They are short and plain, tell no secrets, are complete in themselves, and nobody keeps them."""
    before = answered[int(text[:3])]
    found = refusal(error)
    assert answered[int(text[:3])] == before + 1
    assert (found.status, found.length) == (int(text[:3]), len(text))
    assert dict(found.fields) == {
        b"Content-Type": b"text/plain; charset=utf-8",
        b"Content-Length": b"%d" % len(text),
        b"Cache-Control": b"no-cache",
    }
    assert [found.whole, found.read()] == [text, b""]
    found.close()


def test_a_413_has_its_phrase() -> None:
    """Its name differs between versions of Python, its number does not."""
    assert bytes(refusal(errors.RequestTooLarge("why")).whole or b"").startswith(b"413 ")


@unhurried
@given(
    st.binary(max_size=20),
    st.one_of(st.binary(max_size=20), st.just(b"/")),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=5),
    st.text(max_size=5),
)
def test_there_is_always_a_response(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], peer: str) -> None:
    """Whatever a WSGI server hands over, ``forward`` answers and raises nothing."""
    servers = Servers(a=[[response(b"", CLOSED)]])
    found, _ = forward(make_request(*fields, method=method, target=target, peer=peer), servers=servers)
    assert found.status in (200, 400)
    found.close()
    assert all(got.count(b"\r\n\r\n") == 1 for got in servers.requests)


# --- connections of its own


def test_a_dial_of_its_own() -> None:
    """Without a connect of a test's, servers are dialed on sockets."""
    with NamesItself("HTTP/1.1 200 OK\r\n\r\nreal") as peer:
        config = make_config(make_pool_config(make_server_config(address=peer.address)))
        found = Proxy(make_registry(config), config).forward(make_request())
        assert (found.status, read_all(found)) == (200, b"real")
    with RefusingPort() as port:
        config = make_config(make_pool_config(make_server_config(address=port.address)))
        assert Proxy(make_registry(config), config).forward(make_request()).status == 503


def test_a_name_that_was_not_resolved() -> None:
    """A server whose name nobody has resolved yet cannot be dialed."""
    config = make_config(make_pool_config(make_server_config(host="name.test")))
    assert Proxy(make_registry(config), config).forward(make_request()).status == 503


def answer_all(count: int) -> Callable[[ssl.SSLSocket], None]:
    """A server that answers when so many bytes have come."""

    def answer(secured: ssl.SSLSocket) -> None:
        received = 0
        while received < count:
            received += len(secured.recv(READ_SIZE))
        secured.sendall(response(b"%d" % received, CLOSED))
        while secured.recv(READ_SIZE):
            pass

    return answer


@pytest.mark.parametrize("length", [None, 5 * PIECE])
def test_a_large_body_to_a_server_behind_tls(certificate: Certificate, length: int | None) -> None:
    """What TLS says of itself while a body is sent, such as its session tickets, is no early answer."""
    head = 100  # Somewhat less than there is.
    with TlsServer(certificate, answer_all(5 * PIECE + head)) as peer:
        tls = make_tls_config(ca=str(certificate.certificate), server_name=NAME)
        server = make_server_config(address=peer.address, tls=True)
        config = make_config(make_pool_config(server, tls=tls, server_timeout=5.0))
        request = make_request(method=b"POST", body=make_body(*[b"x" * PIECE] * 5, length=length))
        found = Proxy(make_registry(config), config).forward(request)
        assert found.status == 200
        assert int(read_all(found)) > 5 * PIECE
        assert peer.server_names == [NAME]


def test_a_server_whose_certificate_nobody_trusts(certificate: Certificate) -> None:
    """It is not reached, and gets nothing of the request."""
    with TlsServer(certificate) as peer:
        config = make_config(make_pool_config(make_server_config(address=peer.address, tls=True)))
        assert Proxy(make_registry(config), config).forward(make_request()).status == 503


def test_tls_only_where_it_is_wanted() -> None:
    """A context is made for each pool with a server behind TLS, and for no other."""
    secured = make_pool_config(make_server_config(), make_server_config("b", 3001, tls=True), name="secured")
    assert list(tls_contexts(make_config(secured, make_pool_config(make_server_config())))) == ["secured"]


def test_a_certificate_that_cannot_be_read() -> None:
    """What the files of a configuration lack is said when the proxy is made."""
    server = make_server_config(tls=True)
    config = make_config(make_pool_config(server, tls=make_tls_config(ca="/nowhere/ca.pem")))
    with pytest.raises(errors.StartError, match="ca.pem"):
        Proxy(make_registry(config), config)


def test_a_pool_without_a_server_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An operator sees why clients get 503, as with TCP listeners."""
    caplog.set_level(logging.INFO, "deston.l7")
    config = make_config(make_pool_config(make_server_config(state=AdminState.MAINT)))
    response = Proxy(make_registry(config), config).forward(make_request())
    assert response.status == 503
    assert [record.getMessage() for record in caplog.records] == [
        "web: a request was refused: pool app has no server available"
    ]


def test_what_clients_choose_is_no_key_of_what_is_kept() -> None:
    """A host that is in the target alone could be another one each time, for the same fields."""
    fields = Fields([(b"X", b"y")])
    for number in range(50):
        request = make_request(
            fields=fields, target=b"http://host%d.test/" % number, minor_version=0, listener=make_listener()
        )
        assert b"\r\nX-Forwarded-Host: host%d.test\r\n" % number in sent(request)
    assert len(fields.kept) <= 1


def test_each_listener_has_its_own_rules_for_the_same_fields() -> None:
    """What is kept for one does not hold for another one, nor for one of that name that was configured anew."""
    fields = Fields([(b"Host", b"example.com")])
    for forms in (frozenset({Forwarded.X_FORWARDED}), frozenset({Forwarded.RFC7239}), frozenset[Forwarded]()):
        got = sent(make_request(fields=fields, listener=make_listener(forwarded=forms)))
        assert (b"X-Forwarded-For: " in got) is (Forwarded.X_FORWARDED in forms)
        assert (b"Forwarded: for=" in got) is (Forwarded.RFC7239 in forms)


# --- reloads


def reloaded(before: Proxy, config: Config) -> Proxy:
    """The proxy that a reload makes of another one."""
    proxy = Proxy(before.registry, config, before._connect)
    proxy.go_on(before)
    return proxy


def limited(**listener: Any) -> Config:
    route = make_route("slow", path="/slow", rate_limit=RateLimit(1, 3600.0, 1))
    return make_config(listeners=(make_listener(**listener),), routes=(route,))


def status_of(proxy: Proxy, target: bytes = b"/") -> int:
    (listener,) = proxy._config.listeners
    return proxy.forward(make_request(listener=listener, target=target)).status


def test_what_was_counted_of_rates_outlives_a_reload() -> None:
    """Those of listeners and of routes, unless the file says another limit."""
    servers = Servers(a=[[response(b"a", CLOSED)] for _ in range(5)])
    config = limited(rate_limit=RateLimit(2, 3600.0, 2))
    proxy = Proxy(make_registry(config), config, servers)
    assert [status_of(proxy), status_of(proxy, b"/slow")] == [200, 200]
    proxy = reloaded(proxy, limited(rate_limit=RateLimit(2, 3600.0, 2), via=True))
    assert status_of(proxy) == 429
    proxy = reloaded(proxy, limited(rate_limit=RateLimit(3, 3600.0, 3)))
    assert [status_of(proxy), status_of(proxy, b"/slow")] == [200, 429]


def test_requests_under_way_outlive_a_reload() -> None:
    """A client has as many as before, and the end of one that began before counts."""
    begun = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]
    servers = Servers(a=[begun, [response(b"a", CLOSED)]])
    config = limited(max_requests_per_client=1)
    before = Proxy(make_registry(config), config, servers)
    first = before.forward(make_request(listener=config.listeners[0]))
    proxy = reloaded(before, limited(max_requests_per_client=1, via=True))
    assert status_of(proxy) == 429
    first.close()
    assert status_of(proxy) == 200
    assert before._sites["web"]._under_way is proxy._sites["web"]._under_way


def test_budgets_and_a_stop_outlive_a_reload() -> None:
    """Retries of the last seconds count on; who was told to stop takes no clients again."""
    config = make_config()
    before = Proxy(make_registry(config), config, Servers())
    before.is_ready = False
    budget = before._budgets["app"]
    proxy = reloaded(before, make_config())
    assert (proxy.is_ready, proxy._budgets["app"]) == (False, budget)
