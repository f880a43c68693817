"""What of a request is hashed: pure.

What lives here: the keys of ``header_hash``, ``cookie_hash`` and ``uri_hash``.
What must not: hashing itself (``balancer.policies.hashing``).
Invariant: a request without what is to be hashed has an empty key, and its client's address is hashed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from deston.config.model import PoolConfig
from deston.l7.fields import Named
from deston.l7.query import cookie

# More of it makes no difference that matters, and keys are remembered.
LONGEST_KEY: Final = 256

#: The key of a request with these fields and this target, empty where it has none.
Key = Callable[[Named, bytes], str]


def hash_keys(pools: Iterable[PoolConfig]) -> dict[str, Key]:
    """How requests are hashed in those pools that hash something else than the client's address."""
    keys = {pool.name: _key(pool) for pool in pools}
    return {name: key for name, key in keys.items() if key is not None}


def _key(pool: PoolConfig) -> Key | None:
    name = pool.hash_key.encode()
    if pool.algorithm == "header_hash":
        lowered = name.lower()
        return lambda named, target: _text(b",".join(named.get(lowered, ())))
    if pool.algorithm == "cookie_hash":
        return lambda named, target: _text(cookie(named.get(b"cookie", ()), name))
    if pool.algorithm == "uri_hash":
        if pool.hash_key == "path":
            return lambda named, target: _text(target.partition(b"?")[0])
        return lambda named, target: _text(target)
    return None


def _text(key: bytes) -> str:
    return key[:LONGEST_KEY].decode("latin-1")
