"""The checks that speak no protocol: a connection that opens, a datagram that is answered.

What lives here: ``tcp`` and ``udp`` checks, what they send and expect, and what a check says.
What must not: HTTP (``checks.py``), when to check, and names (``server.endpoint`` is resolved already).
Invariant: see ``checks.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from deston.address import Address
from deston.balancer.server import Server
from deston.config.model import HealthConfig
from deston.errors import ConnectError, ConnectTimeout, OutOfDescriptors, ReadTimeout, StreamError
from deston.health.words import plain
from deston.net.datagram import connect_datagram
from deston.net.dial import Dialer, dial
from deston.net.stream import Stream

# Enough for what a server says to a check; what is expected is searched for no further.
ANSWER_LIMIT = 65536


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended: ``reason`` in a few plain words, ``seconds`` that it took."""

    ok: bool
    reason: str
    seconds: float


Check = Callable[[Server], CheckResult]


class Verdict(NamedTuple):
    """What a check says, before anyone looks at the clock."""

    ok: bool
    reason: str


def timed(verdict: Callable[[], Verdict]) -> CheckResult:
    """A verdict, and how long it took."""
    started = time.monotonic()
    ok, reason = verdict()
    return CheckResult(ok, reason, time.monotonic() - started)


class TcpCheck:
    """A server is up if it accepts a connection and, if asked for, answers with what is expected."""

    def __init__(self, health: HealthConfig, dialer: Dialer = dial) -> None:
        self._health = health
        self._dialer = dialer

    def __call__(self, server: Server) -> CheckResult:
        """Connect, send and read what there is to, and close again. Raises ``OutOfDescriptors``."""
        return timed(lambda: self._connect(server.endpoint))

    def _connect(self, endpoint: Address | None) -> Verdict:
        if endpoint is None:
            return Verdict(False, "name is not resolved")
        deadline = time.monotonic() + self._health.timeout
        try:
            stream = self._dialer(endpoint, self._health.timeout)
        except OutOfDescriptors:
            raise
        except ConnectTimeout:
            return Verdict(False, f"timed out after {self._health.timeout:g}s")
        except ConnectError as error:
            return Verdict(False, plain(str(error).removeprefix(f"{endpoint}: ")))
        try:
            return self._converse(stream, deadline)
        except ReadTimeout:
            return Verdict(False, f"no expected answer within {self._health.timeout:g}s")
        except StreamError as error:
            return Verdict(False, plain(str(error)))
        finally:
            stream.close()

    def _converse(self, stream: Stream, deadline: float) -> Verdict:
        health = self._health
        if not (health.send or health.expect):
            return Verdict(True, "connected")
        stream.expire_after(health.timeout)
        stream.deadline = deadline
        stream.write(health.send)
        if not health.expect:
            return Verdict(True, "connected and sent")
        answer = b""
        while health.expect not in answer:
            data = stream.read(ANSWER_LIMIT)
            answer += data
            if not data or len(answer) > ANSWER_LIMIT:
                return Verdict(False, "answer does not match")
        return Verdict(True, "answer matches")


class UdpCheck:
    """A server is up if it answers a datagram as expected or, where nothing is expected, does not refuse it."""

    def __init__(self, health: HealthConfig) -> None:
        self._health = health

    def __call__(self, server: Server) -> CheckResult:
        """Send once, and wait for an answer. Raises ``OutOfDescriptors``."""
        return timed(lambda: self._ask(server.endpoint))

    def _ask(self, endpoint: Address | None) -> Verdict:
        if endpoint is None:
            return Verdict(False, "name is not resolved")
        try:
            # A stream of datagrams, for its waiting: a read is one datagram.
            stream = Stream(connect_datagram(endpoint))
        except OutOfDescriptors:
            raise
        except ConnectError as error:
            return Verdict(False, plain(str(error).removeprefix(f"{endpoint}: ")))
        stream.expire_after(self._health.timeout)
        try:
            stream.write(self._health.send)
            return self._judge(stream)
        except ReadTimeout:
            silent = f"no answer within {self._health.timeout:g}s"
            return Verdict(False, silent) if self._health.expect else Verdict(True, "not refused")
        except StreamError as error:
            return Verdict(False, plain(str(error)))
        finally:
            stream.close()

    def _judge(self, stream: Stream) -> Verdict:
        """Wait for the first answer that matches."""
        while self._health.expect not in stream.read(ANSWER_LIMIT):
            pass
        return Verdict(True, "answer matches" if self._health.expect else "answered")
