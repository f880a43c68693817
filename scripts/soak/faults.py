"""Which faults there are.

What lives here: the table: how often each comes, how long it lasts, on what, and which failures it excuses.
What must not: how it is done (``actions``), when it comes (``picking``).
Invariant: what a client has to be spared of is not excused: a server that merely refuses, a reload and an operator's
change cost no TCP connection, no request and no WebSocket.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from scripts.soak.model import BROKEN, HTTP, LOST, TCP, UDP, WS, Excuse


class Target(enum.Enum):
    """What a fault is done to."""

    WORKERS_L4 = "l4"
    WORKERS_L7 = "l7"
    LEADER = "leader"
    SERVER = "server"
    MEMBER = "a server in one pool"
    POOL = "pool"
    FILE = "the file"


@dataclass(frozen=True)
class Fault:
    """A fault; ``hold`` are the least and the most seconds until it is undone."""

    name: str
    weight: int
    target: Target
    hold: tuple[float, float]
    excuses: tuple[Excuse, ...] = ()


# A worker takes with it what it has; the sockets of its sessions are bound anew, and the new worker has to start.
L4_DEATH = (Excuse(TCP, (BROKEN,), 1.5, strikes=True), Excuse(UDP, (LOST,), 4.0, strikes=True))
L7_DEATH = tuple(Excuse(protocol, (BROKEN,), 1.5, strikes=True) for protocol in (HTTP, WS))
# Nothing tells that a datagram will not be answered.
_SILENT = Excuse(UDP, (LOST,), 1.5)
# A request that may have reached its server goes to no other one, if it cannot be repeated or is being answered.
_CUT = (BROKEN, "502")
_STALL = (Excuse(HTTP, ("504", BROKEN), 1.5), Excuse(WS, ("504",), 1.5), _SILENT)
_RESET = (Excuse(HTTP, _CUT, 1.5), Excuse(WS, _CUT, 1.5), Excuse(TCP, (BROKEN,), 1.5), _SILENT)
_DEATH = (
    Excuse(HTTP, _CUT, 1.5, strikes=True),
    Excuse(WS, _CUT, 1.5, strikes=True),
    Excuse(TCP, (BROKEN,), 1.5, strikes=True),
    _SILENT,
)

FAULTS = (
    Fault("kill-l4-worker", 3, Target.WORKERS_L4, (3, 4), L4_DEATH),
    Fault("kill-l7-worker", 2, Target.WORKERS_L7, (3, 4), L7_DEATH),
    # Its excuses are those of the command that it belongs to.
    Fault("kill-leader", 2, Target.LEADER, (3, 4)),
    Fault("stop-l4-worker", 3, Target.WORKERS_L4, (1, 3), (_SILENT,)),
    Fault("stop-l7-worker", 3, Target.WORKERS_L7, (1, 3)),
    Fault("server-stalls", 4, Target.SERVER, (1, 6), _STALL),
    Fault("server-resets", 4, Target.SERVER, (1, 5), _RESET),
    Fault("server-refuses", 4, Target.SERVER, (1, 5), (_SILENT,)),
    Fault("server-dies", 4, Target.SERVER, (1, 5), _DEATH),
    Fault("reload", 2, Target.FILE, (0, 0)),
    Fault("reload-broken", 1, Target.FILE, (0, 0)),
    Fault("hup-l4", 1, Target.FILE, (0, 1)),
    Fault("add", 1, Target.POOL, (2, 8)),
    Fault("remove", 3, Target.MEMBER, (2, 6)),
    Fault("drain", 3, Target.MEMBER, (2, 6)),
    Fault("maint", 3, Target.MEMBER, (2, 6)),
    Fault("weight", 3, Target.MEMBER, (2, 6)),
    Fault("algorithm", 1, Target.POOL, (2, 6)),
)
