"""The names under which policies are known.

What lives here: one table of names, with the other spellings that are accepted.
What must not: the policies themselves. They register under these names in ``deston.balancer.policies``.
Invariant: no spelling stands for two policies.
"""

from __future__ import annotations

from collections.abc import Mapping

#: The name of each policy, and its other spellings. Case, ``_`` and ``-`` do not matter, so that the names of the
#: Rust form (``RoundRobin``, ``IpHashing``) are among them.
ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "round_robin": (),
    "weighted_round_robin": ("wrr",),
    "ip_hash": ("ip_hashing",),
    "header_hash": ("header_hashing",),
    "cookie_hash": ("cookie_hashing",),
    "uri_hash": ("uri_hashing",),
    "least_connections": ("least_conn",),
    "least_latency": ("peak_ewma",),
    "first": (),
    "two_choices": ("p2c",),
    "random": (),
}


def plain(name: str) -> str:
    """The form in which names are compared: ``RoundRobin``, ``round-robin`` and ``round_robin`` are one."""
    return name.lower().replace("_", "").replace("-", "")


_BY_SPELLING = {plain(spelling): name for name, spellings in ALGORITHMS.items() for spelling in (name, *spellings)}


def canonical_algorithm(name: str) -> str | None:
    """The policy's name for any spelling of it, or None."""
    return _BY_SPELLING.get(plain(name))
