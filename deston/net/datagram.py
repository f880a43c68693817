"""Datagrams: the socket of a udp listener, the sockets to servers, and one watcher for all of these.

What lives here: binding, receiving with the address that was sent to, answering from it, connecting, watching.
What must not: sessions, and to whom a datagram goes.
Invariant: nothing here waits. What the kernel does not take at once is lost, as datagrams may be.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from _socket import socket as RawSocket
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

from deston.address import Address, client_key
from deston.errors import ConnectError, OutOfDescriptors, StartError
from deston.net import hub as hubs
from deston.net.byte_stream import Bytes
from deston.net.dial import bind_source, error_kind
from deston.net.proxy_protocol import Endpoint
from deston.net.stream import READ

# What one IPv4 datagram can carry: 65,535 bytes without the headers of IP and UDP.
LARGEST_DATAGRAM = 65507
# A burst waits here while the process is busy; the kernel gives less where net.core.rmem_max is lower.
RECEIVE_BUFFER = 4 << 20
# Sockets with something to read that are looked at in one turn.
MOST_READY = 256

# What the kernel says of a datagram that it does not take, and that says nothing of the one that it is for.
NOT_TAKEN = frozenset({errno.EAGAIN, errno.EMSGSIZE, errno.ENOBUFS})

# Of <linux/in.h>; the socket module names the first one since Python 3.12 only.
_IP_PKTINFO = 8
_IPV4_INFO = struct.Struct("=I4s4s")
_ANCILLARY_SPACE = socket.CMSG_SPACE(20)
_NON_BLOCKING_DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK

#: Removed from its module by gevent's patches, because it would block; here it never waits.
_epoll: Any = get_original("select", "epoll")


#: Who sent a datagram: its address or, where it matters from which of ours the answer leaves, both. A key, and what
#: ``reply`` needs; for the rest there are ``host_of`` and ``local_address``.
Peer = tuple[Any, ...]


def bind_datagram(address: Address) -> RawSocket:
    """A socket on a literal address that other workers can bind, too; raises ``StartError``."""
    raw = RawSocket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, _NON_BLOCKING_DATAGRAM)
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        raw.bind((address.host, address.port))
    except OSError as error:
        raw.close()
        raise StartError(f"{address} (udp): {error.strerror or error}") from error
    return raw


def hear_nobody(raw: RawSocket) -> None:
    """Let a bound socket get no more datagrams, and still send: they go to the others that are bound to its address.

    A connected socket hears its peer alone, and nothing else can send from its own address.
    """
    with contextlib.suppress(OSError):
        raw.connect(raw.getsockname())


def connect_datagram(address: Address, source: str = "") -> RawSocket:
    """A socket that exchanges datagrams with a literal address only; raises ``ConnectError`` and its kinds."""
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    try:
        raw = RawSocket(family, _NON_BLOCKING_DATAGRAM)
    except OSError as error:
        raise error_kind(error.errno or 0)(f"{address}: {error.strerror}") from error
    try:
        if source:
            bind_source(raw, address, source)
        raw.connect((address.host, address.port))
    except OSError as error:
        raw.close()
        raise error_kind(error.errno or 0)(f"{address}: {os.strerror(error.errno or errno.EINVAL)}") from error
    except ConnectError:
        raw.close()
        raise
    return raw


class DatagramListener:
    """The bound socket of a listener.

    Where it is bound to every address of the machine, each datagram is received with the address that it was sent to,
    and answered from that one (IP_PKTINFO, RFC 3542): a client takes no answer from another address.
    """

    __slots__ = ("_is_wild", "_socket", "_watcher", "receive", "reply")

    def __init__(self, raw: RawSocket) -> None:
        self._socket = raw
        self._watcher: Any = None
        host = raw.getsockname()[0]
        self._is_wild = host in ("0.0.0.0", "::")
        #: One datagram into a buffer: its size, and who sent it. Raises ``OSError``.
        self.receive: Callable[[memoryview], tuple[int, Peer]] = raw.recvfrom_into
        #: Send data to a peer. Raises ``OSError``.
        self.reply: Callable[[Bytes, Peer], object] = raw.sendto
        if self._is_wild:
            self._ask_for_addresses(host)

    def _ask_for_addresses(self, host: str) -> None:
        if host == "::":
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self.receive, self.reply = self._receive_with_address, self._reply_from_address

    def address_of(self, peer: Peer) -> Endpoint:
        """A peer's own address, IPv4 never in the form of IPv6."""
        address = peer[0] if self._is_wild else peer
        return client_key(address[0]), address[1]

    def local_address(self, peer: Peer) -> Endpoint:
        """The address, with its port, that a peer sent to."""
        host, port = self._socket.getsockname()[:2]
        for _, _, data in peer[1] if self._is_wild else ():
            packed = _IPV4_INFO.unpack(data)[1] if len(data) == _IPV4_INFO.size else data[:16]
            host = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
        return client_key(host), port

    def watch(self, on_readable: Callable[[], None]) -> None:
        """Call back whenever there is something to receive."""
        self._watcher = hubs.home().io(self._socket.fileno(), READ)
        self._watcher.start(on_readable)

    def _receive_with_address(self, buffer: memoryview) -> tuple[int, Peer]:
        count, ancillary, _, address = self._socket.recvmsg_into([buffer], _ANCILLARY_SPACE)
        return count, (address, tuple(map(_to_answer_from, ancillary)))

    def _reply_from_address(self, data: Bytes, peer: Peer) -> None:
        address, local = peer
        self._socket.sendmsg([data], local, 0, address)

    def hear_nobody(self) -> None:
        """Receive nothing more, and still answer."""
        self._stop_watching()
        hear_nobody(self._socket)

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self._stop_watching()
        self._socket.close()

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def __repr__(self) -> str:
        return f"<DatagramListener {self._socket.fileno()}>"


def _to_answer_from(ancillary: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """What to send with an answer, from what came with a datagram."""
    level, kind, data = ancillary
    if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
        _, specific, _ = _IPV4_INFO.unpack(data)
        data = _IPV4_INFO.pack(0, specific, bytes(4))
    return level, kind, data


class Readiness:
    """Tells which of many sockets have something to read, by one watcher for all of them.

    ``on_ready`` gets their descriptors, each with what it is ready for.

    A watcher of the hub for each would cost more than all else that a short session does.
    """

    __slots__ = ("_epoll", "_on_ready", "_watcher")

    def __init__(self, on_ready: Callable[[list[tuple[int, int]]], None]) -> None:
        self._on_ready = on_ready
        self._epoll = _epoll()
        self._watcher = hubs.home().io(self._epoll.fileno(), READ)
        self._watcher.start(self._look)

    def add(self, raw: RawSocket) -> None:
        """Tell of a socket until it is closed; raises ``OutOfDescriptors``."""
        try:
            self._epoll.register(raw.fileno(), READ)
        except OSError as error:
            raise OutOfDescriptors(f"no socket can be watched: {error.strerror}") from error

    def _look(self) -> None:
        self._on_ready(self._epoll.poll(0, MOST_READY))

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()

    def __repr__(self) -> str:
        return f"<Readiness of {self._epoll.fileno()}>"
