"""Networks: whether an address is in one of many, quickly.

What lives here: the look-up of an address in a list of CIDRs. Pure.
What must not: what follows from it.
Invariant: an IPv4 address is the same address in its IPv6-mapped form; a text that is no address is in no network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_BITS = {4: 32, 6: 128}

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    """A set of networks. One look-up costs a step for each prefix length in use, however many networks there are."""

    __slots__ = ("_by_version",)

    def __init__(self, networks: Iterable[AnyNetwork] = ()) -> None:
        found: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in networks:
            shift = _BITS[network.version] - network.prefixlen
            found[network.version].setdefault(shift, set()).add(int(network.network_address) >> shift)
        self._by_version = {version: list(shifts.items()) for version, shifts in found.items()}

    def __contains__(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        number = int(address)
        return any(number >> shift in prefixes for shift, prefixes in self._by_version[address.version])

    def __bool__(self) -> bool:
        return any(self._by_version.values())

    def __repr__(self) -> str:
        count = sum(len(prefixes) for shifts in self._by_version.values() for _, prefixes in shifts)
        return f"<Networks {count}>"
