"""Whether the counters add up.

What lives here: what clients, servers and Deston have counted of the same thing, side by side.
What must not: where the numbers come from.
Invariant: who saw the end of a thing has counted no more than who saw its beginning: clients, servers, Deston.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.soak.model import UDP

# A killed worker takes with it what it had not told yet: of a twentieth of a second, or more on a busy machine.
SECONDS_UNTOLD = 1.0
# Attempts that no client or server saw the end of: cut, refused, or tried again.
SHARE_UNSEEN, FEWEST_UNSEEN = 0.1, 50


@dataclass(frozen=True)
class Numbers:
    """What was counted of a server in a pool: by clients, by itself, and by Deston."""

    pool: str
    server: str
    clients: int
    served: int
    total: int
    failures: int
    active: int

    @property
    def name(self) -> str:
        return f"{self.pool}/{self.server}"


def wrong_totals(numbers: Numbers, killed: int, seconds: float) -> Iterator[str]:
    """What does not add up; ``killed`` are the workers that were, ``seconds`` how long the load lasted."""
    said = f"{numbers.name}: clients {numbers.clients}, server {numbers.served}, Deston {numbers.total}"
    untold = killed * (5 + SECONDS_UNTOLD * numbers.served / max(1.0, seconds))
    if numbers.active:
        yield f"{numbers.name} has {numbers.active} under way, though nobody is there"
    if numbers.clients > numbers.served:
        yield f"{said}: clients have more than the server"
    if numbers.total + untold < numbers.clients:
        yield f"{said}: Deston has less than the clients, even with {untold:.0f} that killed workers may not have told"
    if numbers.pool == UDP:
        return  # Datagrams are not sessions.
    if numbers.total + untold < numbers.served:
        yield f"{said}: Deston has less than the server, even with {untold:.0f} that killed workers may not have told"
    most = numbers.served * (1 + SHARE_UNSEEN) + FEWEST_UNSEEN + numbers.failures
    if numbers.total > most:
        yield f"{said}, failures {numbers.failures}: Deston has more than came"


def gather(
    told: Mapping[str, Any],
    served: Mapping[str, Mapping[str, int]],
    leases: Mapping[str, int],
) -> list[Numbers]:
    """The numbers of each server in each pool.

    ``told`` is what `deston status` says, ``served`` what servers counted by protocol, ``leases`` what clients did, by
    protocol and server.
    """
    return [
        Numbers(
            pool,
            name,
            leases.get(f"{pool} {name}", 0),
            served.get(name, {}).get(pool, 0),
            one["total"],
            one["failures"],
            one["active"],
        )
        for pool, of_pool in told["pools"].items()
        for name, one in of_pool["servers"].items()
    ]


def as_line(numbers: list[Numbers], pool: str) -> str:
    """The sums of a pool."""
    own = [one for one in numbers if one.pool == pool]
    return (
        f"{pool}: clients counted {sum(one.clients for one in own)}, servers {sum(one.served for one in own)}, "
        f"Deston {sum(one.total for one in own)} and {sum(one.failures for one in own)} failures, "
        f"under way {sum(one.active for one in own)}"
    )
