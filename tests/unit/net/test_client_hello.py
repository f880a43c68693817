"""ClientHellos: of real clients, cut in any way, and what is refused."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.errors import BadClientHello
from deston.net.client_hello import LARGEST_MESSAGE, ClientHello, parse_client_hello


def hello(name: str | None = "db.example.com", *alpn: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def in_records(data: bytes, size: int) -> bytes:
    """The message of one record in records of so many bytes."""
    message = data[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def crafted(extensions: bytes) -> bytes:
    """A small hello with these extensions, lengths included."""
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def extension(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def named(name: bytes, kind: int = 0) -> bytes:
    entry = bytes([kind]) + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)


def together(*extensions: bytes) -> bytes:
    joined = b"".join(extensions)
    return crafted(len(joined).to_bytes(2, "big") + joined)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_a_client_asks_for(version: ssl.TLSVersion) -> None:
    """The name and the protocols are found, or that there are none."""
    assert parse_client_hello(hello("DB.example.com", "h2", "http/1.1", version=version)) == ClientHello(
        "db.example.com", ("h2", "http/1.1")
    )
    assert parse_client_hello(hello(None, version=version)) == ClientHello()
    assert parse_client_hello(crafted(b"")) == ClientHello()


@given(st.integers(1, 300), st.data())
def test_it_may_come_in_any_pieces_and_records(size: int, data: st.DataObject) -> None:
    """Before it is whole it is none yet; how it is cut changes nothing."""
    whole = in_records(hello("a.example", "x"), size)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse_client_hello(whole[:cut]) is None
    assert parse_client_hello(whole) == ClientHello("a.example", ("x",))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x02",
        b"\x15\x03\x01\0\x02\x01\0",
        b"\x16\x03\x01\0\0",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\0\x01\x02",
        b"\x16\x03\x01\0\x04\x01" + (LARGEST_MESSAGE).to_bytes(3, "big"),
        crafted(b"")[:-2] + b"\x02\0",
        crafted(b"\0\x05"),
        crafted(b"\0\0?"),
        together(named(b"a"), named(b"b")),
        together(named(b"")),
        together(named(b"a b")),
        together(named(b"a\0b")),
        together(named("ä".encode())),
        together(named(b"a" * 256)),
        together(named(b"a", kind=1)),
        together(extension(0, b"\0\0")),
        together(extension(0, named(b"a")[4:] + b"?")),
        together(extension(16, b"\0\0")),
        together(extension(16, b"\0\x01\0")),
        together(extension(16, b"\0\x03\x05h2")),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    """Another protocol, another message, wrong lengths, and what could be read in two ways."""
    with pytest.raises(BadClientHello):
        parse_client_hello(data)


def test_a_final_dot_makes_no_other_name() -> None:
    """A name with a dot at its end is the name without it."""
    assert parse_client_hello(together(named(b"db.example.com."))) == ClientHello("db.example.com")


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"\x16\x03\x01" + rest))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing else than the one error is ever raised."""
    try:
        parse_client_hello(data)
    except BadClientHello:
        return
