"""What is simulated: a pool, the machines behind it, and what happens to them.

What lives here: the scenario, and the making of its pool, out of thin air or out of a configuration.
What must not: arrivals, and the run.
Invariant: a pool that is made up has the defaults of the configuration's schema; what is simulated has no other limits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from deston.balancer.policies import make_policy
from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.load import load, load_tree
from deston.config.model import PoolConfig
from deston.config.report import did_you_mean
from deston.errors import CannotSimulate
from deston.simulate.disturbances import Disturbance

#: As many as there are addresses for; a policy that looks at all of them is slow long before.
MOST_SERVERS = 65536
_POOL = "simulated"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A pool and its surroundings.

    ``concurrency`` is how many requests each server works on at once, or all of them where it is one number; ``detect``
    the seconds until checks have found that a server died or came back; ``affinity`` whether clients stay with their
    server, as by a cookie.
    """

    pool: PoolConfig
    concurrency: tuple[int, ...] = (1,)
    disturbances: tuple[Disturbance, ...] = ()
    detect: float = 4.0
    affinity: bool = False
    seed: int = 1

    @property
    def hands(self) -> tuple[int, ...]:
        """How many requests each server works on at once, in the order of the pool."""
        return self.concurrency * len(self.pool.servers) if len(self.concurrency) == 1 else self.concurrency


def made_up_pool(weights: Sequence[int], **keys: str) -> PoolConfig:
    """A pool of servers ``a``, ``b`` and so on with these weights; ``keys`` are those of a pool in the file.

    ``max_connections`` is each server's. Raises ``ConfigError``.
    """
    limit = keys.pop("max_connections", "0")
    servers = {
        name: [_address(number), f"weight={weight}", f"max_connections={limit}"]
        for number, (name, weight) in enumerate(zip(server_names(), weights, strict=False))
    }
    listener = {"bind": "127.0.0.1:8080", "protocol": "http", "pool": _POOL}
    tree = {"listeners": {_POOL: listener}, "pools": {_POOL: {**keys, "servers": servers}}}
    return load_tree(tree, "the pool").pool(_POOL)


def pool_of_file(file: str, name: str) -> PoolConfig:
    """The pool of a configuration, which may be left unnamed where it is the only one.

    Raises ``ConfigError`` for a file with problems, and ``CannotSimulate`` where there is no such pool.
    """
    pools = {one.name: one for one in load(file).pools}
    if name in pools:
        return pools[name]
    if not name and len(pools) == 1:
        return next(iter(pools.values()))
    known = f" (known: {', '.join(pools)})"
    if not name:
        raise CannotSimulate(f"{file} has several pools: say which one{known}", "--pool")
    raise CannotSimulate(f"{file} has no pool {name!r}{did_you_mean(name, pools) or known}", "--pool")


def with_algorithm(config: PoolConfig, algorithm: str) -> PoolConfig:
    """The same pool with another policy, and without the keys that this one does not heed."""
    factor = config.hash_balance_factor if algorithm.endswith("_hash") else 0
    return replace(config, algorithm=algorithm, hash_balance_factor=factor)


def living_pool(config: PoolConfig, seed: int, clock: Callable[[], float]) -> Pool:
    """The pool itself, with all of its servers up; ``clock`` gives seconds. Raises ``StartError`` as policies do."""
    servers = tuple(map(Server, config.servers))
    for server in servers:
        server.health = Health.UP
        # Nobody dials it: one whose name would have to be resolved is as good as the others.
        server.endpoint = server.address
    return Pool(config, make_policy(config, random.Random(f"{seed} policy"), clock), servers)


def server_names() -> Iterator[str]:
    """``a`` to ``z``, then ``aa``, ``ab`` and so on, as the columns of a table are named."""
    names = [""]
    while True:
        names = [f"{name}{letter}" for name in names for letter in _LETTERS]
        yield from names


def first_names(count: int) -> list[str]:
    """The names of the first servers."""
    return list(islice(server_names(), count))


def _address(number: int) -> str:
    return f"10.0.{number >> 8}.{number & 255}:80"
