"""The PROXY protocol, versions 1 and 2: who the client of a connection really is.

What lives here: reading and writing of the header that stands before a connection's first byte, or in a datagram. Pure.
What must not: sockets, and whom to believe.
Invariant: a header is read in one way only or refused; no prefix of a header is mistaken for one. Specification: "The
PROXY protocol, versions 1 & 2" (HAProxy's doc/proxy-protocol.txt), sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from deston.errors import BadProxyHeader

Endpoint = tuple[str, int]
Tlv = tuple[int, bytes]

SIGNATURE_V1 = b"PROXY "
SIGNATURE_V2 = b"\r\n\r\n\0\r\nQUIT\n"
# Section 2.1: the longest line, with its end.
LONGEST_V1 = 107
# 16 bytes, two IPv6 addresses and what TLVs need; a client certificate in one of them is about 2 KiB.
LONGEST_HEADER = 4096

TLV_ALPN, TLV_AUTHORITY, TLV_CRC32C, TLV_NOOP, TLV_UNIQUE_ID = 0x01, 0x02, 0x03, 0x04, 0x05
# Section 2.2.5: a unique id is at most 128 bytes long.
LONGEST_UNIQUE_ID = 128

_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_STREAM, _DATAGRAM = 0x1, 0x2
_INET, _INET6, _UNIX = 0x10, 0x20, 0x30
_PORTS = struct.Struct("!HH")
# What an address block has of bytes, by family.
_BLOCKS = {_INET: 12, _INET6: 36, _UNIX: 216}
_ADDRESS = {_INET: 4, _INET6: 16}
_V1_FAMILIES = {b"TCP4": 4, b"TCP6": 6}


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header says.

    ``source`` and ``destination`` are None where it leaves them to the connection itself: version 1's ``UNKNOWN``,
    version 2's ``LOCAL``, and addresses that are neither IPv4 nor IPv6.
    """

    source: Endpoint | None = None
    destination: Endpoint | None = None
    tlvs: tuple[Tlv, ...] = ()


def parse_proxy_header(data: bytes) -> tuple[ProxyHeader, int] | None:
    """The header that ``data`` begins with, and its length; None where more bytes are needed.

    Raises ``BadProxyHeader``.
    """
    if data[:1] == SIGNATURE_V2[:1]:
        return _parse_v2(data)
    return _parse_v1(data)


def _parse_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    if not SIGNATURE_V1.startswith(data[: len(SIGNATURE_V1)]):
        raise BadProxyHeader("it begins with neither signature")
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise BadProxyHeader(f"its line is longer than {LONGEST_V1} bytes")
        return None
    words = data[len(SIGNATURE_V1) : end].split(b" ")
    if words[0] == b"UNKNOWN":
        return ProxyHeader(), end + 2
    if words[0] not in _V1_FAMILIES or len(words) != 5:
        raise BadProxyHeader("its line does not have a family, two addresses and two ports")
    version = _V1_FAMILIES[words[0]]
    source, destination = (_address(word, version) for word in words[1:3])
    ports = [_port(word) for word in words[3:]]
    return ProxyHeader((source, ports[0]), (destination, ports[1])), end + 2


def _address(word: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise BadProxyHeader("an address is none") from None
    if address.version != version or b"%" in word:
        raise BadProxyHeader("an address is not of its family")
    return _unmapped(address)


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The one spelling of an address: one of IPv4 in the form of IPv6 is that of IPv4."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535 or (word[:1] == b"0" and word != b"0"):
        raise BadProxyHeader("a port is none")
    return int(word)


def _parse_v2(data: bytes) -> tuple[ProxyHeader, int] | None:
    if not SIGNATURE_V2.startswith(data[: len(SIGNATURE_V2)]):
        raise BadProxyHeader("it begins with neither signature")
    if len(data) < _FIXED.size:
        return None
    _, command, kind, length = _FIXED.unpack_from(data)
    size = _FIXED.size + length
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeader("its version or command is unknown")
    if size > LONGEST_HEADER:
        raise BadProxyHeader(f"it is longer than {LONGEST_HEADER} bytes")
    family, transport = kind & 0xF0, kind & 0x0F
    block = _BLOCKS.get(family, 0) if command == _PROXY else 0
    if family not in (0, *_BLOCKS) or transport not in (0, _STREAM, _DATAGRAM):
        raise BadProxyHeader("its family or transport is unknown")
    if length < block:
        raise BadProxyHeader("it is too short for its addresses")
    if len(data) < size:
        return None
    if command == _LOCAL:
        return ProxyHeader(), size  # Section 2.2: whatever else stands there is to be skipped.
    source, destination = _read_block(data[_FIXED.size :], family)
    return ProxyHeader(source, destination, _read_tlvs(data[:size], _FIXED.size + block)), size


def _read_block(data: bytes, family: int) -> tuple[Endpoint | None, Endpoint | None]:
    size = _ADDRESS.get(family)
    if size is None:
        return None, None
    ports = _PORTS.unpack_from(data, 2 * size)
    hosts = (_unmapped(ipaddress.ip_address(data[start : start + size])) for start in (0, size))
    source, destination = zip(hosts, ports, strict=True)
    return source, destination


def _read_tlvs(header: bytes, start: int) -> tuple[Tlv, ...]:
    found: list[Tlv] = []
    while start < len(header):
        if start + 3 > len(header):
            raise BadProxyHeader("a TLV is cut off")
        kind, length = struct.unpack_from("!BH", header, start)
        value = header[start + 3 : start + 3 + length]
        if len(value) < length:
            raise BadProxyHeader("a TLV is cut off")
        _check_tlv(kind, value, header, start + 3)
        if kind != TLV_NOOP:
            found.append((kind, value))
        start += 3 + length
    return tuple(found)


def _check_tlv(kind: int, value: bytes, header: bytes, start: int) -> None:
    if kind == TLV_UNIQUE_ID and len(value) > LONGEST_UNIQUE_ID:
        raise BadProxyHeader(f"a unique id is longer than {LONGEST_UNIQUE_ID} bytes")
    if kind == TLV_CRC32C:
        blank = header[:start] + bytes(len(value)) + header[start + len(value) :]
        if value != struct.pack("!I", crc32c(blank)):
            raise BadProxyHeader("its checksum is wrong")


def proxy_header_v1(source: Endpoint | None, destination: Endpoint | None) -> bytes:
    """A header of version 1; ``UNKNOWN`` where an address is missing or the two are of unlike families."""
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n"
    first, second = ipaddress.ip_address(source[0]), ipaddress.ip_address(destination[0])
    if first.version != second.version:
        return b"PROXY UNKNOWN\r\n"
    family = "TCP4" if first.version == 4 else "TCP6"
    return f"PROXY {family} {first} {second} {source[1]} {destination[1]}\r\n".encode("ascii")


def proxy_header_v2(
    source: Endpoint | None, destination: Endpoint | None, tlvs: Iterable[Tlv] = (), datagram: bool = False
) -> bytes:
    """A header of version 2; addresses of unlike families are both written as IPv6, none makes it ``LOCAL``."""
    rest = b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)
    if source is None or destination is None:
        return _FIXED.pack(SIGNATURE_V2, _LOCAL, 0, len(rest)) + rest
    hosts = [ipaddress.ip_address(host) for host, _ in (source, destination)]
    family = _INET if all(host.version == 4 for host in hosts) else _INET6
    packed = [host.packed if family == _INET or host.version == 6 else _mapped(host.packed) for host in hosts]
    block = b"".join(packed) + _PORTS.pack(source[1], destination[1])
    kind = family | (_DATAGRAM if datagram else _STREAM)
    return _FIXED.pack(SIGNATURE_V2, _PROXY, kind, len(block) + len(rest)) + block + rest


def _mapped(packed: bytes) -> bytes:
    return bytes(10) + b"\xff\xff" + packed


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720 appendix B.4 (Castagnoli); headers are short, so a table of 256 entries is enough."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _crc_entry(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (0x82F63B78 if index & 1 else 0)
    return index


_CRC_TABLE = tuple(map(_crc_entry, range(256)))
