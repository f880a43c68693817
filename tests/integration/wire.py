"""Both ends of connections, as a test speaks and listens by hand.

What lives here: a connection with blocking reads, a server whose every step the test takes, reserved ports.
What must not: processes; HTTP beyond its heads (``client``).
Invariant: every wait has the deadline of ``processes``; what is opened here is closed by ``with``.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from deston.address import Address
from tests.integration.processes import DEADLINE_S

RESET = struct.pack("ii", 1, 0)
# A state of the kernel's table of connections, TCP_LISTEN.
LISTENING = "0A"
END_OF_HEAD = b"\r\n\r\n"


class Wire:
    """One connected socket, with what was read too far."""

    def __init__(self, raw: socket.socket) -> None:
        self.socket = raw
        self._buffer = b""
        raw.settimeout(DEADLINE_S)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and including ``end``."""
        while end not in self._buffer:
            more = self.socket.recv(65536)
            assert more, f"the connection ended before {end!r}, after {self._buffer[:200]!r}"
            self._buffer += more
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def read_head(self) -> bytes:
        """The head of a request or response."""
        return self.read_until(END_OF_HEAD)

    def read_all(self) -> bytes:
        """Everything up to the end of the connection; a reset raises ``ConnectionResetError``."""
        pieces = [self._buffer]
        while piece := self.socket.recv(65536):
            pieces.append(piece)
        self._buffer = b""
        return b"".join(pieces)

    def echoes_through(self, other: Wire) -> None:
        """Make sure that bytes go from here to the other end and back."""
        for source, target, line in ((self, other, b"there\n"), (other, self, b"and back\n")):
            source.send(line)
            assert target.read_until(b"\n") == line

    def end(self) -> None:
        """Send nothing more, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def was_reset(self) -> bool:
        """Whether the connection ends with a reset; what comes before it is dropped."""
        try:
            self.read_all()
        except ConnectionResetError:
            return True
        return False

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def connect(address: Address, source: str = "") -> Wire:
    """A connection to ``address``, from the address ``source`` where that matters."""
    if address.path:
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(DEADLINE_S)
        raw.connect(address.path)
        return Wire(raw)
    origin = (source, 0) if source else None
    return Wire(socket.create_connection((address.host, address.port), DEADLINE_S, origin))


def refuses(address: Address) -> bool:
    """Whether a client cannot connect to ``address``."""
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return True
    return False


def is_listened_on(address: Address) -> bool:
    """Whether a socket listens on ``address``; asks the kernel, so that nobody sees a connection for it."""
    if address.path:
        return any(line.endswith(address.path) for line in _kernel_lines("unix"))
    wanted = f":{address.port:04X}"
    rows = [line.split() for line in _kernel_lines("tcp6" if address.is_ipv6 else "tcp")]
    return any(row[1].endswith(wanted) and row[3] == LISTENING for row in rows[1:])


def _kernel_lines(table: str) -> list[str]:
    return Path("/proc/net", table).read_text(encoding="ascii").splitlines()


class ScriptedServer:
    """A server that does nothing by itself: the test accepts its connections and speaks for it."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.socket.settimeout(DEADLINE_S)
        self.address = address_of(self.socket)

    def accept(self) -> Wire:
        """The next connection; waits until there is one."""
        return Wire(self.socket.accept()[0])

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def reserved_port(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address that is refused until a process listens on it, and that no other process is given meanwhile.

    The port is bound but not listened on; with SO_REUSEADDR on both sockets, Linux lets another one listen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, 0))
        yield address_of(holder)


def address_of(listening: socket.socket) -> Address:
    """Where a socket is bound."""
    host, port = listening.getsockname()[:2]
    return Address(host, port)


def free_for_both() -> Address:
    """A port that was free for TCP and UDP."""
    while True:
        with (
            socket.create_server(("127.0.0.1", 0)) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
            contextlib.suppress(OSError),
        ):
            other.bind(one.getsockname())
            return address_of(one)
