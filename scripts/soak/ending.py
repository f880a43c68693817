"""What is looked at when the load is over.

What lives here: the checks of what Deston still has, against what it had before the load.
What must not: the load, the faults.
Invariant: everything gets time to end by itself, as sessions do, and is judged only then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scripts.processes import wait_until
from scripts.soak import census, totals
from scripts.soak.census import Growth, Worker
from scripts.soak.configuration import L4, L7, WORKERS
from scripts.soak.model import PROTOCOLS, SoakError
from scripts.soak.stand import Stand

SETTLE_SECONDS = 20.0
# A check is under way now and then: a socket, and a greenlet or two.
MORE_DESCRIPTORS, MORE_GREENLETS = 4, 8
# What a worker may grow after its first minute. What it keeps of heads, names and rates has bounds (docs/limits.md).
MOST_GROWTH = 16 << 20
_MIB = 1 << 20
_SAMPLES = 3
_TROUBLE_IN_LOG = re.compile(r"Traceback|by a fault of Deston|\[CRITICAL\]|cannot be used: ")


@dataclass
class Quiet:
    """The most that a worker of each command had while nobody used it."""

    descriptors: dict[str, int] = field(default_factory=dict)
    greenlets: dict[str, int] = field(default_factory=dict)


def measure_quiet(stand: Stand) -> Quiet:
    """Look at workers that have nothing to do but checks, one of them for all."""
    quiet = Quiet()
    for _ in range(_SAMPLES):
        everybody = [one for command in (L4, L7) for one in census.take(stand.arbiter(command), stand.census_folder)]
        most = max(one.greenlets for one in everybody)
        for command in (L4, L7):
            own = [one for one in everybody if one.process in census.workers(stand.arbiter(command))]
            files = max(one.descriptors for one in own)
            quiet.descriptors[command] = max(quiet.descriptors.get(command, 0), files)
            # Whoever checks health has a greenlet for each server, and that may be anybody later.
            quiet.greenlets[command] = max(quiet.greenlets.get(command, 0), most)
    return quiet


class Ending:
    """The checks, once; ``facts`` say what was looked at, ``troubles`` what is wrong."""

    def __init__(self, stand: Stand, quiet: Quiet, growth: Growth, leases: Counter[str], seconds: float) -> None:
        self._stand = stand
        self._quiet = quiet
        self._growth = growth
        self._leases = leases
        self._seconds = seconds
        self._seen: list[Worker] = []
        self.facts: list[str] = []
        self.troubles: list[str] = []

    def run(self) -> None:
        """Look at everything."""
        self._look_at_workers()
        self._look_at_totals()
        self._look_at_memory()

    def _look_at_workers(self) -> None:
        for command in (L4, L7):
            wait_until(lambda command=command: self._is_quiet(command), SETTLE_SECONDS)  # type: ignore[misc]
            workers = self._seen  # Not a further look: by then a burst of checks may be under way.
            if len(workers) != WORKERS:
                self.troubles.append(f"{command} has {len(workers)} workers instead of {WORKERS}")
            self.facts.append(self._worker_fact(command, workers))
            self.troubles += [said for one in workers for said in self._leaks(command, one)]

    def _is_quiet(self, command: str) -> bool:
        workers = self._seen = census.take(self._stand.arbiter(command), self._stand.census_folder)
        return len(workers) == WORKERS and not any(list(self._leaks(command, one)) for one in workers)

    def _worker_fact(self, command: str, workers: list[Worker]) -> str:
        files = ", ".join(str(one.descriptors) for one in workers)
        greenlets = ", ".join(str(one.greenlets) for one in workers)
        bounds = self._quiet.descriptors[command], self._quiet.greenlets[command]
        return f"{command}: descriptors {files} (quiet: {bounds[0]}), greenlets {greenlets} (quiet: {bounds[1]})"

    def _leaks(self, command: str, worker: Worker) -> Iterator[str]:
        if worker.descriptors > self._quiet.descriptors[command] + MORE_DESCRIPTORS:
            kinds = Counter(re.sub(r"\d+", "N", one) for one in census.open_files(worker.process))
            yield f"{command} {worker.process} has {worker.descriptors} descriptors: {dict(kinds.most_common(6))}"
        if worker.greenlets < 0:
            yield f"{command} {worker.process} does not count its greenlets: it hangs"
        elif worker.greenlets > self._quiet.greenlets[command] + MORE_GREENLETS:
            yield f"{command} {worker.process} has {worker.greenlets} greenlets"

    def _look_at_totals(self) -> None:
        self._stand.reset_all()
        wait_until(lambda: not any(one.active for one in self._numbers()), SETTLE_SECONDS)
        numbers = self._numbers()
        killed = self._stand.killed
        commands = {pool: L4 if pool in ("tcp", "udp") else L7 for pool in PROTOCOLS}
        self.facts += [totals.as_line(numbers, pool) for pool in PROTOCOLS]
        for one in numbers:
            self.troubles += totals.wrong_totals(one, killed[commands[one.pool]], self._seconds)

    def _numbers(self) -> list[totals.Numbers]:
        return totals.gather(self._stand.status(), self._stand.served, self._leases)

    def _look_at_memory(self) -> None:
        grown = self._growth.grown()
        said = ", ".join(f"{early / _MIB:.0f} to {late / _MIB:.0f}" for early, late in grown.values())
        self.facts.append(f"memory of workers that lived long enough, MiB: {said or 'there were none'}")
        self.troubles += too_large(grown)


def too_large(grown: Mapping[int, tuple[int, int]]) -> list[str]:
    """Those that grew by more than what is allowed, in bytes then and last."""
    return [
        f"worker {process} grew from {early / _MIB:.0f} to {late / _MIB:.0f} MiB"
        for process, (early, late) in grown.items()
        if late - early > MOST_GROWTH
    ]


def look_at_logs(stand: Stand) -> list[str]:
    """What Deston's logs say that must not be there, each with what follows it."""
    found = []
    for command, file in stand.logs.items():
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for at, line in enumerate(lines):
            if _TROUBLE_IN_LOG.search(line):
                found.append(f"{command} logs: " + " / ".join(one.strip() for one in lines[max(0, at - 1) : at + 12]))
    return found


def look_at_life(stand: Stand) -> str:
    """Why the soak cannot go on, or nothing."""
    try:
        for command in (L4, L7):
            stand.arbiter(command)
    except SoakError as error:
        return str(error)
    gone = [protocol for protocol, one in stand.load.items() if not one.is_running]
    return f"the clients of {', '.join(gone)} have ended by themselves" if gone else ""
