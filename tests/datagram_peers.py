"""Peers that exchange datagrams: servers that answer, and a client with a socket of its own.

What lives here: what ``peers.py`` has for connections, for datagrams.
What must not: assertions.
Invariant: see ``peers.py``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any

import gevent.socket

from deston.address import Address
from tests.peers import LOOPBACK, STOP_S

LARGEST = 65535


class DatagramServer:
    """Answers each datagram with its name before it, ``answers`` times; it keeps what it got in ``received``.

    ``senders`` are the addresses that datagrams came from. While ``may_answer`` is not set, it thinks.
    """

    def __init__(self, name: bytes = b"", answers: int = 1, at: Address = LOOPBACK) -> None:
        self.name = name
        self.answers = answers
        self.received: list[bytes] = []
        self.senders: list[Any] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._socket = socket.socket(socket.AF_INET6 if at.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((at.host, at.port))
        self.address = Address(at.host, self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, sender = self._socket.recvfrom(LARGEST)
                if data == b"stop" and sender == self._socket.getsockname():
                    return
                self.received.append(data)
                self.senders.append(sender)
                self.may_answer.wait(STOP_S)
                for _ in range(self.answers):
                    self._socket.sendto(self.name + data, sender)

    def __enter__(self) -> DatagramServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.may_answer.set()
        self._socket.sendto(b"stop", self._socket.getsockname())
        self._thread.join(STOP_S)
        self._socket.close()


def unused_port() -> Address:
    """A port of UDP that nobody is bound to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK.host, 0))
        return Address(LOOPBACK.host, probe.getsockname()[1])


class DatagramClient:
    """A client that waits as greenlets do."""

    def __init__(self, address: Address, host: str = "") -> None:
        family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        self._socket = gevent.socket.socket(family, socket.SOCK_DGRAM)
        if host:
            self._socket.bind((host, 0))
        # A connected socket takes answers from no other address.
        self._socket.connect((address.host, address.port))

    @property
    def name(self) -> Any:
        return self._socket.getsockname()

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    def receive(self) -> bytes:
        return self._socket.recv(LARGEST)

    def ask(self, data: bytes) -> bytes:
        """Send a datagram and wait for an answer."""
        self.send(data)
        return self.receive()

    def hears_nothing(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for a while."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(LARGEST)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(None)
        return False

    def __enter__(self) -> DatagramClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
