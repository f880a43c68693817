"""Refusals: why a client was not served, and how often.

What lives here: the reasons, the error that carries one, and the counter. Pure.
What must not: the rules that refuse.
Invariant: each refused client is counted once, by one reason.
"""

from __future__ import annotations

import enum
from collections import Counter

from deston.errors import DestonError


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
    CONNECT = "connect failed"
    DESCRIPTORS = "out of descriptors"
    CLIENT_GONE = "client gone"


class Refused(DestonError):
    """A client is not served; ``reason`` is what is counted."""

    def __init__(self, reason: Refusal, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason.value)


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

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def __str__(self) -> str:
        return ", ".join(f"{reason.value} {count}" for reason, count in self._counts.most_common())

    def __repr__(self) -> str:
        return f"<Refusals {str(self) or 'none'}>"
