"""The first message of a TLS client: which name it asks for, and which protocols it offers.

What lives here: the reading of SNI and ALPN from a ClientHello that passes by. Pure.
What must not: TLS itself.
Invariant: a message is read in one way only or refused; it is bounded, and may come in any pieces and records.
Sources: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3 (SNI), RFC 7301 section 3.1 (ALPN).
"""

from __future__ import annotations

from dataclasses import dataclass

from deston.errors import BadClientHello

# Clients with many key shares send about 2 KiB; post-quantum ones 4. 16 KiB is also the largest record.
LARGEST_MESSAGE = 16 * 1024
# Each record brings five bytes more; one with a single byte of the message is still bounded by this.
LONGEST_CLIENT_HELLO = 2 * LARGEST_MESSAGE

# A record of the handshake, of any version since 3.0 (RFC 8446 section 5.1).
_RECORD = b"\x16\x03"
_CLIENT_HELLO = 0x01
_SERVER_NAME, _ALPN = 0, 16
_HOST_NAME = 0
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class ClientHello:
    """``server_name`` is in lower case without a final dot, and empty where the client asks for none."""

    server_name: str = ""
    alpn: tuple[str, ...] = ()


class _Reader:
    """Numbers and texts off the front of a message."""

    __slots__ = ("_data", "_end", "_start")

    def __init__(self, data: bytes) -> None:
        self._data, self._start, self._end = data, 0, len(data)

    def take(self, length: int) -> bytes:
        start = self._start
        if length > self._end - start:
            raise BadClientHello("a length in it is wrong")
        self._start = start + length
        return self._data[start : start + length]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Reader:
        """What stands behind a length of so many bytes."""
        return _Reader(self.take(self.number(size)))

    @property
    def rest(self) -> bool:
        return self._start < self._end


def parse_client_hello(data: bytes) -> ClientHello | None:
    """What the client hello at the front of ``data`` says; None where more bytes are needed.

    Raises ``BadClientHello``.
    """
    message = _handshake_message(data)
    return None if message is None else _read_hello(_Reader(message))


def _handshake_message(data: bytes) -> bytes | None:
    """The body of the first handshake message, gathered from its records."""
    gathered = bytearray()
    start = 0
    while True:
        if not _RECORD.startswith(data[start : start + 2]):
            raise BadClientHello("it is not the beginning of TLS")
        if len(data) < start + 5:
            return None
        length = int.from_bytes(data[start + 3 : start + 5], "big")
        if not 0 < length <= LARGEST_MESSAGE:
            raise BadClientHello("a record has a wrong length")
        gathered += data[start + 5 : start + 5 + length]
        wanted = _wanted(gathered)
        if wanted is not None and len(gathered) >= wanted:
            if len(gathered) > wanted:
                raise BadClientHello("something follows it in its record")
            return bytes(gathered[4:wanted])
        if len(data) < start + 5 + length:
            return None
        start += 5 + length


def _wanted(gathered: bytearray) -> int | None:
    """How long the message is with its header; None while that is not known."""
    if gathered and gathered[0] != _CLIENT_HELLO:
        raise BadClientHello("it is another message of TLS")
    if len(gathered) < 4:
        return None
    wanted = 4 + int.from_bytes(gathered[1:4], "big")
    if wanted > LARGEST_MESSAGE:
        raise BadClientHello(f"it is longer than {LARGEST_MESSAGE} bytes")
    return wanted


def _read_hello(reader: _Reader) -> ClientHello:
    reader.take(2 + 32)  # The version, and the random bytes.
    reader.vector(1)  # The session id.
    reader.vector(2)  # The cipher suites.
    reader.vector(1)  # The compression methods.
    if not reader.rest:
        return ClientHello()
    extensions = reader.vector(2)
    if reader.rest:
        raise BadClientHello("something follows its extensions")
    found: dict[int, _Reader] = {}
    while extensions.rest:
        kind = extensions.number(2)
        if kind in found:
            raise BadClientHello("an extension stands twice in it")
        found[kind] = extensions.vector(2)
    name = _read_name(found[_SERVER_NAME]) if _SERVER_NAME in found else ""
    return ClientHello(name, _read_alpn(found[_ALPN]) if _ALPN in found else ())


def _read_name(extension: _Reader) -> str:
    names = extension.vector(2)
    if extension.rest or not names.rest:
        raise BadClientHello("its server name is malformed")
    kind, raw = names.number(1), names.vector(2)
    if names.rest or kind != _HOST_NAME:
        raise BadClientHello("it has more than one server name")
    name = raw.take(raw._end).lower().removesuffix(b".")
    plain = name.replace(b"-", b"").replace(b"_", b"").replace(b".", b"")
    if not plain.isalnum() or not name.isascii() or len(name) > _LONGEST_NAME:
        raise BadClientHello("its server name is no host name")
    return name.decode("ascii")


def _read_alpn(extension: _Reader) -> tuple[str, ...]:
    protocols = extension.vector(2)
    if extension.rest or not protocols.rest:
        raise BadClientHello("its ALPN is malformed")
    found = []
    while protocols.rest:
        one = protocols.vector(1)
        if not one.rest:
            raise BadClientHello("its ALPN has an empty protocol")
        found.append(one.take(one._end).decode("latin-1"))
    return tuple(found)
