"""The relay where a side speaks TLS: every byte, every kind of end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.ssl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deston.config.model import TlsMode
from deston.errors import StreamError
from deston.net.relay import Ending, Limits, Relay, Side
from deston.net.secure_relay import SecureDirection
from deston.net.stream import Stream
from deston.net.termination import Termination
from deston.net.tls import client_context
from deston.net.tls_stream import TlsStream
from tests.builders import make_listener_tls, make_tls_config
from tests.leaks import nothing_left_behind
from tests.peers import READ_SIZE, wait_until
from tests.tls_peers import NAME, Certificate, make_certificate
from tests.wires import SMALL_BUFFER, fill, in_good_time, read_all, read_exactly, tcp_pair

LIMITS = Limits(idle=60, half_closed=60)
PATIENCE = 20.0
BULK = bytes(range(251)) * 20_000

Sides = tuple[bool, bool]
BOTH, CLIENT, SERVER = (True, True), (True, False), (False, True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    with nothing_left_behind():
        yield


class Wired:
    """A relay that runs, and both far ends: ``client`` and ``server``, each secured where ``sides`` says so."""

    def __init__(self, relay: Relay, client: Any, server: Any) -> None:
        self.relay = relay
        self.client = client
        self.server = server
        self.running = gevent.spawn(relay.run)

    def ending(self) -> Ending:
        return self.running.get(timeout=PATIENCE)


@contextlib.contextmanager
def wired(certificate: Certificate, sides: Sides, buffer: int = 0, limits: Limits = LIMITS) -> Iterator[Wired]:
    with contextlib.ExitStack() as stack, in_good_time():
        near_client, far_client = stack.enter_context(tcp_pair(buffer))
        near_server, far_server = stack.enter_context(tcp_pair(buffer))
        client, server = Stream(near_client), Stream(near_server)
        near: list[Side] = [client, server]
        far: list[Any] = [far_client, far_server]
        if sides[0]:
            near[0], far[0] = _terminated(client, far_client, certificate)
        if sides[1]:
            near[1], far[1] = _secured(server, far_server, certificate)
        relay = Relay(near[0], near[1], limits, SecureDirection)
        wires = Wired(relay, *far)
        try:
            yield wires
        finally:
            wires.running.kill()
            for one in near:
                one.close()
            for one in far:
                one.close()


def _terminated(near: Stream, far: Any, certificate: Certificate) -> tuple[TlsStream, Any]:
    files = {"certificates": (str(certificate.certificate),), "keys": (str(certificate.key),)}
    termination = Termination(make_listener_tls(TlsMode.TERMINATE, **files))
    tls = TlsStream(near, termination.context_for(NAME), is_server=True)
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate.certificate)
    shaking = gevent.spawn(context.wrap_socket, far, server_hostname=NAME, suppress_ragged_eofs=False)
    tls.shake_hands()
    return tls, shaking.get()


def _secured(near: Stream, far: Any, certificate: Certificate) -> tuple[TlsStream, Any]:
    tls = TlsStream(near, client_context(make_tls_config(ca=str(certificate.certificate))), NAME)
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    shaking = gevent.spawn(context.wrap_socket, far, server_side=True, suppress_ragged_eofs=False)
    tls.shake_hands()
    return tls, shaking.get()


def end_writing(far: Any) -> None:
    """Say that nothing more will come, and go on reading: a notice where there is TLS, an end of the stream without."""
    if not isinstance(far, gevent.ssl.SSLSocket):
        far.shutdown(socket.SHUT_WR)
        return
    with contextlib.suppress(ssl.SSLWantReadError):
        far._sslobj.shutdown()  # type: ignore[attr-defined]  # ``unwrap`` would wait for the other side's notice.


def read_to_the_end(far: Any) -> bytes:
    """As ``read_all``, for a side that has ended, too: Python then tells the other's notice by an error."""
    data = b""
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while piece := far.recv(READ_SIZE):
            data += piece
    return data


@pytest.mark.parametrize("sides", [BOTH, CLIENT, SERVER])
def test_bulk_both_ways(certificate: Certificate, sides: Sides) -> None:
    """Much data goes whole and in order both ways at once, through buffers far smaller than it."""
    with wired(certificate, sides, SMALL_BUFFER) as wires:
        # TLS of Python takes one greenlet at a time for a socket, so each side's writing is done first.
        for source, target in ((wires.client, wires.server), (wires.server, wires.client)):
            writing = gevent.spawn(source.sendall, BULK)
            assert read_exactly(target, len(BULK)) == BULK
            writing.get()
        assert wires.relay.from_client.count == wires.relay.from_server.count == len(BULK)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(min_size=1, max_size=40_000), max_size=8))
def test_however_it_is_cut(certificate: Certificate, pieces: list[bytes]) -> None:
    """Whatever way the bytes are cut, what arrives is what was sent."""
    with wired(certificate, BOTH) as wires:
        sent = b"".join(pieces)

        def write() -> None:
            for piece in pieces:
                wires.client.sendall(piece)
                gevent.sleep(0)

        writing = gevent.spawn(write)
        assert read_exactly(wires.server, len(sent)) == sent
        writing.get()


@pytest.mark.parametrize("sides", [BOTH, CLIENT, SERVER])
def test_a_half_close_is_passed_on(certificate: Certificate, sides: Sides) -> None:
    """A side that ends what it sends still gets the other's answer, and both ends are announced."""
    with wired(certificate, sides) as wires:
        wires.client.sendall(b"question")
        end_writing(wires.client)
        assert read_all(wires.server) == b"question"
        wires.server.sendall(b"answer")
        end_writing(wires.server)
        assert wires.ending() is Ending.CLOSED
        wires.relay.client.close()
        assert read_to_the_end(wires.client) == b"answer"


@pytest.mark.parametrize("sides", [BOTH, CLIENT])
def test_an_end_without_a_notice_is_a_reset(certificate: Certificate, sides: Sides) -> None:
    """A client that breaks off is not passed on as one that ended."""
    with wired(certificate, sides) as wires:
        wires.client.sendall(b"question")
        assert read_exactly(wires.server, 8) == b"question"
        _drop(wires.client)
        assert wires.ending() is Ending.CLIENT_RESET
        wires.relay.server.close()
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
            read_all(wires.server)


def _drop(far: Any) -> None:
    """Close the socket below TLS without a word."""
    socket.socket(fileno=far.detach()).close()


def test_a_target_that_does_not_read_stops_its_source(certificate: Certificate) -> None:
    """Back-pressure: what a blocked way holds is one read, and everything arrives once its target reads again."""
    with wired(certificate, CLIENT, SMALL_BUFFER) as wires:
        taken = fill(wires.server)
        assert wires.relay.from_server.is_blocked
        assert taken < 8 * 1024 * 1024
        assert read_exactly(wires.client, taken) == b"." * taken


def test_what_is_no_tls_ends_it(certificate: Certificate) -> None:
    """Bytes that OpenSSL refuses reset the other side."""
    with wired(certificate, CLIENT) as wires:
        raw = socket.socket(fileno=wires.client.detach())
        raw.sendall(b"no record of TLS at all")
        assert wires.ending() is Ending.CLIENT_RESET
        raw.close()


@pytest.mark.interpreted
def test_a_peer_that_asks_and_never_takes_is_cut_off(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TLS itself has to say is bounded, too."""
    with wired(certificate, CLIENT) as wires:
        tls = wires.relay.client
        assert isinstance(tls, TlsStream)
        monkeypatch.setattr("deston.net.tls_stream.MOST_UNSENT", -1)
        monkeypatch.setattr(TlsStream, "_send_encrypted", lambda self: False)
        wires.client.sendall(b"x")
        assert wires.ending() is Ending.CLIENT_RESET


@pytest.mark.interpreted
def test_a_notice_that_finds_no_room_is_sent_later(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is announced as soon as the target takes something again."""
    with wired(certificate, CLIENT) as wires:
        send = TlsStream._send_encrypted
        refused: list[bool] = []

        def refuse_once(self: TlsStream) -> bool:
            if self.has_unsent and not refused:
                refused.append(True)
                return False
            return send(self)

        monkeypatch.setattr(TlsStream, "_send_encrypted", refuse_once)
        wires.server.shutdown(socket.SHUT_WR)
        assert read_all(wires.client) == b""
        assert refused


def test_an_error_of_the_socket_is_one_of_the_stream(certificate: Certificate) -> None:
    """Telling a peer of the end that has reset its connection raises what streams raise, and keeps nothing back."""
    with wired(certificate, CLIENT) as wires:
        wires.running.kill()
        tls = wires.relay.client
        assert isinstance(tls, TlsStream)
        wires.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _drop(wires.client)
        wait_until(tls._stream.has_input, "the reset", gevent.sleep)
        with pytest.raises(StreamError):
            tls.shutdown_write()
        assert not tls.has_unsent


@pytest.mark.interpreted
def test_a_peer_that_only_speaks_of_tls_is_cut_off(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records without a byte for the other side are taken in turns, and only so many of them."""
    monkeypatch.setattr("deston.net.tls_stream.MOST_FRUITLESS", 50)
    with wired(certificate, CLIENT) as wires:
        tls = wires.relay.client
        assert isinstance(tls, TlsStream)
        monkeypatch.setattr(TlsStream, "_decrypt", lambda self, buffer: 0)
        for _ in range(3):
            wires.client.sendall(b"x")
            gevent.sleep(0.01)
        assert wires.ending() is Ending.CLIENT_RESET


def test_what_was_read_ahead_stays_in_front() -> None:
    """A way that begins blocked reads nothing before that is gone, whatever has come meanwhile."""
    with (
        tcp_pair(SMALL_BUFFER) as (near_client, client),
        tcp_pair(SMALL_BUFFER) as (near_server, server),
        in_good_time(),
    ):
        relay = Relay(Stream(near_client), Stream(near_server), LIMITS, SecureDirection)
        client.sendall(b"B" * 100)
        relay.from_client.begin_with(b"A" * 200_000)
        assert relay.from_client.is_blocked
        running = gevent.spawn(relay.run)
        assert read_exactly(server, 200_100) == b"A" * 200_000 + b"B" * 100
        running.kill()
