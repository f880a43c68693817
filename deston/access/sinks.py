"""Where the lines of an access log go: a file, standard output, or syslog.

What lives here: writing a batch of lines, and opening a file anew after it was moved away.
What must not: what stands in a line, buffering, threads.
Invariant: a batch is written whole or an ``OSError`` says why not; lines of several processes are never mixed.
"""

from __future__ import annotations

import os
import socket
import time
from _socket import socket as RawSocket
from collections.abc import Sequence
from typing import Protocol

from deston.address import Address
from deston.config.model import LogSink, LogTarget
from deston.errors import StartError

_MODE = 0o640
_STANDARD_OUTPUT = 1
# The daemon of this machine.
_LOCAL_DAEMON = "/dev/log"
# RFC 5424 section 6.2.1: facility local0, severity informational; as HAProxy's `log … local0`.
_PRIORITY = 16 * 8 + 6


class Sink(Protocol):
    """Takes lines. ``may_block`` says whether to write from a thread."""

    may_block: bool

    def write(self, lines: Sequence[str]) -> None:
        """Write a batch; raises ``OSError``."""

    def reopen(self) -> None:
        """Open anew what is opened by a name."""

    def close(self) -> None:
        """Close; a later write opens again."""


def make_sink(target: LogTarget, program: str) -> Sink:
    """The sink for a target that is not off; ``program`` is what syslog is told of who writes."""
    if target.sink is LogSink.FILE:
        return FileSink(target.file)
    if target.sink is LogSink.STDOUT:
        return DescriptorSink(_STANDARD_OUTPUT)
    return SyslogSink(target.address or Address(path=_LOCAL_DAEMON), program)


def require_log(target: LogTarget, listener: str) -> None:
    """Raise ``StartError`` where the file of a listener's access log cannot be written."""
    if target.sink is not LogSink.FILE:
        return
    sink = make_sink(target, "")
    try:
        sink.write([])
    except OSError as error:
        raise StartError(f"{target.file}: the access log of {listener} cannot be written: {error.strerror}") from error
    finally:
        sink.close()


class FileSink:
    """Appends to a file, which is opened by the first batch."""

    may_block = True

    def __init__(self, file: str) -> None:
        self._file = file
        self._descriptor = -1
        self._is_stale = False

    def write(self, lines: Sequence[str]) -> None:
        if self._is_stale:
            self.close()
        if self._descriptor < 0:
            self._is_stale = False
            self._descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        _write_all(self._descriptor, lines)

    def reopen(self) -> None:
        """Let the next batch open the file, as logrotate asks for; another thread may be writing."""
        self._is_stale = True

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __repr__(self) -> str:
        return f"<FileSink {self._file}>"


class DescriptorSink:
    """Writes to what is open already."""

    may_block = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, lines: Sequence[str]) -> None:
        _write_all(self._descriptor, lines)

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """It is not ours."""

    def __repr__(self) -> str:
        return f"<DescriptorSink {self._descriptor}>"


class SyslogSink:
    """Sends a datagram for each line, in the form of RFC 3164; what the daemon does not take at once is lost."""

    def __init__(self, address: Address, program: str) -> None:
        self._address = address
        self.may_block = address.is_name  # A name has to be resolved.
        self._is_stale = False
        self._host = "" if address.is_unix else f"{socket.gethostname()} "
        self._program = f"{program}[{os.getpid()}]"
        self._socket: RawSocket | None = None

    def write(self, lines: Sequence[str]) -> None:
        if self._is_stale:
            self.close()
        if self._socket is None:
            self._is_stale = False
            self._socket = self._open()
        raw = self._socket
        stamp = time.strftime("%b %e %H:%M:%S")
        try:
            for line in lines:
                raw.send(f"<{_PRIORITY}>{stamp} {self._host}{self._program}: {line}".encode())
        except OSError:
            self.close()  # The daemon may have started anew, with another socket.
            raise

    def _open(self) -> RawSocket:
        address = self._address
        family = socket.AF_UNIX if address.path else socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        raw = RawSocket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            raw.connect(address.path or (address.host, address.port))
        except BaseException:  # Whatever it is, it goes on, and the socket is nobody's.
            raw.close()
            raise
        return raw

    def reopen(self) -> None:
        """Let the next batch connect anew."""
        self._is_stale = True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __repr__(self) -> str:
        return f"<SyslogSink {self._address}>"


def _write_all(descriptor: int, lines: Sequence[str]) -> None:
    """In one call where the system allows it, so that lines of several processes are not mixed."""
    rest = memoryview("".join(f"{line}\n" for line in lines).encode())
    while rest:
        rest = rest[os.write(descriptor, rest) :]
