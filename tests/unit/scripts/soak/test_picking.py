"""Which fault comes next."""

from __future__ import annotations

import random

import pytest

from scripts.soak.faults import FAULTS, Fault, Target
from scripts.soak.picking import MOST_IN_TROUBLE, REST, Pick, Picker, resource_of

POOLS, SERVERS = ("tcp", "http"), ("a", "b", "c", "d")


def picker(seed: int, *faults: Fault) -> Picker:
    return Picker(random.Random(seed), faults or FAULTS, POOLS, SERVERS)


def draw(seed: int, count: int) -> list[Pick | None]:
    """So many draws, each undone at once and forgotten before the next one."""
    made = picker(seed)
    found = []
    for number in range(count):
        pick = made.pick(number * 10.0)
        if pick is not None:
            made.release(pick, number * 10.0)
        found.append(pick)
    return found


def test_a_seed_draws_the_same_faults_again() -> None:
    """Faults, targets and times follow from the seed alone."""
    assert draw(7, 50) == draw(7, 50)
    assert draw(7, 50) != draw(8, 50)


def test_every_fault_comes() -> None:
    """None has a weight or targets that keep it away, and each lasts as long as its table says."""
    picks = [pick for pick in draw(1, 2000) if pick is not None]
    assert {pick.fault.name for pick in picks} == {fault.name for fault in FAULTS}
    assert all(pick.fault.hold[0] <= pick.hold <= pick.fault.hold[1] for pick in picks)


@pytest.mark.parametrize("seed", range(5))
def test_some_servers_are_always_well(seed: int) -> None:
    """As long as nothing is undone, two servers are in trouble at most, in one way each; and one thing of workers."""
    made = picker(seed)
    picks = [pick for _ in range(200) if (pick := made.pick(0.0)) is not None]
    resources = [pick.resource for pick in picks]
    assert len(resources) == len(set(resources))
    assert sum(one.startswith("server ") for one in resources) == MOST_IN_TROUBLE
    assert resources.count("workers") == 1


def test_what_is_undone_rests() -> None:
    """A server gets time to be trusted again before anything else is done to it, or to a third one."""
    made = picker(1, Fault("server-dies", 1, Target.SERVER, (1, 1)))
    first, second = made.pick(0.0), made.pick(0.0)
    assert first is not None
    assert second is not None
    made.release(first, 5.0)
    assert made.pick(5.0 + REST / 2) is None
    assert made.pick(5.0 + REST) is not None


def test_a_member_occupies_its_server() -> None:
    """A server that is drained in one pool is in trouble in none of the others."""
    assert resource_of(Target.MEMBER, "tcp/a") == resource_of(Target.SERVER, "a") == "server a"
    assert resource_of(Target.LEADER, "leader") == resource_of(Target.WORKERS_L4, "l4")
