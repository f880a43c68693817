"""Addresses as text and as values.

What lives here: the one reading of ``host:port``, ``[v6]:port`` and ``unix:/path``, for listeners and servers.
What must not: the resolver. A name stays a name here; only the health monitor turns it into literals.
Invariant: ``str`` of an address reads back as an equal address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from deston.errors import DestonError

HIGHEST_PORT: Final = 65535
LONGEST_LABEL: Final = 63  # RFC 1035, section 2.3.4.


class AddressError(DestonError, ValueError):
    """A text that is no address; its message says what is wrong in one clause."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or to connect: a host with a port, or the path of a unix socket.

    ``host`` is an IPv4 or IPv6 literal or a name, without brackets; ``path`` is empty unless it is a unix socket, and
    ``application`` unless it is a WSGI application in this process, as ``package.module:name``. ``service`` is set
    where it stands for the servers of a service that ``host`` has, such as ``_http._tcp`` (RFC 2782); there is no port.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    application: str = ""
    service: str = ""

    @property
    def is_unix(self) -> bool:
        return bool(self.path)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @property
    def is_name(self) -> bool:
        """Whether the resolver is needed before a connection can be opened."""
        return not self.path and not self.application and not is_literal(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it; a name counts as loopback if it is ``localhost``."""
        if self.path or self.application:
            return True
        if is_literal(self.host):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"

    @property
    def authority(self) -> str:
        """The address as it stands in an URL or a Host field; ``localhost`` where it has no host."""
        if self.path or self.application:
            return "localhost"
        return self.host if self.service else str(self)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        if self.application:
            return f"wsgi:{self.application}"
        if self.service:
            return f"srv:{self.service}.{self.host}"
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def is_literal(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_port(text: str, lowest: int = 1) -> int:
    """Read a port.

    Raises ``AddressError`` if it is no number from ``lowest`` to 65535.
    """
    if not (text.isascii() and text.isdigit()):
        raise AddressError(f"{text!r} is not a port number")
    if len(text) > len(str(HIGHEST_PORT)) or not lowest <= int(text) <= HIGHEST_PORT:
        raise AddressError(f"port {text} is not between {lowest} and {HIGHEST_PORT}")
    return int(text)


def parse_address(text: str, lowest_port: int = 1, default_port: int | None = None) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``unix:/path``.

    ``default_port`` stands in where the text has none. Raises ``AddressError`` with what is wrong.
    """
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        if not path or "\0" in path:
            raise AddressError(f"{text!r} has no path of a socket (write unix:/path)")
        return Address(path=path)
    host, port = _split(text)
    _require_host(host, text)
    if port is not None:
        return Address(_canonical(host), parse_port(port, lowest_port))
    if default_port is None:
        raise AddressError(f"{text!r} has no port (write host:port)")
    return Address(_canonical(host), default_port)


def client_key(host: str) -> str:
    """The part of a client's address that hashing uses: no port, no zone, IPv4 unmapped from IPv6."""
    if ":" not in host:
        return host
    host = host.partition("%")[0].lower()
    mapped = host.removeprefix("::ffff:")
    return mapped if "." in mapped else host


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not (bracket and ":" in host and is_literal(host) and rest[:1] in ("", ":")):
            raise AddressError(f"{text!r} is not an IPv6 address in brackets with a port (write [::1]:80)")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        raise AddressError(f"{text!r} needs brackets around its IPv6 address (write [::1]:80)")
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _require_host(host: str, text: str) -> None:
    if not host:
        raise AddressError(f"{text!r} has no host")
    if is_literal(host):
        return
    if host.replace(".", "").isdigit():
        raise AddressError(f"{host!r} is not an IPv4 address")
    if not all(map(_is_label, host.split("."))):
        raise AddressError(f"{host!r} is not a host name")


def _is_label(label: str) -> bool:
    # Underscores are in no host name of RFC 1123, yet in many a container's.
    plain = label.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and len(label) <= LONGEST_LABEL


def _canonical(host: str) -> str:
    """The one spelling of a host, so that an address given twice is seen to be."""
    return str(ipaddress.ip_address(host)) if is_literal(host) else host.lower()
