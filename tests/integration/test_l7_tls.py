"""TLS and HTTP/2 with the clients of HTTP listeners, under our own worker."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from tests.integration.commands import L7, Command, argv_of, start
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import BIN, DEADLINE_S, Processes, Running, run, wait_until
from tests.integration.wire import ScriptedServer, connect, reserved_port
from tests.tls_peers import Certificate, make_certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Site:
    """Two listeners with TLS, one of which wants certificates of clients, in front of one server."""

    command: Command
    server: ScriptedServer
    first: Certificate
    second: Certificate

    @contextlib.contextmanager
    def connect(
        self, name: str = "a.test", listener: str = "0", shows: Certificate | None = None, alpn: str = "http/1.1"
    ) -> Iterator[ssl.SSLSocket]:
        """A client that trusts the certificates, asks for ``name`` and shows one of its own."""
        context = ssl.create_default_context()
        for one in (self.first, self.second):
            context.load_verify_locations(one.certificate)
        context.set_alpn_protocols([alpn])
        if shows:
            context.load_cert_chain(shows.certificate, shows.key)
        address = self.command.address_of(listener)
        with (
            socket.create_connection((address.host, address.port), DEADLINE_S) as raw,
            context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False) as secured,
        ):
            yield secured

    def answers(self, data: bytes = OK) -> bytes:
        """Answer the next request, and say what it was."""
        with self.server.accept() as accepted:
            got = accepted.read_head()
            accepted.send(data)
            return got


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def site(module_processes: Processes, folder: Path) -> Iterator[Site]:
    first, second = make_certificate(folder, "a.test"), make_certificate(folder, "b.test")
    keys = secured_by(first, second)
    with ScriptedServer() as server:
        listeners = {
            "web": http(**keys, write_timeout="500ms", handshake_timeout="500ms"),
            "strict": http(**keys, bind="127.0.0.2:0", tls_client_ca=second.certificate),
        }
        file = write_config(folder, listeners, pools={"app": pool({"a": server.address})})
        command = start(L7, module_processes, file)
        yield Site(command, server, first, second)


def secured_by(*certificates: Certificate) -> dict[str, str]:
    """The keys of a listener with these certificates."""
    files = [(str(one.certificate), str(one.key)) for one in certificates]
    shown, keys = (", ".join(names) for names in zip(*files, strict=True))
    return {"tls": "terminate", "tls_certificate": shown, "tls_key": keys}


def read_all(client: ssl.SSLSocket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("name", ["a.test", "b.test"])
def test_the_certificate_that_was_asked_for(site: Site, name: str) -> None:
    """By SNI; the server is told that the client came over TLS."""
    with site.connect(name) as client:
        client.sendall(GET)
        assert b"\r\nX-Forwarded-Proto: https\r\n" in site.answers()
        assert read_all(client).endswith(b"\r\n\r\nok")


def test_connections_are_kept(site: Site) -> None:
    """Requests follow one another over one handshake, pipelined ones too."""
    with site.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n" + GET)
        site.answers()
        site.answers()
        assert read_all(client).count(b"HTTP/1.1 200 OK") == 2


def test_plain_text_is_not_served(site: Site) -> None:
    """Nor does anything of it reach the server."""
    with connect(site.command.address_of("0")) as client:
        client.send(GET)
        assert b"HTTP/1.1" not in client.read_all()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x01"])
def test_a_handshake_that_does_not_come(site: Site, said: bytes) -> None:
    """A client that begins none, or does not go on with it, is closed in its time."""
    with connect(site.command.address_of("0")) as client:
        client.send(said)
        assert client.read_all() == b""


def test_who_the_client_is(site: Site) -> None:
    """A server is told of the certificate, and not what clients themselves say of one."""
    with site.connect(listener="1", shows=site.second) as client:
        client.sendall(GET.replace(b"\r\n\r\n", b"\r\nClient-Cert: :Zm9v:\r\nX-SSL-Client-DN: CN=root\r\n\r\n"))
        got = site.answers()
        assert b"\r\nX-SSL-Client-DN: CN=b.test\r\n" in got
        assert b"\r\nX-SSL-Client-Verify: SUCCESS\r\n" in got
        assert got.count(b"Client-Cert: :") == 1
        assert b"Zm9v:" not in got
        read_all(client)


def test_a_client_without_a_certificate(site: Site) -> None:
    """It is not let in where one is wanted."""
    with site.connect(listener="1") as client, pytest.raises(ssl.SSLError):
        client.recv(1)


def test_a_forged_certificate_field(site: Site) -> None:
    """Where no certificate is asked for, none is told of."""
    with site.connect() as client:
        client.sendall(GET.replace(b"\r\n\r\n", b"\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n"))
        assert b"X-SSL" not in site.answers()
        read_all(client)


def test_a_response_that_breaks_off(site: Site) -> None:
    """No notice of the end tells a client that it has all."""
    with site.connect() as client:
        client.sendall(GET)
        with site.server.accept() as accepted:
            accepted.read_head()
            accepted.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort")
        with pytest.raises(OSError, match=r"reset|EOF"):
            read_all(client)


def test_a_drain_that_is_over(processes: Processes, site: Site, tmp_path: Path) -> None:
    """What was cut off at its end does not look whole either."""
    keys = secured_by(site.first)
    pools = {"app": pool({"a": site.server.address})}
    file = write_config(tmp_path, {"web": http(**keys)}, pools=pools, global_={"drain_timeout": "1s"})
    command = start(L7, processes, file)
    own = Site(command, site.server, site.first, site.second)
    with own.connect() as client:
        client.sendall(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
        with site.server.accept() as accepted:
            accepted.read_head()
            accepted.send(b"HTTP/1.1 200 OK\r\n\r\nbegun")
            while b"begun" not in client.recv(65536):
                pass
            command.running.send(signal.SIGTERM)
            with pytest.raises(OSError, match=r"reset|EOF"):
                read_all(client)


def test_stock_workers_refuse_the_listener(site: Site, tmp_path: Path, processes: Processes) -> None:
    """They would serve it in plain text."""
    keys = secured_by(site.first)
    file = write_config(tmp_path, {"web": http(**keys)}, pools={"app": pool({"a": site.server.address})})
    words, environment = argv_of(L7, file)
    running = processes.add(Running("l7", [*words, "-k", "gevent"], environment, signal.SIGINT))
    running.wait_for("the listener web has TLS, which Deston's own worker alone speaks")
    wait_until(lambda: running.has_ended, "the end of the start")


# --- HTTP/2


@dataclass
class Found:
    """One response of HTTP/2."""

    status: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    interim: list[str] = field(default_factory=list)
    body: bytes = b""
    is_reset: bool = False


class Http2Client:
    """A client of HTTP/2, one request after the other."""

    def __init__(self, secured: ssl.SSLSocket, window: int = 65535) -> None:
        assert secured.selected_alpn_protocol() == "h2"
        self._socket = secured
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._connection.initiate_connection()
        if window > 65535:
            self._connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
            self._connection.increment_flow_control_window(window - 65535)

    def send(self, *fields: tuple[str, str], body: bytes = b"", method: str = "GET") -> int:
        """Send a request, all in one write."""
        number = self._connection.get_next_available_stream_id()
        head = [(":method", method), (":path", "/"), (":scheme", "https"), (":authority", "a.test"), *fields]
        self._connection.send_headers(number, head, end_stream=not body)
        if body:
            self._connection.send_data(number, body, end_stream=True)
        self._socket.sendall(self._connection.data_to_send())
        return number

    def receive(self) -> Found:
        """The response, up to its end."""
        found = Found()
        while True:
            for event in self._connection.receive_data(self._socket.recv(65536)):
                if isinstance(event, h2.events.InformationalResponseReceived):
                    found.interim.append(_texts(event.headers)[":status"])
                elif isinstance(event, h2.events.ResponseReceived):
                    found.fields = _texts(event.headers)
                    found.status = found.fields[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    found.body += event.data
                    self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    found.trailers = _texts(event.headers)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    found.is_reset = isinstance(event, h2.events.StreamReset)
                    return found
            self._socket.sendall(self._connection.data_to_send())


def _texts(fields: Iterable[Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in fields}


@pytest.fixture
def client(site: Site) -> Iterator[Http2Client]:
    with site.connect(alpn="h2") as secured:
        yield Http2Client(secured)


def test_requests_of_http2(site: Site, client: Http2Client) -> None:
    """They reach the server as HTTP/1.1, with the crumbs of a cookie put together, and responses come back."""
    for _ in range(2):
        client.send(("cookie", "a=1"), ("cookie", "b=2"))
        got = site.answers(OK.replace(b"\r\n\r\n", b"\r\nServer: theirs\r\n\r\n"))
        assert got.startswith(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
        assert b"\r\nCookie: a=1; b=2\r\n" in got
        assert b"\r\nX-Forwarded-Proto: https\r\n" in got
        found = client.receive()
        assert (found.status, found.body, found.fields["server"]) == ("200", b"ok", "theirs")


@pytest.mark.parametrize("fields", [[], [("content-length", "5")]])
def test_a_body_of_http2(site: Site, client: Http2Client, fields: list[tuple[str, str]]) -> None:
    """It reaches the server whether its length was said or not, also where it comes with the head."""
    client.send(*fields, body=b"hello", method="POST")
    with site.server.accept() as accepted:
        head = accepted.read_head()
        assert b"\r\nContent-Length: 5\r\n" in head
        assert accepted.read_until(b"hello") == b"hello"
        accepted.send(OK)
        assert client.receive().body == b"ok"


def test_bodies_of_http2_behind_the_same_fields(site: Site, client: Http2Client) -> None:
    """Fields that repeat say nothing of a body whose length no field says: no request takes bytes of another."""
    for method, body in [("GET", b""), ("POST", b"hello"), ("GET", b""), ("POST", b"hello you"), ("POST", b"hello")]:
        client.send(body=body, method=method)
        with site.server.accept() as accepted:
            head = accepted.read_head()
            assert head.startswith(method.encode())
            assert (b"\r\nContent-Length: %d\r\n" % len(body) in head) == bool(body)
            assert (b"ontent-Length" in head) == bool(body)
            assert not body or accepted.read_until(body) == body
            accepted.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert client.receive().body == b"ok"


def test_bytes_beyond_ascii_in_http2(site: Site, client: Http2Client) -> None:
    """They go on as they came, both ways."""
    client.send(("x-a", "10 €"))
    assert "\r\nX-A: 10 €\r\n".encode() in site.answers(OK.replace(b"\r\n\r\n", "\r\nX-B: é\r\n\r\n".encode()))
    assert client.receive().fields["x-b"] == "é"


def test_interim_responses_and_trailers_of_http2(site: Site, client: Http2Client) -> None:
    """Early hints and trailers reach the client."""
    client.send(("te", "trailers"))
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    coded = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n"
    )
    assert b"\r\nTE: trailers\r\n" in site.answers(hints + coded)
    found = client.receive()
    assert (found.interim, found.body, found.trailers) == (["103"], b"ok", {"x-end": "1"})


def test_a_response_of_http2_that_breaks_off(site: Site, client: Http2Client) -> None:
    """Its stream is reset; the connection goes on."""
    client.send()
    site.answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort")
    assert client.receive().is_reset
    client.send()
    site.answers()
    assert client.receive().status == "200"


def test_an_exchange_of_http2_that_an_operator_ends(site: Site, client: Http2Client, folder: Path) -> None:
    """Its stream is reset and the server cut off; the connection goes on."""
    words, config = [f"{BIN}/deston", "sessions"], ["--config", str(folder / "deston.conf")]
    client.send()
    with site.server.accept() as accepted:
        accepted.read_head()
        (found,) = json.loads(run([*words, "--json", *config]).out)["sessions"]
        assert (found["kind"], found["about"], found["server"]) == ("http", "GET /", "a")
        done = run([*words, "end", found["id"], *config])
        assert done == (0, f"{found['id']} (http of 127.0.0.1 with app/a) was ended\n", "")
        assert accepted.was_reset()
    assert client.receive().is_reset
    client.send()
    site.answers()
    assert client.receive().status == "200"


def test_a_client_of_http2_that_takes_nothing(site: Site) -> None:
    """Its connection is over after the write timeout, and so is the exchange with the server."""
    with site.connect(alpn="h2") as secured:
        Http2Client(secured, window=2**31 - 1).send()
        with site.server.accept() as accepted:
            accepted.read_head()
            accepted.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            with pytest.raises(OSError, match=r"reset|pipe"):
                accepted.send(bytes(256 << 20))  # More than all on the way can hold.


def test_http2_can_be_left_out(processes: Processes, site: Site, tmp_path: Path) -> None:
    """Then it is not offered."""
    keys = {**secured_by(site.first), "http2": "no"}
    file = write_config(tmp_path, {"web": http(**keys)}, pools={"app": pool({"a": site.server.address})})
    own = Site(start(L7, processes, file), site.server, site.first, site.second)
    with own.connect(alpn="h2") as secured:
        assert secured.selected_alpn_protocol() is None


def test_a_listener_that_is_bound_by_name(processes: Processes, tmp_path: Path, site: Site) -> None:
    """It is found by it, not by its port alone: no other listener's rules hold for its clients."""
    with reserved_port() as address:
        listeners = {
            "plain": http(bind=f"127.0.0.2:{address.port}"),
            "secured": http(bind=f"localhost:{address.port}", **secured_by(site.first)),
        }
        pools = {"app": pool({"a": site.server.address})}
        start(L7, processes, write_config(tmp_path, listeners, pools=pools))
        with connect(address) as client:
            client.send(GET)
            assert b"HTTP/1.1" not in client.read_all()
