"""CPU time of process trees, and what it says.

What lives here: /proc, the sum over a tree, and which process was the bottleneck.
What must not: starting processes, load.
Invariant: the time of a child that has ended is counted once, in the parent that waited for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# A process that used so much of a core had no time left to speak of; the same of all cores of the machine.
BUSY = 0.9
#: What no part of the measurement used: other programs, and the machine below a virtual one.
OTHERS = "others"


@dataclass(frozen=True)
class Stat:
    """A process: its parent, its own CPU seconds, and those of the children that it has waited for."""

    parent: int
    own: float
    waited: float


def parse_stat(text: str) -> Stat:
    """Read a line of /proc/PID/stat; a name in it may hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    user, system, child_user, child_system = (int(one) for one in fields[11:15])
    return Stat(int(fields[1]), (user + system) / TICKS_PER_SECOND, (child_user + child_system) / TICKS_PER_SECOND)


def read_stats() -> dict[int, Stat]:
    """Every process of the machine by its id."""
    stats = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            stats[int(path.parent.name)] = parse_stat(path.read_text(encoding="utf-8"))
        except OSError:
            continue  # It has ended in between.
    return stats


def family(stats: Mapping[int, Stat], root: int) -> set[int]:
    """A process and all its living descendants."""
    members = {root} & stats.keys()
    while more := {pid for pid, one in stats.items() if one.parent in members} - members:
        members |= more
    return members


def tree_seconds(stats: Mapping[int, Stat], roots: Iterable[int]) -> float:
    """The CPU seconds that processes and their descendants, living and ended, have used."""
    members = set().union(*(family(stats, root) for root in roots))
    return sum(stats[pid].own + stats[pid].waited for pid in members)


def cpu_seconds(roots: Iterable[int]) -> float:
    """``tree_seconds`` now."""
    return tree_seconds(read_stats(), roots)


def parse_busy(text: str) -> float:
    """The CPU seconds of all cores that were not idle, from the first line of /proc/stat; stolen time is not idle."""
    user, nice, system, _, _, *interrupts = (int(one) for one in text.splitlines()[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / TICKS_PER_SECOND


def busy_seconds() -> float:
    """``parse_busy`` now."""
    return parse_busy((PROC / "stat").read_text(encoding="utf-8"))


def share_cores(used: Mapping[str, float], busy: float, elapsed: float) -> dict[str, float]:
    """Shares of a core by part, and of what else kept the machine busy; all in CPU seconds within ``elapsed``."""
    others = max(0.0, busy - sum(used.values()))
    return {name: seconds / elapsed for name, seconds in {**used, OTHERS: others}.items()}


def name_bottleneck(cores: Mapping[str, float], machine: int) -> str:
    """The part that was nearest to a whole core; the machine, if all of them together had used it up.

    ``cores`` are shares of a core by part, ``machine`` is how many cores there are.
    """
    parts = {name: share for name, share in cores.items() if name != OTHERS}
    busiest = max(parts, key=lambda name: parts[name])
    if parts[busiest] >= BUSY:
        return busiest
    if sum(cores.values()) < BUSY * machine:
        return "waiting"
    return "other work on the machine" if cores.get(OTHERS, 0) > parts[busiest] / 2 else f"all cores, most: {busiest}"
