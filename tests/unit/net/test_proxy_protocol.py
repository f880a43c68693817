"""The PROXY protocol: the specification's examples, what is refused, and that nothing depends on how bytes are cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.errors import BadProxyHeader
from deston.net.proxy_protocol import (
    LONGEST_HEADER,
    LONGEST_UNIQUE_ID,
    SIGNATURE_V2,
    TLV_ALPN,
    TLV_AUTHORITY,
    TLV_CRC32C,
    TLV_NOOP,
    TLV_UNIQUE_ID,
    Endpoint,
    ProxyHeader,
    crc32c,
    parse_proxy_header,
    proxy_header_v1,
    proxy_header_v2,
)

V4 = ("192.168.0.1", 56324), ("192.168.0.11", 443)
V6 = ("2001:db8::1", 1), ("2001:db8::2", 65535)

# The longest spelling of an address, as in the longest line of section 2.1.
FULL_V6 = b":".join([b"ffff"] * 8)

#: The lines of section 2.1, and what they say.
LINES = [
    (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", V4),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", (("255.255.255.255", 65535),) * 2),
    (b"PROXY TCP6 " + FULL_V6 + b" " + FULL_V6 + b" 65535 65535\r\n", ((FULL_V6.decode(), 65535),) * 2),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", V6),
    (b"PROXY UNKNOWN\r\n", (None, None)),
    (b"PROXY UNKNOWN " + FULL_V6 + b" " + FULL_V6 + b" 65535 65535\r\n", (None, None)),
]

#: Lines that a lenient reader might take.
BAD_LINES = [
    b"GET / HTTP/1.1\r\n",
    b"proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
    b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 ::1 ::2 1 2\r\n",
    b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
    b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n" + b"x" * 107,
    b"PROXY TCP4 " + b"1" * 107,
    b"PROXY TCP4 \xff\xff 2.2.2.2 1 2\r\n",
]


def v2(command: int = 0x21, kind: int = 0x11, body: bytes = bytes(12), length: int | None = None) -> bytes:
    """A header of version 2 from its parts."""
    return SIGNATURE_V2 + struct.pack("!BBH", command, kind, len(body) if length is None else length) + body


BAD_BINARY = [
    v2(command=0x11),
    v2(command=0x22),
    v2(kind=0x41),
    v2(kind=0x13),
    v2(body=bytes(11)),
    v2(kind=0x21, body=bytes(35)),
    v2(length=LONGEST_HEADER),
    v2(body=bytes(12) + b"\x01\x00"),
    v2(body=bytes(12) + b"\x01\x00\x02x"),
    v2(body=bytes(12) + b"\x03\x00\x04\0\0\0\0"),
    v2(body=bytes(12) + b"\x03\x00\x03\0\0\0"),
    v2(body=bytes(12) + struct.pack("!BH", TLV_UNIQUE_ID, LONGEST_UNIQUE_ID + 1) + bytes(LONGEST_UNIQUE_ID + 1)),
    b"\r\n\r\n\0\r\nQUIX\n",
    b"\r\nPROXY",
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_the_lines_of_the_specification(line: bytes, expected: tuple[Endpoint, Endpoint]) -> None:
    """Each line is read to its end and no further."""
    assert parse_proxy_header(line + b"rest") == (ProxyHeader(*expected), len(line))


@pytest.mark.parametrize("data", [*BAD_LINES, *BAD_BINARY])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    """What could be read in two ways, or in none, is refused."""
    with pytest.raises(BadProxyHeader):
        parse_proxy_header(data)


@pytest.mark.parametrize("data", [line for line, _ in LINES] + [v2(), v2(kind=0x31, body=bytes(216)), v2(0x20, 0, b"")])
def test_a_part_of_a_header_is_none_yet(data: bytes) -> None:
    """Every part of a header waits for the rest of it."""
    assert all(parse_proxy_header(data[:end]) is None for end in range(len(data)))
    assert parse_proxy_header(data) is not None


@pytest.mark.parametrize(
    "data", [v2(0x20, 0, b""), v2(0x20, 0x11, bytes(12) + b"?"), v2(0x21, 0, b""), v2(0x21, 0x31, bytes(216))]
)
def test_addresses_may_be_left_to_the_connection(data: bytes) -> None:
    """``LOCAL``, and families that have no port, say nothing about the client."""
    assert parse_proxy_header(data) == (ProxyHeader(), len(data))


def test_a_checksum_is_verified() -> None:
    """RFC 3720's example holds, and a header with its right checksum is taken."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    blank = v2(body=bytes(12) + struct.pack("!BH", TLV_CRC32C, 4) + bytes(4))
    checksum = struct.pack("!I", crc32c(blank))
    found = parse_proxy_header(blank[:-4] + checksum)
    assert found is not None
    assert found[0].tlvs == ((TLV_CRC32C, checksum),)


def test_padding_is_skipped() -> None:
    """A NOOP is nothing."""
    header = proxy_header_v2(*V4, tlvs=[(TLV_NOOP, b"???"), (TLV_AUTHORITY, b"db.example.com")])
    assert parse_proxy_header(header) == (ProxyHeader(*V4, ((TLV_AUTHORITY, b"db.example.com"),)), len(header))


# One of IPv4 in the form of IPv6 comes back as what it is.
def is_itself(one: object) -> bool:
    return not getattr(one, "ipv4_mapped", None)


hosts = st.ip_addresses().filter(is_itself)
endpoints = st.tuples(hosts.map(str), st.integers(0, 65535))
pairs = st.one_of(
    [
        st.tuples(*[st.tuples(addresses.filter(is_itself).map(str), st.integers(0, 65535))] * 2)
        for addresses in (st.ip_addresses(v=4), st.ip_addresses(v=6))
    ]
)
tlvs = st.lists(st.tuples(st.sampled_from([TLV_ALPN, TLV_AUTHORITY, TLV_UNIQUE_ID, 0xE0]), st.binary(max_size=100)))


@given(pairs, tlvs, st.booleans(), st.binary())
def test_version_2_comes_back(
    pair: tuple[Endpoint, Endpoint], tlvs: list[tuple[int, bytes]], datagram: bool, rest: bytes
) -> None:
    """What is written is read, and what follows is left alone."""
    header = proxy_header_v2(*pair, tlvs=tlvs, datagram=datagram)
    assert parse_proxy_header(header + rest) == (ProxyHeader(*pair, tuple(tlvs)), len(header))


@given(pairs, st.binary())
def test_version_1_comes_back(pair: tuple[Endpoint, Endpoint], rest: bytes) -> None:
    """What is written is read, and what follows is left alone."""
    header = proxy_header_v1(*pair)
    assert parse_proxy_header(header + rest) == (ProxyHeader(*pair), len(header))


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: SIGNATURE_V2 + data))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing else than the one error is ever raised."""
    try:
        found = parse_proxy_header(data)
    except BadProxyHeader:
        return
    assert found is None or found[1] <= len(data)


def test_unlike_families() -> None:
    """Version 1 cannot say them; version 2 says both as IPv6. An address that is missing is not made up."""
    assert proxy_header_v1(V4[0], V6[1]) == proxy_header_v1(None, V4[1]) == b"PROXY UNKNOWN\r\n"
    header = proxy_header_v2(V4[0], V6[1])
    found = parse_proxy_header(header)
    assert found is not None
    assert found[0] == ProxyHeader(V4[0], V6[1])
    assert header[13] & 0xF0 == 0x20
    assert parse_proxy_header(proxy_header_v2(None, V4[1])) == (ProxyHeader(), 16)


MAPPED = [b"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:102:305 1 2\r\n", proxy_header_v2(("::ffff:1.2.3.4", 1), ("1.2.3.5", 2))]


@pytest.mark.parametrize("header", MAPPED)
def test_an_ipv4_address_has_one_spelling(header: bytes) -> None:
    """In whichever form it comes: access lists and limits of one client go by it."""
    found = parse_proxy_header(header)
    assert found is not None
    assert (found[0].source, found[0].destination) == (("1.2.3.4", 1), ("1.2.3.5", 2))
