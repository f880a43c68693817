"""Refusals: why a client was not served, and how often.

What lives here: the reasons, which error stands for which, and the counter. Pure.
What must not: the rules that refuse.
Invariant: each refused client is counted once, by one reason.
"""

from __future__ import annotations

import enum
from collections import Counter

from deston.errors import (
    ClientGone,
    ConnectError,
    ConnectTimeout,
    DestonError,
    NoRoute,
    NoServerAvailable,
    OutOfDescriptors,
    PrefaceTimeout,
    ProtocolError,
    QueueFull,
    QueueTimeout,
    StreamError,
)


class Refusal(enum.Enum):
    """Why a client was refused, in the words of logs and counters."""

    DENIED = "denied"
    CLIENT_CONNECTIONS = "too many connections of the client"
    CONNECTION_RATE = "connection rate of the client"
    NOT_A_PROXY = "not a trusted proxy"
    PREFACE = "bad PROXY header or ClientHello"
    PREFACE_TIMEOUT = "handshake timeout"
    TLS = "TLS handshake failed"
    NO_ROUTE = "no route"
    NO_SERVER = "no server"
    QUEUE_FULL = "queue full"
    QUEUE_TIMEOUT = "queue timeout"
    CONNECT = "connect failed"
    CONNECT_TIMEOUT = "connect timeout"
    DESCRIPTORS = "out of descriptors or ports"
    CLIENT_GONE = "client gone"
    OTHER = "other"


class Refused(DestonError):
    """A client is not served; ``reason`` is what is counted."""

    def __init__(self, reason: Refusal, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason.value)


# The first kind that fits an error says why.
_REASONS: tuple[tuple[type[DestonError], Refusal], ...] = (
    (PrefaceTimeout, Refusal.PREFACE_TIMEOUT),
    (ProtocolError, Refusal.PREFACE),
    (ClientGone, Refusal.CLIENT_GONE),
    (NoRoute, Refusal.NO_ROUTE),
    (QueueFull, Refusal.QUEUE_FULL),
    (QueueTimeout, Refusal.QUEUE_TIMEOUT),
    (NoServerAvailable, Refusal.NO_SERVER),
    (OutOfDescriptors, Refusal.DESCRIPTORS),
    (ConnectTimeout, Refusal.CONNECT_TIMEOUT),
    (ConnectError, Refusal.CONNECT),
    # No other stream than the client's is read before the relay.
    (StreamError, Refusal.CLIENT_GONE),
)


def refusal_of(error: DestonError) -> Refusal:
    """Why a client was refused for which this error was raised."""
    if isinstance(error, Refused):
        return error.reason
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), Refusal.OTHER)


class Refusals:
    """How many clients were refused, by reason."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[Refusal] = Counter()

    def add(self, reason: Refusal) -> None:
        """Count one."""
        self._counts[reason] += 1

    def __getitem__(self, reason: Refusal) -> int:
        return self._counts[reason]

    def counts(self) -> list[tuple[str, int]]:
        """Each reason that there was, in words, and how often."""
        return [(reason.value, count) for reason, count in self._counts.items()]

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def __str__(self) -> str:
        return ", ".join(f"{reason.value} {count}" for reason, count in self._counts.most_common())

    def __repr__(self) -> str:
        return f"<Refusals {str(self) or 'none'}>"
