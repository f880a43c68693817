"""What a policy is, and where policies are found by name.

What lives here: the small protocol that a policy sees of a server, the base class, and the table of names.
What must not: any policy, and anything about health, sockets or time.
Invariant: a policy returns one of the candidates that it was given, whatever they are, and raises nothing.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from deston.address import Address


class Candidate(Protocol):
    """What a policy may know of a server; all of them are available when the policy sees them.

    A candidate is hashable and the same for as long as it lives; its weight is at least 1.
    """

    @property
    def address(self) -> Address: ...
    @property
    def weight(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def latency(self) -> float: ...


AnyCandidate = TypeVar("AnyCandidate", bound=Candidate)


class Policy(ABC):
    """How a pool picks one of its servers.

    ``rng`` is the source of randomness, handed in so that a test can repeat what happened. A new policy is
    prepared for no candidates. Under a threaded WSGI server several threads pick at once: what a pick reads
    together is therefore replaced together, as one value.
    """

    #: Whether it learns from how long candidates take to answer.
    learns = False
    #: Whether it heeds weights; for one that does not, the pool itself sees to servers that start slowly.
    weighs = True

    def __init__(self, rng: random.Random | None = None) -> None:
        self.rng = rng or random.Random()
        self.prepare(())

    def prepare(self, candidates: Sequence[Candidate]) -> None:  # noqa: B027 -- many have nothing to compute ahead.
        """Compute ahead for the candidates that most picks will bring, and forget what was before.

        Called when the set of candidates changes, never on the path of a request. A pick may still bring other
        candidates: those left after an exclusion. ``candidates`` may be empty.
        """

    def observe(self, candidate: Candidate, seconds: float) -> None:  # noqa: B027 -- most do not care.
        """Learn how long a candidate took to answer, in seconds; asked only of one that ``learns``."""

    @abstractmethod
    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        """Choose one of ``candidates``, of which there is at least one.

        ``key`` is a client's address without its port, or what the pool hashes instead, for policies that hash.
        """


AnyPolicy = TypeVar("AnyPolicy", bound="type[Policy]")
Factory = Callable[..., Policy]

_factories: dict[str, tuple[str, Factory]] = {}


def _plain(name: str) -> str:
    """The form in which names are compared: ``RoundRobin``, ``round-robin`` and ``round_robin`` are one."""
    return name.lower().replace("_", "").replace("-", "")


def policy(name: str, *aliases: str) -> Callable[[AnyPolicy], AnyPolicy]:
    """Register a class under a name and its other spellings; the first one is canonical.

    Raises ``ValueError`` if another policy has one of the names already; then none is registered.
    """

    def register(factory: AnyPolicy) -> AnyPolicy:
        spellings = {_plain(spelling) for spelling in (name, *aliases)}
        taken = sorted(spellings & _factories.keys())
        if taken:
            raise ValueError(f"there is a policy {_factories[taken[0]][0]} already")
        _factories.update(dict.fromkeys(spellings, (name, factory)))
        return factory

    return register


def canonical_name(name: str) -> str | None:
    """The name under which a policy is registered, for any spelling of it, or None."""
    found = _factories.get(_plain(name))
    return found[0] if found else None


def known_policies() -> list[str]:
    """The canonical names of all registered policies."""
    return sorted({name for name, _ in _factories.values()})


def create_policy(name: str, **arguments: Any) -> Policy:
    """Make a policy by any spelling of its name; ``arguments`` go to its class.

    Raises ``KeyError`` if there is none of that name.
    """
    return _factories[_plain(name)][1](**arguments)
