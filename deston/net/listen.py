"""Whether an address can be listened on, asked before gunicorn binds it.

What lives here: one try to bind, and the sentence for each way in which it fails.
What must not: the listening sockets themselves (gunicorn's arbiter makes them and hands them to its workers).
Invariant: nothing stays bound.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from deston.address import Address
from deston.errors import StartError

# Set where the sockets come from outside: by systemd, or by the arbiter that is being replaced.
_INHERITED = ("LISTEN_FDS", "GUNICORN_FD")

_SENTENCES = {
    errno.EADDRINUSE: "{address} is in use by another process",
    errno.EACCES: "no permission to listen on {address}{hint}",
    errno.EPERM: "no permission to listen on {address}{hint}",
    errno.EADDRNOTAVAIL: "{address} is not an address of this machine",
    errno.ENOENT: "{address}: its folder does not exist",
    errno.EEXIST: "{address}: something that is no socket is there already",
}

# What a connection to a unix socket that somebody has bound ends in: accepted, queue full, not for streams.
_IN_USE = frozenset({0, errno.EAGAIN, errno.EPROTOTYPE})
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR})


def require_bindable(addresses: Iterable[Address]) -> None:
    """Make sure that each address can be listened on; raises ``StartError`` for the first that cannot."""
    for address in addresses if not _are_inherited() else ():
        _require(address, _try_unix if address.path else _try_tcp)


def require_bindable_datagrams(addresses: Iterable[Address]) -> None:
    """As ``require_bindable``, for udp listeners; what shares its address with its own kind is in use, too."""
    for address in addresses if not _are_inherited() else ():
        _require(address, _try_udp)


def _are_inherited() -> bool:
    return any(name in os.environ for name in _INHERITED)


def _require(address: Address, attempt: Callable[[Address], None]) -> None:
    try:
        attempt(address)
    except socket.gaierror as error:
        raise StartError(f"{address} cannot be resolved: {error.strerror}") from error
    except OSError as error:
        raise StartError(_sentence(address, error)) from error


def _try_udp(address: Address) -> None:
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address.host, address.port))


def _try_tcp(address: Address) -> None:
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))
        probe.listen(1)


def _try_unix(address: Address) -> None:
    """A socket file that nobody listens on is left over and will be replaced; one that answers is in use."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        status = probe.connect_ex(address.path)
    if status in _IN_USE:
        raise OSError(errno.EADDRINUSE, "in use")
    if status == errno.ECONNREFUSED and not Path(address.path).is_socket():
        raise OSError(errno.EEXIST, "no socket")
    if status != errno.ECONNREFUSED and status not in _NOTHING_THERE:
        raise OSError(status, os.strerror(status))
    _require_folder(os.path.dirname(address.path) or ".")


def _require_folder(folder: str) -> None:
    if not os.path.isdir(folder):
        raise OSError(errno.ENOENT, "no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, "no permission")


def _sentence(address: Address, error: OSError) -> str:
    hint = " (ports below 1024 need CAP_NET_BIND_SERVICE)" if 0 < address.port < 1024 else ""
    sentence = _SENTENCES.get(error.errno or 0)
    return sentence.format(address=address, hint=hint) if sentence else f"{address}: {error.strerror or error}"
