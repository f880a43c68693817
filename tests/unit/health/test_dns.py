"""Questions to nameservers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from deston.address import Address
from deston.errors import ConnectError
from deston.health.dns import DEFAULT_S, LONGEST_S, SHORTEST_S, Answer, Resolver

ZONE = {
    ("app.test.", "A"): (20, ["10.0.0.1", "10.0.0.2"]),
    ("app.test.", "AAAA"): (10, ["2001:db8::1"]),
    ("short.test.", "A"): (0, ["10.0.0.1"]),
    ("long.test.", "A"): (86400, ["10.0.0.1"]),
    ("one.test.", "A"): (20, ["10.0.0.1"]),
    ("two.test.", "A"): (20, ["10.0.0.2"]),
    ("_http._tcp.app.test.", "SRV"): (
        15, ["10 5 8001 one.test.", "10 0 8002 one.test.", "20 1 8003 two.test.", "10 1 8004 missing.test."]
    ),
    ("_lost._tcp.app.test.", "SRV"): (15, ["10 5 8001 missing.test."]),
}  # fmt: skip


class Nameserver:
    """Answers from the zone."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            (question,) = query.question
            kind = question.rdtype.name
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            name = question.name.to_text()
            found = ZONE.get((name, kind))
            if found is not None:
                answer.answer.append(dns.rrset.from_text(name, found[0], "IN", kind, *found[1]))
            elif not any(known == name for known, _ in ZONE):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            self.socket.sendto(answer.to_wire(), peer)

    def stop(self) -> None:
        self.socket.sendto(b"", ("127.0.0.1", self.address.port))
        self._thread.join()
        self.socket.close()


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    nameserver = Nameserver()
    yield Resolver([nameserver.address])
    nameserver.stop()


def hosts(answer: Answer) -> list[str]:
    return [str(member.address) for member in answer.members]


def test_a_name_has_addresses_of_both_kinds(resolver: Resolver) -> None:
    """With the port of the server, and for as long as the shortest of them holds."""
    answer = resolver(Address("app.test", 80))
    assert sorted(hosts(answer)) == ["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80"]
    assert answer.seconds == 10


@pytest.mark.parametrize(("name", "seconds"), [("short.test", SHORTEST_S), ("long.test", LONGEST_S), ("one.test", 20)])
def test_the_time_to_live_has_its_bounds(name: str, seconds: float, resolver: Resolver) -> None:
    assert resolver(Address(name, 80)).seconds == seconds


def test_a_service_has_servers_with_weights_and_backups(resolver: Resolver) -> None:
    """A server of it that cannot be found is left out; a weight of 0 is the smallest."""
    answer = resolver(Address("app.test", service="_http._tcp"))
    found = {str(one.address): (one.weight, one.backup) for one in answer.members}
    assert found == {"10.0.0.1:8001": (5, False), "10.0.0.1:8002": (1, False), "10.0.0.2:8003": (1, True)}
    assert answer.seconds == 15


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (Address("missing.test", 80), "there is no such name"),
        (Address("app.test", service="_none._tcp"), "there is no such name"),
        (Address("one.test", service="_http._tcp"), "there is no such name"),
        (Address("app.test", service="_lost._tcp"), "no server of the service has an address"),
    ],
)
def test_what_is_not_found_is_told(address: Address, why: str, resolver: Resolver) -> None:
    with pytest.raises(ConnectError, match=why):
        resolver(address)


def test_localhost_is_looked_up_with_its_port() -> None:
    """The system's resolver answers with literals that carry the port, in any process."""
    answer = Resolver()(Address("localhost", 8080))
    assert {one.address.port for one in answer.members} == {8080}
    assert not any(one.address.is_name for one in answer.members)
    assert answer.seconds == DEFAULT_S


def test_a_name_that_cannot_be_is_a_plain_error() -> None:
    """What the system's resolver refuses arrives as ConnectError, whatever it was."""
    with pytest.raises(ConnectError, match="label too long|label empty or too long|not known|service|name"):
        Resolver()(Address("a" * 64 + ".invalid", 80))
