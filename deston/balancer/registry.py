"""The registry: every pool of a process by its name.

What lives here: the lookup, the replacement of all pools by one reference, and what outlives it.
What must not: building pools from configuration (``deston.build`` does).
Invariant: a reader sees either the old set of pools or the new one, never a mixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deston.balancer.pool import Pool
from deston.errors import UnknownPool
from deston.limits import HostCounts


class Registry:
    """The pools of a process by name."""

    __slots__ = ("_pools", "counts")

    def __init__(self, pools: Iterable[Pool] = ()) -> None:
        #: Where limits on clients count, of this process or of all of the machine.
        self.counts = HostCounts()
        self._pools: dict[str, Pool] = {}
        self.replace(pools)

    def replace(self, pools: Iterable[Pool]) -> None:
        """Put a new set of pools in the place of the old one, at once."""
        self._pools = {pool.name: pool for pool in pools}

    def pool(self, name: str) -> Pool:
        """The pool of that name; raises ``UnknownPool``."""
        try:
            return self._pools[name]
        except KeyError:
            raise UnknownPool(f"there is no pool {name}") from None

    def current(self, pool: Pool) -> Pool:
        """What a pool has become by a reload or a change; the pool itself, where it is there no more."""
        return self._pools.get(pool.name, pool)

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools.values())

    def __len__(self) -> int:
        return len(self._pools)

    def __repr__(self) -> str:
        return f"<Registry {', '.join(map(repr, self))}>"
