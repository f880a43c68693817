"""TLS to servers: whom it trusts, what it carries, and how it ends."""

from __future__ import annotations

import math
import ssl
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deston.address import Address
from deston.errors import ConnectError, ReadTimeout, Retry, StartError, StreamError, StreamReset
from deston.net.byte_stream import ByteStream
from deston.net.dial import dial
from deston.net.tls import client_context, secure
from deston.net.tls_stream import TlsStream
from tests.builders import make_tls_config
from tests.peers import (
    READ_SIZE,
    AcceptsAndNeverAnswers,
    ClosesAtOnce,
    EchoServer,
    HalfCloses,
    Peer,
    RefusingPort,
    reset,
    wait_until,
)
from tests.tls_peers import NAME, Certificate, TlsServer, make_certificate
from tests.wires import in_good_time

PATIENCE = 20.0
MIB = 1 << 20
BULK = bytes(range(251)) * (2 * MIB // 251)


def dial_tls(
    address: Address, timeout: float, context: ssl.SSLContext, name: str, handshake_timeout: float
) -> TlsStream:
    """Connect and shake hands."""
    return secure(dial(address, timeout), address, context, name, handshake_timeout)


def connected(server: Peer, certificate: Certificate, name: str = NAME, **changes: Any) -> TlsStream:
    """A stream to a server whose certificate is trusted, unless ``changes`` of the settings say otherwise."""
    context = client_context(make_tls_config(**{"ca": str(certificate.certificate), **changes}))
    return dial_tls(server.address, PATIENCE, context, name, PATIENCE)


def read_exactly(stream: ByteStream, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := stream.read(count - len(data))):
        data += piece
    return data


# Whom to trust.


@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
def test_a_certificate_that_is_trusted_and_names_the_server(certificate: Certificate, name: str) -> None:
    """A connection comes about where the certificate is signed by the authority and names the server or its address."""
    with TlsServer(certificate) as server, in_good_time():
        stream: ByteStream = connected(server, certificate, name)
        stream.write(b"hello")
        assert stream.read(100) == b"hello"
        stream.close()
        assert server.server_names == [NAME if name == NAME else None]


def test_a_certificate_that_nobody_trusts(certificate: Certificate) -> None:
    """Without the authority the handshake fails, saying why, and another server may be tried."""
    with TlsServer(certificate) as server, in_good_time():
        with pytest.raises(ConnectError, match="TLS handshake: the certificate cannot be trusted: self") as caught:
            connected(server, certificate, ca="")
        assert caught.value.retry is Retry.ALWAYS
        wait_until(lambda: server.failures, "the server is told", gevent.sleep)
        assert "unknown ca" in server.failures[0]


def test_a_certificate_of_somebody_else(certificate: Certificate) -> None:
    """A trusted certificate for another name is no use."""
    with TlsServer(certificate) as server, in_good_time(), pytest.raises(ConnectError, match="not valid for 'other.t"):
        connected(server, certificate, "other.test")


def test_no_verification(certificate: Certificate) -> None:
    """Where the configuration says so, any certificate will do, whatever its name."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate, "other.test", ca="", verify=False)
        stream.write(b"hello")
        assert stream.read(5) == b"hello"
        stream.close()


@pytest.mark.parametrize("name", ["", ".test", "a" * 300])
def test_a_name_that_no_certificate_can_have(certificate: Certificate, name: str) -> None:
    """A name that TLS cannot speak of is a failed dial, which leaves no socket behind."""
    with TlsServer(certificate) as server, in_good_time(), pytest.raises(ConnectError, match="TLS handshake: "):
        connected(server, certificate, name)


def test_a_server_without_a_name_that_is_not_verified(certificate: Certificate, tmp_path: Path) -> None:
    """A unix socket has no name; where nothing is verified, none is needed."""
    address = Address(path=str(tmp_path / "tls.sock"))
    with TlsServer(certificate, at=address) as server, in_good_time():
        connected(server, certificate, "", verify=False).close()
        assert server.server_names == [None]


def test_a_clients_certificate(certificate: Certificate, tmp_path: Path) -> None:
    """A client's certificate is shown to a server that asks for one; it may hold its key itself, or apart."""
    mine = make_certificate(tmp_path, "client.test")
    both = tmp_path / "both.pem"
    both.write_bytes(mine.certificate.read_bytes() + mine.key.read_bytes())
    for shown, key in ((mine.certificate, str(mine.key)), (both, "")):
        with TlsServer(certificate, client_ca=mine.certificate) as server, in_good_time():
            stream = connected(server, certificate, client_certificate=str(shown), client_key=key)
            stream.write(b"hello")
            assert stream.read(5) == b"hello"
            stream.close()


def test_no_certificate_for_a_server_that_wants_one(certificate: Certificate) -> None:
    """A server that refuses us says so, if not in the handshake then in the first read."""

    def read_from(server: Peer) -> None:
        stream = connected(server, certificate)
        try:
            stream.read(1)
        finally:
            stream.close()

    with TlsServer(certificate, client_ca=certificate.certificate) as server, in_good_time():
        with pytest.raises(StreamError, match=r"(?i)certificate.required"):
            read_from(server)
        wait_until(lambda: server.failures, "the failure", gevent.sleep)


# Files.


def test_the_authorities_of_the_system() -> None:
    """Without an authority of its own a pool trusts those of the system, and verifies."""
    context = client_context(make_tls_config())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("setting", ["ca", "client_certificate"])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "the certificate cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "the certificate cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"garbage"), "not a certificate or key that can be used"),
        (lambda path: path.write_bytes(b""), "not a certificate or key that can be used"),
        (lambda path: path.write_bytes(bytes(range(256))), "not a certificate or key that can be used"),
    ],
    ids=["missing", "folder", "garbage", "empty", "binary"],
)
def test_a_file_that_is_no_certificate(tmp_path: Path, setting: str, make: Any, sentence: str) -> None:
    """A file that cannot be used is named, with the reason, in one sentence."""
    file = tmp_path / "file.pem"
    make(file)
    with pytest.raises(StartError, match=sentence) as caught:
        client_context(make_tls_config(**{setting: str(file)}))
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(certificate: Certificate, tmp_path: Path) -> None:
    """Of a certificate and a key, the file that is missing is named."""
    settings = make_tls_config(client_certificate=str(certificate.certificate), client_key=str(tmp_path / "no.key"))
    with pytest.raises(StartError, match="^[^ ]*no.key: the key cannot be read: No such file or directory$"):
        client_context(settings)


def test_a_key_of_another_certificate(certificate: Certificate, tmp_path: Path) -> None:
    """A key that does not belong to the certificate is found out at the start."""
    other = make_certificate(tmp_path, "other.test")
    settings = make_tls_config(client_certificate=str(certificate.certificate), client_key=str(other.key))
    with pytest.raises(StartError, match=r"not a certificate or key that can be used \(.*MISMATCH\)"):
        client_context(settings)


def test_a_key_with_a_passphrase_asks_nobody(certificate: Certificate, tmp_path: Path) -> None:
    """A key that is encrypted is refused; nobody sits at the terminal of a service to type a passphrase."""
    locked = tmp_path / "locked.key"
    command = [
        "openssl",
        "pkey",
        "-in",
        str(certificate.key),
        "-aes128",
        "-passout",
        "pass:secret",
        "-out",
        str(locked),
    ]
    subprocess.run(command, check=True, capture_output=True)
    settings = make_tls_config(client_certificate=str(certificate.certificate), client_key=str(locked))
    with pytest.raises(StartError, match="not a certificate or key that can be used"):
        client_context(settings)


# Handshakes that fail.


def test_a_server_that_refuses() -> None:
    """A refused connection is a failed dial."""
    with RefusingPort() as port, in_good_time(), pytest.raises(ConnectError, match="refused"):
        dial_tls(port.address, PATIENCE, client_context(make_tls_config()), NAME, PATIENCE)


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (EchoServer(), "TLS handshake: "),  # It speaks, but not TLS.
        (HalfCloses(b"220 smtp.test ready\r\n"), "TLS handshake: .*(?i:wrong.version|packet.length)"),
        (ClosesAtOnce(), "TLS handshake: "),
    ],
    ids=["echo", "banner", "close"],
)
def test_a_server_that_does_not_speak_tls(peer: Peer, reason: str) -> None:
    """A server that speaks something else, or nothing, fails the handshake, not the process."""
    with peer as server, in_good_time(), pytest.raises(ConnectError, match=reason):
        dial_tls(server.address, PATIENCE, client_context(make_tls_config()), NAME, PATIENCE)


def test_a_handshake_that_never_completes() -> None:
    """A server that accepts and never answers ends the handshake at its deadline; the socket is closed."""
    with AcceptsAndNeverAnswers() as server, in_good_time():
        started = time.monotonic()
        with pytest.raises(ConnectError, match="TLS handshake: nothing was received in time"):
            dial_tls(server.address, PATIENCE, client_context(make_tls_config()), NAME, 0.1)
        assert time.monotonic() - started >= 0.1


def test_a_kill_ends_a_handshake() -> None:
    """A greenlet that is killed in a handshake leaves no socket behind."""
    with AcceptsAndNeverAnswers() as server, in_good_time():
        shaking = gevent.spawn(dial_tls, server.address, PATIENCE, client_context(make_tls_config()), NAME, PATIENCE)
        wait_until(lambda: server.accepted, "the connection", gevent.sleep)
        shaking.kill()


# Bytes.


def test_much_both_ways(certificate: Certificate) -> None:
    """Bulk arrives whole and in order, and is sent record by record: no copy of all of it is made."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate)
        writing = gevent.spawn(stream.write, BULK)
        assert read_exactly(stream, len(BULK)) == BULK
        writing.get()
        stream.close()


def test_a_large_write_is_sent_as_it_is_encrypted(certificate: Certificate) -> None:
    """While the server does not read, no more is kept than a piece of what is to be written."""

    def read_when_told(secured: ssl.SSLSocket) -> None:
        go.wait(PATIENCE)
        while secured.recv(READ_SIZE):
            pass

    go = threading.Event()
    data = bytes(32 * MIB)
    with TlsServer(certificate, read_when_told) as server, in_good_time():
        stream = connected(server, certificate)
        tracemalloc.start()
        try:
            writing = gevent.spawn(stream.write, data)
            wait_until(lambda: stream._stream.writer.active, "a full socket", gevent.sleep)
            assert tracemalloc.get_traced_memory()[1] < MIB
        finally:
            tracemalloc.stop()
            go.set()
        writing.get()
        stream.close()


@given(pieces=st.lists(st.binary(max_size=40_000), max_size=6), limit=st.integers(1, 50_000))
@settings(max_examples=15, deadline=None)
def test_whatever_way_bytes_are_cut(certificate: Certificate, pieces: list[bytes], limit: int) -> None:
    """However writes and reads cut them, the bytes that come back are those that were written; no read is too long."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate)
        expected = b"".join(pieces)
        received = b""
        for piece in pieces:
            stream.write(piece)
        while len(received) < len(expected):
            data = stream.read(limit)
            assert 1 <= len(data) <= limit
            received += data
        assert received == expected
        stream.close()


def test_a_deadline_ends_a_read(certificate: Certificate) -> None:
    """A read that waits for a silent server raises its timeout at the deadline."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate)
        stream.expire_after(0.1)
        with pytest.raises(ReadTimeout):
            stream.read(1)
        stream.expire_after(math.inf)
        stream.write(b"on")
        assert stream.read(2) == b"on"
        stream.close()


# Ends.


def test_the_end_with_a_notice(certificate: Certificate) -> None:
    """A server that says that it closes has ended, as often as one reads."""

    def say_goodbye(secured: ssl.SSLSocket) -> None:
        secured.sendall(b"bye")
        secured.unwrap()

    with TlsServer(certificate, say_goodbye) as server, in_good_time():
        stream = connected(server, certificate)
        assert read_exactly(stream, 3) == b"bye"
        assert stream.read(1) == b""
        assert stream.read(1) == b""
        assert not stream.is_quiet()
        stream.close()


def test_an_end_without_a_notice_is_a_truncation(certificate: Certificate) -> None:
    """A connection that just ends may have been cut by anybody: it is an error, as often as one reads."""
    with TlsServer(certificate, lambda secured: secured.sendall(b"cut")) as server, in_good_time():
        stream = connected(server, certificate)
        assert read_exactly(stream, 3) == b"cut"
        for _ in range(2):
            with pytest.raises(StreamReset):
                stream.read(1)
        stream.close()


def test_a_reset_by_the_server(certificate: Certificate) -> None:
    """A reset is an error in reads and in writes."""
    with TlsServer(certificate, reset) as server, in_good_time():
        stream = connected(server, certificate)
        with pytest.raises(StreamReset):
            stream.read(1)
        with pytest.raises(StreamReset):
            stream.write(BULK)
        stream.close()


def test_our_end_is_announced(certificate: Certificate) -> None:
    """A close sends the notice, so that the server can tell it from a truncation; a second close does nothing."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate)
        stream.write(b"hello")
        assert stream.read(5) == b"hello"
        stream.close()
        stream.close()
        wait_until(lambda: server.notices, "the notice", gevent.sleep)
        with pytest.raises(StreamReset):
            stream.write(b"too late")


def test_a_close_waits_for_nobody(certificate: Certificate) -> None:
    """A notice that the socket does not take at once is not sent."""
    go = threading.Event()
    with TlsServer(certificate, lambda secured: (go.wait(PATIENCE), None)[1]) as server, in_good_time():
        stream = connected(server, certificate)
        writing = gevent.spawn(stream.write, BULK * 8)
        gevent.sleep(0.05)
        writing.kill()
        stream.close()
        go.set()


def test_an_abort_announces_nothing(certificate: Certificate) -> None:
    """An abort is a reset: the server cannot take what came for all."""
    ends: list[str] = []

    def note_the_end(secured: ssl.SSLSocket) -> None:
        try:
            while secured.recv(100):
                pass
            ends.append("notice")
        except OSError as error:
            ends.append(type(error).__name__)

    with TlsServer(certificate, note_the_end) as server, in_good_time():
        stream = connected(server, certificate)
        stream.write(b"half a request")
        stream.abort()
        wait_until(lambda: ends, "the end", gevent.sleep)
    assert ends[0] in ("ConnectionResetError", "SSLEOFError")


# Quiet.


def test_session_tickets_are_no_input(certificate: Certificate) -> None:
    """What TLS says of itself after the handshake is neither input nor a reason not to use a connection again."""
    with TlsServer(certificate) as server, in_good_time():
        stream = connected(server, certificate)
        wait_until(stream._stream.has_input, "the tickets", gevent.sleep)
        assert not stream.has_input()
        assert stream.is_quiet()
        stream.write(b"hello")
        assert stream.read(5) == b"hello"
        assert stream.is_quiet()
        stream.close()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_asked_loses_nothing(certificate: Certificate, newest: ssl.TLSVersion) -> None:
    """Asking whether there is input finds it, and leaves it to be read."""
    with TlsServer(certificate, newest=newest) as server, in_good_time():
        stream = connected(server, certificate)
        stream.write(b"hello")
        wait_until(stream.has_input, "the answer", gevent.sleep)
        assert stream.has_input()
        assert not stream.is_quiet()
        assert read_exactly(stream, 5) == b"hello"
        assert not stream.has_input()
        stream.close()


def test_bytes_beyond_what_was_read_are_not_quiet(certificate: Certificate) -> None:
    """Bytes that the server sent too many make a connection unfit, wherever in TLS they wait to be read."""

    def answer_too_much(secured: ssl.SSLSocket) -> None:
        secured.recv(100)
        secured.sendall(b"answer and more")
        secured.recv(100)
        secured.sendall(b"answer")
        secured.sendall(b"and more in a record of its own")
        secured.recv(100)

    with TlsServer(certificate, answer_too_much) as server, in_good_time():
        stream = connected(server, certificate)
        stream.write(b"question")
        assert read_exactly(stream, 6) == b"answer"
        assert not stream.is_quiet()
        assert stream.has_input()
        assert read_exactly(stream, 9) == b" and more"
        assert stream.is_quiet()
        stream.write(b"question")
        # Both records have come before the first is read.
        wait_until(stream.has_input, "the answer", gevent.sleep)
        gevent.sleep(0.05)
        assert read_exactly(stream, 6) == b"answer"
        assert not stream.is_quiet()
        stream.close()


@pytest.mark.parametrize("end", [lambda secured: None, reset, lambda secured: secured.unwrap()])
def test_an_end_is_not_quiet(certificate: Certificate, end: Any) -> None:
    """A server that has closed, with a notice or without, or has reset, is not quiet."""
    with TlsServer(certificate, end) as server, in_good_time():
        stream = connected(server, certificate)
        wait_until(lambda: not stream.is_quiet(), "the end", gevent.sleep)
        assert stream.has_input()
        stream.close()


@pytest.mark.interpreted
def test_a_peer_that_is_ahead_does_not_hold_the_hub(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it is here already, in however many records, others get their turn between two reads."""
    monkeypatch.setattr("deston.net.hub.LONGEST_TURN", 0.0)

    def speak(secured: ssl.SSLSocket) -> None:
        for _ in range(50):
            secured.sendall(b"x")
        secured.recv(1)

    with TlsServer(certificate, speak) as server, in_good_time():
        stream = connected(server, certificate)
        wait_until(lambda: stream.has_input(), "the first record", gevent.sleep)
        turns: list[int] = []
        read = 0

        def count() -> None:
            while read < 50:
                turns.append(read)
                gevent.sleep(0)

        counting = gevent.spawn(count)
        while read < 50:
            read += len(stream.read_when_ready(100))
        counting.join()
        assert len(turns) > 10
        stream.close()
