"""Networks: the look-up agrees with the standard library's."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.networks import AnyNetwork, Networks


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("fe80::1%eth0", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_an_address_is_inside_or_not(host: str, inside: bool) -> None:
    """In every spelling of the address; a text that is none is in no network."""
    networks = Networks(map(ipaddress.ip_network, ["10.0.0.0/8", "fe80::/10", "192.0.2.1/32"]))
    assert (host in networks) is inside
    assert networks
    assert repr(networks) == "<Networks 3>"


def test_no_networks_hold_nobody() -> None:
    """Without any, nobody is inside."""
    assert not Networks()
    assert "10.0.0.1" not in Networks()


def network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> AnyNetwork:
    return ipaddress.ip_network((str(address), min(length, address.max_prefixlen)), strict=False)


@given(st.lists(st.builds(network, st.ip_addresses(), st.integers(0, 128))), st.ip_addresses())
def test_it_agrees_with_the_standard_library(networks: list[AnyNetwork], address: ipaddress.IPv4Address) -> None:
    """Whatever the networks, the answer is that of asking each of them."""
    plain = getattr(address, "ipv4_mapped", None) or address
    assert (str(address) in Networks(networks)) == any(plain in one for one in networks)
