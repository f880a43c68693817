"""One measurement: a case against a target, once.

What lives here: the tool's run with the CPU time around it, and what becomes of its figures.
What must not: the order of measurements, tables.
Invariant: whatever went wrong in a measurement is in its run as an error, and ends nothing else.
"""

from __future__ import annotations

import os
import time

from scripts.bench import idle, picks
from scripts.bench.cpu import busy_seconds, name_bottleneck, read_stats, share_cores, tree_seconds
from scripts.bench.model import KIBIBYTES, PICKS, Case, Measured, Run
from scripts.bench.stand import Stand
from scripts.bench.tools import Finished, run_tool

# What a tool may take beyond its seconds: to connect 2,000 clients, and to hear the last answers.
EXTRA_SECONDS = 25.0


def measure(case: Case, peer: str, number: int, seconds: int, stand: Stand) -> Run:
    """Measure once; the run says what came out, or what went wrong."""
    run = Run(case.key, peer, number)
    if case.unit is PICKS:
        pool = picks.create_pool(peer, stand.folder)
        run.value = picks.time_picks(pool, seconds / 4, are_new=peer == picks.FIRST)
    elif case.unit is KIBIBYTES:
        measure_memory(case, peer, stand, run)
    else:
        measure_rate(case, peer, seconds, stand, run)
    return run


def measure_memory(case: Case, peer: str, stand: Stand, run: Run) -> None:
    """Start the balancer afresh, because memory that it had used before would be used again, and hold connections."""
    assert case.exchange is not None
    stand.restart(peer, case.layer)
    [pid] = stand.balancer_pids(peer, case.layer)
    idle.measure(pid, stand.port(peer, case.layer), case.exchange, case.connections, run)


def measure_rate(case: Case, peer: str, seconds: int, stand: Stand, run: Run) -> None:
    """Run the tool of a case, and read off what the balancer and the servers used meanwhile."""
    assert case.load is not None
    roots = {"balancer": stand.balancer_pids(peer, case.layer), "servers": stand.server_pids(case.layer)}
    command = case.load.command(stand.port(peer, case.layer), seconds, str(stand.folder))
    stand.settle(case.layer)
    before, busy, begin = read_stats(), busy_seconds(), time.monotonic()
    finished = run_tool(command, seconds + EXTRA_SECONDS)
    elapsed, busy, after = time.monotonic() - begin, busy_seconds() - busy, read_stats()
    used = {name: tree_seconds(after, pids) - tree_seconds(before, pids) for name, pids in roots.items() if pids}
    take(run, case, finished, case.load.parse(finished.output), used)
    if run.is_good:
        run.cores = share_cores({"load": finished.cpu, **used}, busy, elapsed)
        run.bottleneck = name_bottleneck(run.cores, os.cpu_count() or 1)


def take(run: Run, case: Case, finished: Finished, measured: Measured, used: dict[str, float]) -> None:
    """Put figures into a run; ``used`` are the CPU seconds of the balancer and the servers. Errors leave it without."""
    run.errors.extend([finished.error] if finished.error else measured.errors)
    if run.errors or not measured.seconds:
        return
    run.value = measured.units / measured.seconds
    run.p50, run.p99 = measured.p50, measured.p99
    if "balancer" in used:
        run.cost = used["balancer"] / measured.units * case.unit.cost_scale
