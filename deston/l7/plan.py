"""What follows from a response's head: pure.

What lives here: how its body ends, what goes on to the client, and how long the connection may be kept.
What must not: reading, and what any of it is for (``exchange``).
Invariant: heads that are the same have the same plan for requests of one kind, found once.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from deston.l7 import http1
from deston.l7.fields import Fields
from deston.l7.headers import connection_options, response_fields
from deston.l7.http1 import Framing, ResponseHead
from deston.l7.request import Request

_KEEP_ALIVE_TIMEOUT: Final = re.compile(rb"timeout=([0-9]{1,6})", re.IGNORECASE)
# A server counts from when it sent, we from when we received.
KEEP_ALIVE_MARGIN: Final = 1.0
# By what a plan is known besides the head: whether HEAD asked for it, trailers are taken, and Via is added. A string
# keeps its hash, a tuple does not.
_KEYS: Final = [f"plan {kind}" for kind in range(8)]


class Plan(NamedTuple):
    """What follows from a response's head for requests of one kind: how its body ends, and what goes on to the client.

    ``length`` is that of the body where it is known from the head, else None.
    """

    framing: Framing
    body_length: int
    length: int | None
    idle_seconds: float
    fields: Fields


def plan_of(head: ResponseHead, request: Request) -> Plan:
    """What follows from a head; raises ``BadResponse`` where its framing is in doubt."""
    key = _KEYS[(request.method == b"HEAD") + 2 * request.takes_trailers + 4 * request.listener.via]
    plan: Plan | None = head.fields.kept.get(key)
    if plan is None:
        framing, length = http1.response_framing(request.method, head)
        known = length if framing in (Framing.NONE, Framing.LENGTH) else None
        idle_seconds = 0.0 if framing is Framing.CLOSE else _idle_time(head)
        fields = response_fields(head, request.takes_trailers, request.listener.via)
        plan = head.fields.kept[key] = Plan(framing, length, known, idle_seconds, fields)
    return plan


def _idle_time(head: ResponseHead) -> float:
    """How long a server keeps the connection after a response by its own word, in seconds."""
    if not http1.keeps_alive(head, connection_options(head.named)):
        return 0.0
    said = [_KEEP_ALIVE_TIMEOUT.search(value) for value in head.named.get(b"keep-alive", ())]
    return max(0.0, min([float(match[1]) - KEEP_ALIVE_MARGIN for match in said if match], default=float("inf")))
