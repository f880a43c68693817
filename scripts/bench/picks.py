"""The cost of a pick.

What lives here: a timing of each policy, in this process and without a socket.
What must not: load, balancers.
Invariant: what is timed is what a proxy does: a lease on a server of the pool, with the leases of other clients open,
and the release of the oldest.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from deston.balancer.policies import create_policy, known_policies
from deston.balancer.pool import Lease, Pool
from deston.balancer.server import Server
from deston.config.load import load
from scripts.bench.servers import many_addresses

KEYS = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(1000)]
OPEN_LEASES = 64
CONFIG = """
[listeners]
    [[web]]
    bind = 127.0.0.1:8080
    protocol = http
    pool = many
[pools]
    [[many]]
    algorithm = {policy}
        [[[servers]]]
"""


def policies() -> list[str]:
    """The policies that Deston has."""
    return known_policies()


def create_pool(policy: str, folder: Path) -> Pool:
    """A pool of many servers, read from a file as any other; their weights are 1 to 4 in turn."""
    lines = [
        f"        s{number} = {address}:80, weight={number % 4 + 1}" for number, address in enumerate(many_addresses())
    ]
    file = folder / f"picks-{policy}.conf"
    file.write_text(CONFIG.format(policy=policy) + "\n".join(lines) + "\n", encoding="utf-8")
    config = load(str(file)).pool("many")
    return Pool(config, create_policy(policy), tuple(Server(one) for one in config.servers))


def time_picks(pool: Pool, seconds: float) -> float:
    """The microseconds of one pick and its release, the mean over so many seconds."""
    leases: deque[Lease] = deque(pool.lease(key) for key in KEYS[:OPEN_LEASES])
    count, begin = 0, time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end:
        for key in KEYS:
            leases.append(pool.lease(key))
            leases.popleft().release()
        count += len(KEYS)
    return (now - begin) / count * 1e6
