"""Rules about the addresses of a whole file.

What lives here: no address stands for two things, and each can be bound.
What must not: the reading of a single address; that is ``checks/addresses.py``.
Invariant: see ``consistency.py``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import chain

from deston.address import Address
from deston.config.model import Protocol
from deston.config.report import Path, Report, Tree
from deston.config.values import named_sections, server_addresses

#: The path of a unix socket has 108 bytes in the kernel (``sockaddr_un``), and a zero at its end.
LONGEST_UNIX_PATH = 107


def compare_binds(values: Tree, given: Tree, report: Report) -> None:
    """No two listeners have one address, but for a tcp and a udp one; one with port 0 is another each time."""
    datagrams = {
        ("listeners", name, "bind")
        for name, one in named_sections(values, "listeners")
        if one["protocol"] is Protocol.UDP
    }
    fixed = [one for one in _bound(values) if one[1].port or one[1].is_unix]
    _report_repeated((one for one in fixed if one[0] not in datagrams), report)
    _report_repeated((one for one in fixed if one[0] in datagrams), report)


def compare_servers(values: Tree, given: Tree, report: Report) -> None:
    """No two servers of a pool have one address."""
    for name, pool in named_sections(values, "pools"):
        _report_repeated(_dialled(name, pool), report)


def check_unix_paths(values: Tree, given: Tree, report: Report) -> None:
    """The kernel takes the path of each unix socket."""
    dialled = chain.from_iterable(_dialled(name, pool) for name, pool in named_sections(values, "pools"))
    for path, address in chain(_bound(values), dialled):
        if len(address.path.encode()) > LONGEST_UNIX_PATH:
            report.add(path, f"the path of a unix socket has at most {LONGEST_UNIX_PATH} bytes: {address.path}")


def _bound(values: Tree) -> Iterator[tuple[Path, Address]]:
    listeners = ((("listeners", name, "bind"), one["bind"]) for name, one in named_sections(values, "listeners"))
    admin = [(("admin", "bind"), values["admin"]["bind"])] if values["admin"] else []
    return ((path, bind) for path, bind in chain(listeners, admin) if bind)


def _dialled(name: str, pool: Tree) -> Iterator[tuple[Path, Address]]:
    return ((("pools", name, "servers", server), address.address) for server, address in server_addresses(pool))


def _report_repeated(addresses: Iterable[tuple[Path, Address]], report: Report) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for path, address in addresses:
        first = seen.setdefault(_identity(address), path)
        if first is not path:
            whose = ".".join(report.written(first))
            report.add(path, f"{address} is given twice: {whose} has it on line {report.line(first)}")


def _identity(address: Address) -> tuple[str, int]:
    """What two spellings of one address have in common."""
    try:
        host = str(ipaddress.ip_address(address.host))
    except ValueError:
        host = address.host.lower()
    return (address.service + host or address.path or address.application, address.port)
