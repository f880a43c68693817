"""CPU time of process trees, and the bottleneck that it names."""

from __future__ import annotations

import os

import pytest

from scripts.bench.cpu import (
    TICKS_PER_SECOND,
    Stat,
    cpu_seconds,
    family,
    name_bottleneck,
    parse_busy,
    parse_stat,
    share_cores,
    tree_seconds,
)

STATS = {
    1: Stat(0, 100.0, 100.0),
    10: Stat(1, 1.0, 0.5),
    11: Stat(10, 2.0, 0.0),
    12: Stat(11, 4.0, 0.25),
    20: Stat(1, 50.0, 0.0),
}


def test_a_line_of_proc_is_read() -> None:
    """Parent, own time and the time of children that have ended, whatever the process is called."""
    line = f"42 (a) R (b) S 7 42 42 0 -1 4194304 1 2 3 4 {2 * TICKS_PER_SECOND} {TICKS_PER_SECOND} 50 50 20 0 1 0 9"
    assert parse_stat(line) == Stat(7, 3.0, 100 / TICKS_PER_SECOND)


def test_a_family_is_the_whole_tree() -> None:
    """Children of children belong to it, neighbours do not, and a process that has gone has none."""
    assert family(STATS, 10) == {10, 11, 12}
    assert family(STATS, 99) == set()


def test_ended_children_count_once() -> None:
    """The time of a tree is what its members used and what their ended children had used."""
    assert tree_seconds(STATS, [10]) == 7.75
    assert tree_seconds(STATS, [10, 20]) == 57.75
    assert tree_seconds(STATS, [10, 11]) == 7.75
    assert tree_seconds(STATS, []) == 0


def test_we_use_time_ourselves() -> None:
    """The running process has used some, and more later than before."""
    before = cpu_seconds([os.getpid()])
    while cpu_seconds([os.getpid()]) <= before:
        sum(range(100_000))


def test_stolen_time_is_not_idle() -> None:
    """All that is neither idle nor waiting for a disk keeps the machine busy."""
    assert parse_busy("cpu  100 20 3 5000 700 40 5 600 9 9\ncpu0 1 2 3\n") == 768 / TICKS_PER_SECOND


def test_shares_hold_what_others_used() -> None:
    """What kept the machine busy beside us is shown, and never below nothing."""
    assert share_cores({"load": 1.0, "balancer": 2.0}, busy=5.0, elapsed=2.0) == {
        "load": 0.5,
        "balancer": 1.0,
        "others": 1.0,
    }
    assert share_cores({"load": 1.0}, busy=0.5, elapsed=1.0)["others"] == 0


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        ({"load": 0.4, "balancer": 0.98, "servers": 0.5, "others": 0.0}, "balancer"),
        ({"load": 0.95, "balancer": 0.91}, "load"),
        ({"load": 0.6, "balancer": 0.8, "servers": 0.5, "others": 0.05}, "all cores, most: balancer"),
        ({"load": 0.4, "balancer": 0.5, "servers": 0.2, "others": 0.9}, "other work on the machine"),
        ({"load": 0.2, "balancer": 0.3, "servers": 0.1}, "waiting"),
    ],
)
def test_the_bottleneck_is_named(cores: dict[str, float], expected: str) -> None:
    """The part nearest to a whole core; else the machine, if nothing of it was left; else nobody."""
    assert name_bottleneck(cores, machine=2) == expected
