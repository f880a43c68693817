"""The cost of a pick.

What lives here: a timing of each policy, in this process and without a socket.
What must not: load, balancers.
Invariant: what is timed is what a proxy does: a lease on a server of the pool, with the leases of other clients open,
and the release of the oldest.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from pathlib import Path

from deston.balancer.policies import create_policy, known_policies
from deston.balancer.pool import Lease, Pool
from deston.balancer.server import Server
from deston.config.load import load
from scripts.bench.servers import MANY, many_addresses

# Two a server, so that none is idle: a policy that looks for an idle one has to look at all.
OPEN_LEASES = 2 * MANY
#: Of a policy that remembers its clients: what the pick of a client costs that it has not seen.
FIRST = "ip_hash, a client's first pick"
KEYS = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(OPEN_LEASES)]
_numbers = itertools.count()
CONFIG = """
[listeners]
    [[web]]
    bind = 127.0.0.1:8080
    protocol = http
    pool = many
[pools]
    [[many]]
    algorithm = {policy}{key}
        [[[servers]]]
"""


# What some policies need to be told.
HASH_KEYS = dict.fromkeys(("header_hash", "cookie_hash"), "\n    hash_key = X")


def policies() -> list[str]:
    """The policies that Deston has, and the one whose first pick differs from the later ones."""
    return [*known_policies(), FIRST]


def create_pool(name: str, folder: Path) -> Pool:
    """A pool of many servers, read from a file as any other; their weights are 1 to 4 in turn."""
    policy, _, _ = name.partition(",")
    lines = [
        f"        s{number} = {address}:80, weight={number % 4 + 1}" for number, address in enumerate(many_addresses())
    ]
    file = folder / f"picks-{policy}.conf"
    file.write_text(
        CONFIG.format(policy=policy, key=HASH_KEYS.get(policy, "")) + "\n".join(lines) + "\n", encoding="utf-8"
    )
    config = load(str(file)).pool("many")
    return Pool(config, create_policy(policy), tuple(Server(one) for one in config.servers))


def time_picks(pool: Pool, seconds: float, are_new: bool = False) -> float:
    """The microseconds of one pick and its release, the mean over so many seconds.

    The clients are the same ones again and again, or new ones each time.
    """
    leases: deque[Lease] = deque(pool.lease(key) for key in KEYS)
    rounds = (_new_keys() if are_new else KEYS for _ in itertools.count())
    count, spent = 0, 0.0
    while spent < seconds:
        keys = next(rounds)
        begin = time.perf_counter()
        for key in keys:
            leases.append(pool.lease(key))
            leases.popleft().release()
        spent += time.perf_counter() - begin
        count += len(keys)
    return spent / count * 1e6


def _new_keys() -> list[str]:
    """A few clients that have not been here; so few, because they may be slow."""
    return [f"client-{next(_numbers)}" for _ in range(50)]
