"""Questions to nameservers: addresses, services, and how long an answer holds.

What lives here: the lookup of a name of a server, with dnspython where the system's resolver cannot tell.
What must not: when to ask, and what becomes of the answers (``resolve``).
Invariant: a lookup waits for so long at most, without blocking other greenlets, and returns at least one member or
raises ``ConnectError``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dns.exception
import dns.nameserver
import dns.resolver
import gevent
import gevent.socket
from gevent import monkey

from deston.address import Address
from deston.errors import ConnectError
from deston.health.words import plain

# The C library gives each of two nameservers 5 s by default.
LOOKUP_TIMEOUT_S = 10.0
# Asked for the time to live alone; without an answer it is taken to be the default.
TTL_TIMEOUT_S = 2.0
# defaults.md, "DNS refresh": the time to live, within these; getaddrinfo does not tell it.
SHORTEST_S, DEFAULT_S, LONGEST_S = 5.0, 30.0, 60.0
# A service with more servers than that is a mistake.
MOST_MEMBERS = 1000


class Member(NamedTuple):
    """One address of a name; ``weight`` is None where the name does not say one."""

    address: Address
    weight: int | None = None
    backup: bool | None = None


class Answer(NamedTuple):
    """The members of a name, at least one, and after how many seconds to ask again."""

    members: list[Member]
    seconds: float


#: Looks up the name of a server; raises ``ConnectError``.
Lookup = Callable[[Address], Answer]


class Resolver:
    """Looks names up at ``nameservers``, or where there are none as the system does (its file of hosts, too)."""

    def __init__(self, nameservers: Sequence[Address] = ()) -> None:
        self._nameservers = tuple(nameservers)

    def __call__(self, address: Address) -> Answer:
        """All that a name stands for: of a service its servers, else its addresses of IPv4 and IPv6."""
        if address.service:
            return self._services(address)
        if self._nameservers and address.host != "localhost":
            found, seconds = self._addresses(address.host)
        else:
            found, seconds = _system_addresses(address.host), self._time_to_live(address.host)
        return Answer([Member(Address(host, address.port)) for host in found], seconds)

    def _services(self, address: Address) -> Answer:
        """The servers of a service (RFC 2782): those of the lowest priority, and the others as backups."""
        records = self._ask(f"{address.service}.{address.host}", "SRV")
        lowest = min(record.priority for record in records)
        members, seconds = [], _within(records.rrset.ttl)
        for record in list(records)[:MOST_MEMBERS]:
            name = record.target.to_text(omit_final_dot=True)
            # A weight of 0 has a small chance, where there are others (RFC 2782); to us it would have none.
            weight, backup = max(1, record.weight), record.priority > lowest
            for host in self._hosts(name):
                members.append(Member(Address(host, record.port), weight, backup))
        if not members:
            raise ConnectError("no server of the service has an address")
        return Answer(list({member.address: member for member in members}.values()), seconds)

    def _hosts(self, name: str) -> list[str]:
        """The addresses of one server of a service; none where it cannot be found, because others may be."""
        try:
            return self._addresses(name)[0] if self._nameservers else _system_addresses(name)
        except ConnectError:
            return []

    def _addresses(self, name: str) -> tuple[list[str], float]:
        """The addresses of a name by our own nameservers, and after how many seconds to ask again."""
        hosts: list[str] = []
        seconds, trouble = LONGEST_S, None
        for kind in ("A", "AAAA"):
            try:
                records = self._ask(name, kind)
            except ConnectError as error:
                trouble = trouble or error
                continue
            hosts += [record.address for record in records]
            seconds = min(seconds, _within(records.rrset.ttl))
        if not hosts:
            raise trouble or ConnectError("the name has no address")
        return hosts, seconds

    def _time_to_live(self, name: str) -> float:
        """How long the addresses of a name hold, as far as a nameserver tells; the system's answer does not."""
        if name == "localhost":
            return DEFAULT_S
        try:
            return _within(self._ask(name, "A", TTL_TIMEOUT_S).rrset.ttl)
        except ConnectError:
            return DEFAULT_S

    def _ask(self, name: str, kind: str, seconds: float = LOOKUP_TIMEOUT_S) -> Any:
        """The records of a kind that a name has; raises ``ConnectError``."""

        def ask() -> Any:
            resolver = self._resolver(seconds)
            return resolver.resolve(name, kind, search=True)

        try:
            # With gevent's patches its sockets wait in the hub; without, a thread of the hub's waits for them.
            if monkey.is_module_patched("socket"):
                return ask()
            return gevent.get_hub().threadpool.apply(ask)
        except dns.resolver.NXDOMAIN:
            raise ConnectError("there is no such name") from None
        except dns.resolver.NoAnswer:
            raise ConnectError(f"the name has no {kind} record") from None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise ConnectError(plain(str(error)) or "no nameserver answers") from error

    def _resolver(self, seconds: float) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=not self._nameservers)
        resolver.lifetime = seconds
        if self._nameservers:
            resolver.nameservers = [dns_server(one) for one in self._nameservers]
        return resolver


def dns_server(address: Address) -> Any:
    """A nameserver as dnspython knows it."""
    return dns.nameserver.Do53Nameserver(address.host, address.port)


def _within(seconds: float) -> float:
    return min(max(float(seconds), SHORTEST_S), LONGEST_S)


def _system_addresses(name: str) -> list[str]:
    """What the system's resolver knows of a name, in its order.

    Whether gevent's patches are in place or not, the hub's resolver runs getaddrinfo in its thread pool.
    """
    try:
        with gevent.Timeout(LOOKUP_TIMEOUT_S, TimeoutError(f"no answer within {LOOKUP_TIMEOUT_S:g}s")):
            answer = gevent.socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(plain(getattr(error, "strerror", None) or str(error))) from error
    # A resolver may give one address twice, such as for two lines of /etc/hosts.
    hosts = dict.fromkeys(str(found[4][0]) for found in answer)
    return [host for host in hosts if _is_address(host)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False  # Such as fe80::1%eth0, which has a zone.
    return True
