from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deston.address import Address, AddressError, client_key, is_literal, parse_address, parse_port
from tests.properties import unhurried

LABEL = "a" * 63


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:3000", Address("127.0.0.1", 3000)),
        ("0.0.0.0:1", Address("0.0.0.0", 1)),
        ("255.255.255.255:65535", Address("255.255.255.255", 65535)),
        ("127.0.0.1:00080", Address("127.0.0.1", 80)),
        ("[::1]:80", Address("::1", 80)),
        ("[::]:80", Address("::", 80)),
        ("[2001:db8::7]:443", Address("2001:db8::7", 443)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("localhost:80", Address("localhost", 80)),
        ("app.example.com:80", Address("app.example.com", 80)),
        ("app-1.example:80", Address("app-1.example", 80)),
        ("my_app_1:80", Address("my_app_1", 80)),
        ("xn--bcher-kva.example:80", Address("xn--bcher-kva.example", 80)),
        ("1app:80", Address("1app", 80)),
        ("3com.example:80", Address("3com.example", 80)),
        (f"{LABEL}.example:80", Address(f"{LABEL}.example", 80)),
        ("unix:/run/deston/app.sock", Address(path="/run/deston/app.sock")),
        ("unix:app.sock", Address(path="app.sock")),
        ("unix:/run/a:b.sock", Address(path="/run/a:b.sock")),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    """IPv4 and IPv6 literals, names and unix sockets, as an operator writes them."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no host"),
        (":80", "has no host"),
        ("127.0.0.1", "has no port"),
        ("localhost", "has no port"),
        ("[::1]", "has no port"),
        ("127.0.0.1:", "'' is not a port number"),
        ("[::1]:", "'' is not a port number"),
        ("127.0.0.1:http", "'http' is not a port number"),
        ("127.0.0.1:-1", "'-1' is not a port number"),
        ("127.0.0.1:+80", "'\\+80' is not a port number"),
        ("127.0.0.1: 80", "' 80' is not a port number"),
        ("127.0.0.1:8_0", "'8_0' is not a port number"),
        ("127.0.0.1:80/", "'80/' is not a port number"),
        ("127.0.0.1:\u0668\u0660", "is not a port number"),
        ("127.0.0.1:\u00b2", "is not a port number"),
        ("127.0.0.1:0", "port 0 is not between 1 and 65535"),
        ("127.0.0.1:65536", "port 65536 is not between 1 and 65535"),
        ("127.0.0.1:100000", "port 100000 is not between 1 and 65535"),
        ("127.0.0.1:" + "9" * 5000, "is not between 1 and 65535"),
        ("256.0.0.1:80", "is not an IPv4 address"),
        ("1.2.3:80", "is not an IPv4 address"),
        ("1.2.3.4.5:80", "is not an IPv4 address"),
        ("127.0.0.01:80", "is not an IPv4 address"),
        ("3000:80", "is not an IPv4 address"),
        ("1.2.3.4.:80", "is not an IPv4 address"),
        ("\uff11\uff12\uff17.0.0.1:80", "is not an IPv4 address"),
        ("::1:80", "needs brackets"),
        ("2001:db8::7", "needs brackets"),
        ("http://app:80", "needs brackets"),
        ("[::1:80", "is not an IPv6 address in brackets"),
        ("[::1]80", "is not an IPv6 address in brackets"),
        ("[::g]:80", "is not an IPv6 address in brackets"),
        ("[]:80", "is not an IPv6 address in brackets"),
        ("[127.0.0.1]:80", "is not an IPv6 address in brackets"),
        ("[localhost]:80", "is not an IPv6 address in brackets"),
        ("[::1%]:80", "is not an IPv6 address in brackets"),
        ("app..example:80", "is not a host name"),
        (".example:80", "is not a host name"),
        ("app.example.:80", "is not a host name"),
        ("app example:80", "is not a host name"),
        (" localhost:80", "is not a host name"),
        ("local\nhost:80", "is not a host name"),
        ("local\0host:80", "is not a host name"),
        ("*:80", "is not a host name"),
        ("-:80", "is not a host name"),
        ("app/x:80", "is not a host name"),
        ("user@app:80", "is not a host name"),
        ("b\u00fccher.example:80", "is not a host name"),
        (f"{LABEL}a.example:80", "is not a host name"),
        ("unix:", "has no path"),
        ("unix:/run/a\0b", "has no path"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(text: str, why: str) -> None:
    """Junk of every kind is refused in one clause that says what is wrong with it."""
    with pytest.raises(AddressError, match=why):
        parse_address(text)


@given(text=st.one_of(st.text(), st.text("0123456789abcdef.:[]%/-_ unix", max_size=30)))
@example("[::1%\ud800]:80")
@unhurried
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    """No text leads to any other exception, and what is read is written back and read again as the same."""
    with contextlib.suppress(AddressError):  # Any other exception fails the test.
        address = parse_address(text, lowest_port=0)
        assert parse_address(str(address), lowest_port=0) == address


ports = st.integers(1, 65535)
names = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9_])?(\.[a-z][a-z0-9-]{0,20}[a-z0-9]){0,3}", fullmatch=True)
paths = st.text(min_size=1).filter(lambda path: "\0" not in path)
addresses = st.one_of(
    st.builds(Address, st.ip_addresses(v=4).map(str), ports),
    st.builds(Address, st.ip_addresses(v=6).map(str), ports),
    st.builds(Address, names.filter(lambda name: not name.isdigit()), ports),
    st.builds(Address, path=paths),
)


@given(address=addresses)
@unhurried
def test_an_address_reads_back_as_itself(address: Address) -> None:
    """``str`` and ``parse_address`` are each other's reverse."""
    assert parse_address(str(address)) == address


@given(host=st.ip_addresses(v=6), port=ports)
@unhurried
def test_every_spelling_of_an_ipv6_address_is_one_address(host: ipaddress.IPv6Address, port: int) -> None:
    """Capitals and written-out zeros make no other address, so that one given twice is found."""
    expected = parse_address(f"[{host}]:{port}")
    assert parse_address(f"[{host.exploded}]:{port}") == expected
    assert parse_address(f"[{host.exploded.upper()}]:{port}") == expected


def test_capitals_make_no_other_name() -> None:
    """Names are compared without regard to case (RFC 4343)."""
    assert parse_address("App.EXAMPLE:80") == parse_address("app.example:80")


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]", "app.example"])
def test_a_default_port_stands_in(text: str) -> None:
    """Where a text has no port the default is taken, whatever it is; where it has one, that."""
    assert parse_address(text, default_port=80).port == 80
    assert parse_address(text, default_port=0).port == 0
    assert parse_address(f"{text}:81", default_port=80).port == 81


def test_a_listener_may_ask_for_any_port() -> None:
    """Port 0 is read where the caller allows it, and nothing lower."""
    assert parse_address("127.0.0.1:0", lowest_port=0) == Address("127.0.0.1", 0)
    assert parse_port("0", lowest=0) == 0
    with pytest.raises(AddressError, match="port 80 is not between 1024 and 65535"):
        parse_port("80", lowest=1024)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"])
def test_literals_need_no_resolver(host: str) -> None:
    """IPv4 and IPv6 addresses are no names."""
    assert is_literal(host)
    assert not Address(host, 80).is_name


@pytest.mark.parametrize("host", ["localhost", "app.example", "1app", "127.0.0.1.example"])
def test_names_need_the_resolver(host: str) -> None:
    """Whatever is no literal is a name."""
    assert not is_literal(host)
    assert Address(host, 80).is_name


def test_an_address_knows_its_family() -> None:
    """A unix socket is neither IPv6 nor a name, however its path looks."""
    unix = Address(path="/run/::1.sock")
    assert (unix.is_unix, unix.is_ipv6, unix.is_name) == (True, False, False)
    assert (Address("::1", 80).is_unix, Address("::1", 80).is_ipv6) == (False, True)
    assert not Address("127.0.0.1", 80).is_ipv6


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        (Address("127.0.0.1", 80), True),
        (Address("127.9.9.9", 80), True),
        (Address("::1", 80), True),
        (Address("::1%lo", 80), True),
        (Address("localhost", 80), True),
        (Address(path="/run/app.sock"), True),
        (Address("0.0.0.0", 80), False),
        (Address("::", 80), False),
        (Address("10.0.0.1", 80), False),
        (Address("fe80::1%eth0", 80), False),
        (Address("localhost.example", 80), False),
    ],
    ids=str,
)
def test_loopback_is_what_only_this_machine_reaches(address: Address, is_loopback: bool) -> None:
    """All of 127/8, ::1, unix sockets and the name ``localhost``; never an address that means all interfaces."""
    assert address.is_loopback is is_loopback


def test_addresses_are_values() -> None:
    """Equal addresses are one key, and none of them can be changed."""
    assert {Address("::1", 80): 1}[parse_address("[::1]:80")] == 1
    with pytest.raises(AttributeError):
        Address("::1", 80).port = 81  # type: ignore[misc]


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1%eth0", "10.0.0.1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::10.0.0.1"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_a_client_is_known_by_its_address_alone(host: str, key: str) -> None:
    """The zone, the case and the mapping of IPv4 into IPv6 make no other client."""
    assert client_key(host) == key
