"""The ports of udp listeners: chosen once, held, and given up."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

import pytest

from deston.address import Address
from deston.errors import StartError
from deston.l4.datagram_ports import DatagramPorts
from tests.unit.l4.builders import make_udp_listener

ANY = make_udp_listener("any", bind=Address("127.0.0.1", 0))
# Of a network that is for documentation: no machine has it.
ELSEWHERE = make_udp_listener("elsewhere", bind=Address("192.0.2.1", 5353))


@pytest.fixture
def ports() -> Iterator[DatagramPorts]:
    ports = DatagramPorts()
    yield ports
    ports.keep_only(())


def is_taken(address: Address) -> bool:
    """Whether somebody who does not share an address cannot have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def test_a_port_is_chosen_once(ports: DatagramPorts) -> None:
    """Every worker gets a socket at it, it is nobody else's, and it is free again when its listener is gone."""
    assert ports.known_address(ANY) == ANY.bind
    address = ports.address_of(ANY)
    assert ports.known_address(ANY) == ports.address_of(ANY) == address
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            (raw,) = ports.bind([ANY])
            stack.callback(raw.close)
            assert raw.getsockname() == (address.host, address.port)
    assert is_taken(address)
    ports.keep_only([make_udp_listener("other", bind=Address("127.0.0.1", 0))])
    assert not is_taken(address)


def test_an_address_that_is_not_here(ports: DatagramPorts) -> None:
    """Nothing stays bound for the others, and whoever tells of the listener is told nothing by an error."""
    with pytest.raises(StartError, match=r"192\.0\.2\.1:5353 \(udp\)"):
        ports.bind([ANY, ELSEWHERE])
    assert ports.known_address(ELSEWHERE) == ELSEWHERE.bind
