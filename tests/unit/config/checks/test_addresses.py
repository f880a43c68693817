from __future__ import annotations

import ipaddress

import pytest
from configobj.validate import ValidateError

from deston.address import Address
from deston.config.checks.addresses import (
    ServerAddress,
    check_host,
    check_hosts,
    check_listen_address,
    check_networks,
    check_server_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::]:80", Address("::", 80)),
        ("localhost:65535", Address("localhost", 65535)),
        ("unix:/run/x.sock", Address(path="/run/x.sock")),
    ],
)
def test_a_listener_is_bound_to_an_address(text: str, address: Address) -> None:
    """A host with a port, which may be 0, or a unix socket."""
    assert check_listen_address(text) == address


@pytest.mark.parametrize("text", ["80", "*:80", ":80", "127.0.0.1:65536", "http://127.0.0.1:80", "unix:", "a b:1"])
def test_other_listen_addresses_are_refused(text: str) -> None:
    """No host, no port, a scheme, or a port out of range."""
    with pytest.raises(ValidateError):
        check_listen_address(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("127.0.0.1:3000", "127.0.0.1", 3000, False),
        ("http://app", "app", 80, False),
        ("HTTP://app:3000/", "app", 3000, False),
        ("https://app", "app", 443, True),
        ("https://[::1]:8443", "::1", 8443, True),
        ("tls://app:6380", "app", 6380, True),
    ],
)
def test_a_server_has_a_scheme_at_most(text: str, host: str, port: int, tls: bool) -> None:
    """``http://`` says nothing but a port, ``https://`` and ``tls://`` secure the connection."""
    assert check_server_address(text) == ServerAddress(Address(host, port), tls)


@pytest.mark.parametrize(
    "text",
    ["app", "app:0", "tls://app", "://app:1", "udp://app:1", "http://app/x", "http://", "http://a:b@app", "app/x:1"]
    + ["http://app?x", "http://https://app", "http://app//"],
)
def test_other_servers_are_refused(text: str) -> None:
    """No port, a port 0, another scheme, a path, a query or a user."""
    with pytest.raises(ValidateError):
        check_server_address(text)


def test_a_server_may_be_a_unix_socket() -> None:
    """A path is the whole address, not one that is asked for."""
    assert check_server_address("unix:run/x.sock") == ServerAddress(Address(path="run/x.sock"), False)


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("API.example.com", ("api.example.com",)),
        (["a", "*.b.example.com", "127.0.0.1", "[::1]"], ("a", "*.b.example.com", "127.0.0.1", "[::1]")),
        ("*", ()),
        ([], ()),
    ],
)
def test_hosts_are_in_lower_case(value: object, hosts: tuple[str, ...]) -> None:
    """One host is a list of one; ``*`` is every host, which is no list."""
    assert check_hosts(value) == hosts


@pytest.mark.parametrize("value", ["", "a:80", ["*", "a"], "*a", "a.*", "a b", "::1", "https://a", "unix:/x", "*."])
def test_other_hosts_are_refused(value: object) -> None:
    """A port, a scheme, or a ``*`` that is not the first label."""
    with pytest.raises(ValidateError):
        check_hosts(value)


def test_a_host_may_be_unset() -> None:
    """An empty text is no host, and allowed where none is needed."""
    assert check_host("") == ""
    assert check_host("App.example.com") == "app.example.com"


def test_networks_are_read_one_by_one() -> None:
    """A network is an address with a prefix, or one address."""
    assert check_networks(["10.0.0.0/8", "::1"]) == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    assert check_networks([]) == ()


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "localhost", "10.0.0.1-10.0.0.9"])
def test_other_networks_are_refused(text: str) -> None:
    """A name, a range or a prefix that is too long."""
    with pytest.raises(ValidateError, match="is not a network"):
        check_networks(text)


def test_bits_behind_the_prefix_are_a_mistake() -> None:
    """A network that is written as one of its addresses is refused with what it would be."""
    with pytest.raises(ValidateError, match=r"did you mean '10\.0\.0\.0/8'"):
        check_networks("10.0.0.1/8")
