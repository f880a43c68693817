"""Targets on their way to a server, and what a server says of them on the way back: pure.

What lives here: prefixes of paths, the Host that a server gets, redirects, and ``Location`` and ``Set-Cookie`` in the
client's terms.
What must not: which route does any of it (``way``).
Invariant: a target that begins with a slash still does; what is not known to be the server's own is left alone.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.config.http_rules import Redirect, RouteConfig
from deston.l7.routing import is_below

_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PRESERVE: Final = "preserve"
_SERVER: Final = "server"
_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}


class Prefixes(NamedTuple):
    """What a client's path begins with, and what the server's begins with instead; neither ends with a slash."""

    client: bytes
    server: bytes

    @classmethod
    def of(cls, route: RouteConfig) -> Prefixes:
        """The prefixes of a route; both are empty where it leaves paths alone."""
        taken = route.path if route.replace_prefix else route.strip_prefix
        put = route.add_prefix.rstrip("/") + route.replace_prefix.rstrip("/")
        return cls(taken.rstrip("/").encode("latin-1"), put.encode("latin-1"))

    def __bool__(self) -> bool:
        return bool(self.client or self.server)

    def to_server(self, target: bytes) -> bytes:
        """A client's target as the server gets it."""
        return _moved(target, self.client, self.server)

    def to_client(self, path: bytes) -> bytes:
        """A path of the server's as the client knows it."""
        return _moved(path, self.server, self.client)


def _moved(target: bytes, old: bytes, new: bytes) -> bytes:
    """A target with another beginning; one that does not begin with the old one stays as it is."""
    if target[:1] != b"/" or not is_below(target.decode("latin-1"), old.decode("latin-1")):
        return target
    rest = target[len(old) :]
    return new + rest if rest[:1] == b"/" else (new or b"/") + rest


class Origin(NamedTuple):
    """A scheme and a host with its port, as in an URL."""

    scheme: bytes
    host: bytes

    def has(self, scheme: bytes, host: bytes) -> bool:
        return self.scheme == scheme.lower() and _plain(self) == _plain(Origin(scheme.lower(), host))


def _plain(origin: Origin) -> bytes:
    return origin.host.lower().removesuffix(_DEFAULT_PORTS.get(origin.scheme, b""))


def location_for_client(value: bytes, server: Origin, client: Origin, prefixes: Prefixes) -> bytes:
    """A ``Location`` in the client's terms: by its own scheme and host, below its own prefix."""
    if value[:1] == b"/" and value[:2] != b"//":
        return prefixes.to_client(value)
    found = _ABSOLUTE.fullmatch(value)
    # A server that heeds X-Forwarded-Proto names itself by the client's scheme.
    names = (server, client) if server.host == client.host else (server,)
    if found is None or not any(one.has(found[1], found[2]) for one in names):
        return value
    path = prefixes.to_client(found[3]) if found[3][:1] == b"/" else found[3]
    return b"%b://%b%b" % (client.scheme, client.host, path) if client.host else path or b"/"


def cookie_for_client(value: bytes, server: Origin, client: Origin, prefixes: Prefixes) -> bytes:
    """A ``Set-Cookie`` in the client's terms: its path below the client's prefix, its domain the client's host."""
    parts = value.split(b";")
    for index, part in enumerate(parts[1:], 1):
        name, equals, said = part.partition(b"=")
        lowered, said = name.strip().lower(), said.strip()
        if lowered == b"path" and equals and said[:1] == b"/":
            parts[index] = b"%b=%b" % (name, prefixes.to_client(said))
        elif lowered == b"domain" and equals and said.lower().lstrip(b".") == _without_port(server.host).lower():
            parts[index] = b"%b=%b" % (name, _without_port(client.host))
    return b";".join(parts)


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def redirect_location(redirect: Redirect, path: str, target: bytes, client: Origin) -> bytes:
    """Where a redirect leads: an URL, or a path where no host is known.

    ``path`` is that of the redirect, filled in, and empty where ``target`` stays, which is the client's as the route
    rewrites it.
    """
    if target == b"*":
        target = b"/"  # Of OPTIONS, which asks about the host as a whole.
    scheme = redirect.scheme.encode() or client.scheme
    host = redirect.host.encode() or client.host
    if scheme != client.scheme and not redirect.host:
        host = _without_port(host)  # The port belongs to the scheme.
    where = path.encode("latin-1") if path else target
    query = target.partition(b"?")[2]
    if path and query and b"?" not in where:
        where += b"?" + query
    # Two slashes would begin a host.
    return b"%b://%b%b" % (scheme, host, where) if host else b"/" + where.lstrip(b"/")


def host_for(pool: Pool, server: Server, host: bytes) -> bytes:
    """The Host that a server gets; its own where a client of HTTP/1.0 gave none."""
    wanted = pool.config.host_header
    if wanted == _PRESERVE and host:
        return host
    if wanted in (_PRESERVE, _SERVER):
        return server.named.authority.encode()
    return wanted.encode("latin-1")
