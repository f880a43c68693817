"""Types of addresses, hosts and networks.

What lives here: those types of ``spec.ini``, with access logs among them, which go to an address at times; the reading
of addresses is ``deston.address``'s.
What must not: the resolver.
Invariant: see ``base.py``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple

from configobj.validate import ValidateError

from deston.address import Address, is_literal, parse_address
from deston.config.checks.base import of_list, of_one, read_word, short
from deston.config.model import LogSink, LogTarget, Network

_DEFAULT_PORTS: Mapping[str, int | None] = {"http": 80, "https": 443, "tls": None, "": None}
_TLS_SCHEMES = ("https", "tls")


_DNS_PORT = 53
_SERVICE = re.compile(r"(_[A-Za-z0-9-]+\._[A-Za-z0-9-]+)\.([^:/]+)", re.ASCII)
_APPLICATION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_][\w.]*", re.ASCII)
#: Where the machine's own syslog listens.
MACHINES_SYSLOG = Address(path="/dev/log")


class ServerAddress(NamedTuple):
    """A server's address as written: where, and whether the connection is secured."""

    address: Address
    tls: bool


@of_one
def check_listen_address(text: str) -> Address:
    if text.startswith((":", "*:")):
        port = text.rpartition(":")[2]
        raise ValidateError(f"{short(text)} has no host (every address is 0.0.0.0:{port} or [::]:{port})")
    address: Address = read_word(parse_address, text, lowest_port=0)
    return address


@of_one
def check_server_address(text: str) -> ServerAddress:
    if text.startswith("wsgi:"):
        application = text[len("wsgi:") :]
        if not _APPLICATION.fullmatch(application):
            raise ValidateError(f"{short(text)} names no application (write wsgi:package.module:app)")
        return ServerAddress(Address(application=application), False)
    written, there, rest = text.rpartition("://")
    scheme = written.lower()
    if scheme not in _DEFAULT_PORTS or (there and not scheme):
        raise ValidateError(f"unknown scheme {written!r} (http, https and tls are known)")
    rest = rest.removesuffix("/") if there else rest
    if rest.startswith("srv:"):
        found = _SERVICE.fullmatch(rest[len("srv:") :])
        if found is None:
            raise ValidateError(f"{short(text)} names no service (write srv:_http._tcp.example.com)")
        host = read_word(parse_address, found[2], default_port=0).host
        return ServerAddress(Address(host=host, service=found[1].lower()), scheme in _TLS_SCHEMES)
    if "/" in rest and not rest.startswith("unix:"):
        raise ValidateError(f"{short(text)} has a path: a server is an address, and paths go on as clients send them")
    address = read_word(parse_address, rest, default_port=_DEFAULT_PORTS[scheme])
    return ServerAddress(address, scheme in _TLS_SCHEMES)


@of_one
def check_host(text: str) -> str:
    """A host name or address without a port. Empty is unset."""
    return _host(text) if text else text


@of_list
def check_hosts(texts: list[str]) -> tuple[str, ...]:
    """Host names in lower case; none of them, or ``*`` alone, is every host."""
    if texts == ["*"]:
        return ()
    return tuple(f"*.{_host(text[2:])}" if text.startswith("*.") else _host(text) for text in texts)


@of_list
def check_names(texts: list[str]) -> tuple[str, ...]:
    """Names as in SNI: host names in lower case, or ``*.`` with one, or ``*`` for every name."""
    return tuple(text if text == "*" else check_hosts([text])[0] for text in texts)


@of_one
def check_source_address(text: str) -> str:
    """An address of this machine without a port. Empty is unset."""
    if text and not is_literal(text):
        raise ValidateError(f"{short(text)} is not an IPv4 or IPv6 address without a port")
    return text


@of_one
def check_log_target(text: str) -> LogTarget:
    word = text.lower()
    if word in (LogSink.OFF.value, LogSink.STDOUT.value):
        return LogTarget(LogSink(word))
    if word == LogSink.SYSLOG.value:
        return LogTarget(LogSink.SYSLOG, address=MACHINES_SYSLOG)
    if word.startswith("syslog:"):
        return LogTarget(LogSink.SYSLOG, address=read_word(parse_address, text[len("syslog:") :]))
    if not text.isprintable() or not text:
        raise ValidateError(f"{short(text)} is neither off, stdout, syslog nor a file")
    return LogTarget(LogSink.FILE, file=text)


@of_list
def check_nameservers(texts: list[str]) -> tuple[Address, ...]:
    addresses = [read_word(parse_address, text, default_port=_DNS_PORT) for text in texts]
    for address in addresses:
        if address.is_name or address.is_unix:
            raise ValidateError(f"{str(address)!r} is not the address of a nameserver")
    return tuple(addresses)


@of_list
def check_networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(map(_network, texts))


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValidateError(f"{short(text)} is not a network (10.0.0.0/8, 2001:db8::/32 or one address)") from None
    if ipaddress.ip_address(text.partition("/")[0]) not in (network.network_address,):
        raise ValidateError(f"{short(text)} has bits set behind its prefix (did you mean '{network}'?)")
    return network


def _host(text: str) -> str:
    address: Address = read_word(parse_address, text, default_port=0)
    if address.port or address.is_unix:
        raise ValidateError(f"{short(text)} is more than a host: leave its port out")
    return text.lower()
