"""What a test may not leave behind.

What lives here: the comparison of what is open and watched before a test and after it.
What must not: fixtures; a conftest makes one of this where it is wanted.
Invariant: the comparison waits, because peers close in threads of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import TypeVar

import gevent

from deston.net import hub as hubs
from tests.peers import descriptors_of_sockets, wait_until

CLOSING_S = 5.0

Kind = TypeVar("Kind", bound=hubs.Sweepable)


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail where a socket stays open, or the sweeper goes on watching something."""
    sweeper = hubs.sweeper()
    sockets, watched = descriptors_of_sockets(), set(sweeper.watched)
    yield
    wait_until(lambda: descriptors_of_sockets() <= sockets, "all sockets closed", gevent.sleep, CLOSING_S)
    left = sweeper.watched - watched - {one for one in hubs.home().kinds.values() if isinstance(one, Hashable)}
    assert not left, f"still watched: {left}"


@contextlib.contextmanager
def a_while(one: Kind) -> Iterator[Kind]:
    """Something that the sweeper watches from its making on, and no longer than this."""
    yield one
    hubs.sweeper().watched.discard(one)
