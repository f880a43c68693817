"""Dialing: an address becomes a connected stream.

What lives here: making the socket, connecting without blocking, and telling our faults from the server's.
What must not: choosing the server, trying another one, the resolver (an address is a literal here, or refused).
Invariant: a dial returns a connected stream or raises a ``ConnectError``, and leaves no socket behind.
"""

from __future__ import annotations

import errno
import os
import socket
from _socket import socket as RawSocket
from typing import Final, Protocol

from deston.address import Address
from deston.errors import ConnectError, ConnectTimeout, OutOfDescriptors, OutOfPorts, WriteTimeout
from deston.net.stream import Stream

OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# A socket that cannot be given a port of its own; for datagrams Linux says EAGAIN.
OUT_OF_PORTS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAGAIN})
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EINTR, errno.EALREADY})
# From <linux/in.h>; the socket module has no name for it before Python 3.12.
_IP_BIND_ADDRESS_NO_PORT: Final = 24
# The kernel makes the socket non-blocking, which saves a system call.
_NON_BLOCKING_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class Dialer(Protocol):
    """Whatever opens a connection to an address in a given time, in seconds, from an address of this machine."""

    def __call__(self, address: Address, timeout: float, source: str = "") -> Stream: ...


def dial(address: Address, timeout: float, source: str = "") -> Stream:
    """Connect to a literal address or a unix socket.

    Waits at most ``timeout`` seconds, without blocking other greenlets. ``source`` is the address of this machine to
    connect from, or empty for the system's choice; a unix socket has none. Raises ``ConnectError`` (refused,
    unreachable, a name that was not resolved), ``ConnectTimeout``, ``OutOfDescriptors`` or ``OutOfPorts``.
    """
    stream = Stream(_new_socket(address))
    try:
        if source and not address.path:
            bind_source(stream.socket, address, source)
        _connect(stream, address, timeout)
    except BaseException:
        stream.close()
        raise
    return stream


def _new_socket(address: Address) -> RawSocket:
    family = socket.AF_UNIX if address.path else socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    try:
        raw = RawSocket(family, _NON_BLOCKING_STREAM)
    except OSError as error:
        raise _dial_error(address, error.errno or 0) from error
    if not address.path:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def bind_source(raw: RawSocket, address: Address, source: str) -> None:
    """Let a socket for ``address`` send from an address of this machine; raises ``ConnectError``.

    The port is chosen when the target is known, so that ports last longer.
    """
    try:
        raw.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        raw.bind((source, 0))
    except OSError as error:
        kind = error_kind(error.errno or 0)
        raise kind(f"{address}: no connection from {source}: {error.strerror}") from error


def _connect(stream: Stream, address: Address, timeout: float) -> None:
    try:
        target = _target(address)
        status = stream.socket.connect_ex(target)
        if status == errno.EINPROGRESS:
            # A server on this machine has accepted by now, or refused: asking costs less than waiting to be told.
            status = stream.socket.connect_ex(target)
    except (OSError, ValueError) as error:  # Such as a path that is too long for a socket.
        raise ConnectError(f"{address}: {error}") from error
    if status in _UNDER_WAY:
        stream.expire_after(timeout)
        try:
            stream.wait_writable()
        except WriteTimeout:
            raise ConnectTimeout(f"{address}: no connection within {timeout:g}s") from None
        stream.expire_after(float("inf"))
        status = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise _dial_error(address, status)


def _target(address: Address) -> str | tuple[str, int]:
    """What the system calls the address; the system would resolve a name, and block, so none gets there."""
    if address.path:
        return address.path
    if not address.is_ipv6:
        try:
            socket.inet_pton(socket.AF_INET, address.host)
        except OSError:
            raise ConnectError(f"{address}: the name has not been resolved") from None
    return address.host, address.port


def _dial_error(address: Address, status: int) -> ConnectError:
    return error_kind(status)(f"{address}: {os.strerror(status)}")


def error_kind(status: int) -> type[ConnectError]:
    """What a failed system call on the way to a server means: our fault, or the server's."""
    if status in OUT_OF_DESCRIPTORS:
        return OutOfDescriptors
    return OutOfPorts if status in OUT_OF_PORTS else ConnectError
