"""Which fault comes next, on what, and for how long.

What lives here: the draw, and what keeps two faults apart.
What must not: doing them.
Invariant: never more than two of the servers are in trouble, nor two workers; so there is always somebody who can
serve, and what a client sees can be told from an outage.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.soak.faults import Fault, Target

# Until what was in trouble is trusted by everybody again, in seconds: checks come every 1.25 s while a server is down.
REST = 3.0
MOST_IN_TROUBLE = 2
GAP = (0.2, 1.5)


@dataclass(frozen=True)
class Pick:
    """A fault, its target, and how many seconds it lasts."""

    fault: Fault
    target: str
    hold: float

    @property
    def resource(self) -> str:
        """What no other fault may touch meanwhile."""
        return resource_of(self.fault.target, self.target)


def resource_of(kind: Target, target: str) -> str:
    """What a target of a kind occupies: its server, its pool, the workers, or the file."""
    if kind in (Target.WORKERS_L4, Target.WORKERS_L7, Target.LEADER):
        return "workers"
    if kind is Target.POOL:
        return f"pool {target}"
    if kind is Target.FILE:
        return "file"
    return f"server {target.rpartition('/')[2]}"


class Picker:
    """Draws faults; ``busy`` maps what is in trouble to when it will be trusted again."""

    def __init__(
        self, rng: random.Random, faults: Sequence[Fault], pools: Sequence[str], servers: Sequence[str]
    ) -> None:
        self._rng = rng
        self._faults = faults
        self._pools = pools
        self._servers = servers
        self.busy: dict[str, float] = {}

    def gap(self) -> float:
        """The seconds until the next draw."""
        return self._rng.uniform(*GAP)

    def pick(self, now: float) -> Pick | None:
        """A fault that may come now, and that it is busy; None where nothing may."""
        self.busy = {resource: until for resource, until in self.busy.items() if until > now}
        able = [(fault, free) for fault in self._faults if (free := self._free(fault.target))]
        if not able:
            return None
        fault, free = self._rng.choices(able, [one.weight for one, _ in able])[0]
        pick = Pick(fault, self._rng.choice(free), self._rng.uniform(*fault.hold))
        self.busy[pick.resource] = float("inf")
        return pick

    def release(self, pick: Pick, now: float) -> None:
        """It has been undone."""
        self.busy[pick.resource] = now + REST

    def _free(self, kind: Target) -> list[str]:
        return [one for one in self._targets(kind) if self._may(resource_of(kind, one))]

    def _may(self, resource: str) -> bool:
        if resource in self.busy:
            return False
        in_trouble = sum(one.startswith("server ") for one in self.busy)
        return not resource.startswith("server ") or in_trouble < MOST_IN_TROUBLE

    def _targets(self, kind: Target) -> list[str]:
        if kind is Target.SERVER:
            return list(self._servers)
        if kind is Target.POOL:
            return list(self._pools)
        if kind is Target.MEMBER:
            return [f"{pool}/{server}" for pool in self._pools for server in self._servers]
        return [kind.value]
