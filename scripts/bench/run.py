"""What `make bench` does.

What lives here: the plan, the order of the measurements, and what is written at the end.
What must not: how anything is measured.
Invariant: rounds are interleaved, so that an hour in which the machine is slow is slow for all; and nothing that was
started is left, on Ctrl-C and TERM too.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.bench import picks, publish, results, table
from scripts.bench.check import check_case
from scripts.bench.measure import measure
from scripts.bench.model import DIRECT, PICKS, BenchError, Case, Run
from scripts.bench.peers import PEERS, Peer
from scripts.bench.results import Results
from scripts.bench.servers import DIRECT_PORTS, KINDS
from scripts.bench.stand import Stand
from scripts.bench.tools import PACKAGES, missing, raise_descriptor_limit, say_version
from scripts.bench.workloads import select

OURS = ("deston-l4", "deston-l7", "deston-l7-stock")
FULL, QUICK = (3, 4), (2, 2)
WARM_UP_SECONDS = 1
# Below this, opening 2,000 connections would be much of what is measured.
SHORTEST = 2


@dataclass(frozen=True)
class Plan:
    """What is measured: cases, each with its targets in turn, so many rounds of so many seconds."""

    cases: dict[str, tuple[Case, list[str]]]
    rounds: int
    seconds: int

    @property
    def layers(self) -> set[str]:
        return {case.layer for case, _ in self.cases.values()}

    def pairs(self) -> dict[str, tuple[Peer, set[str]]]:
        """The balancers that have to run, each with the layers that it has to serve."""
        found: dict[str, tuple[Peer, set[str]]] = {}
        for case, targets in self.cases.values():
            for name in PEERS.keys() & set(targets):
                found.setdefault(name, (PEERS[name], set()))[1].add(case.layer)
        return dict(sorted(found.items()))

    def seconds_of(self, case: Case) -> int:
        return min(self.seconds, max(SHORTEST, self.seconds // 2)) if case.has_half_time else self.seconds


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """The options of the command line; the Makefile hands them over."""
    parser = argparse.ArgumentParser(prog="make bench", description="Deston beside other balancers.")
    parser.add_argument("--quick", action="store_true", help="fewer cases, less time")
    parser.add_argument("--workloads", default="", help="numbers with commas; all without it")
    parser.add_argument("--peers", default="", help="names with commas; all without it")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--output", default="", help="the file of the results; by default one named by the date")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/benchmarks.md")
    return parser.parse_args(words)


def choose_peers(text: str) -> tuple[list[str], dict[str, str]]:
    """The balancers that take part, Deston's first, and why others do not. Raises ``BenchError`` on unknown names."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := sorted(set(asked) - PEERS.keys()):
        raise BenchError(f"no peer is called {', '.join(unknown)}: there are {', '.join(PEERS)}")
    wanted = [name for name in PEERS if name in asked or name in OURS or not asked]
    left_out = {name: f"not here: install {PEERS[name].package}" for name in wanted if not PEERS[name].find()}
    return [name for name in wanted if name not in left_out], left_out


def targets_of(case: Case, peers: Iterable[str]) -> list[str]:
    """Who is measured in a case, in the order of the rounds."""
    if case.unit is PICKS:
        return picks.policies()
    direct = [DIRECT] if case.layer in DIRECT_PORTS and case.load else []
    able = [name for name in peers if case.layer in PEERS[name].layers]
    return [name for name in (*direct, *able) if not case.peers or name in case.peers]


def create_plan(options: argparse.Namespace, peers: list[str]) -> tuple[Plan, dict[str, str]]:
    """What the options ask for and the machine has the tools for, and which cases it has not."""
    try:
        numbers = [int(number) for number in options.workloads.split(",") if number.strip()]
    except ValueError:
        raise BenchError(f"workloads are numbers with commas, not {options.workloads}") from None
    rounds, seconds = QUICK if options.quick else FULL
    cases, left_out = {}, {}
    for case in select(numbers, options.quick):
        lacking = missing(programs_of(case))
        if lacking:
            left_out[case.key] = "; ".join(lacking)
        else:
            cases[case.key] = case, targets_of(case, peers)
    if not cases:
        raise BenchError(
            "nothing can be measured: " + ("; ".join(sorted(set(left_out.values()))) or "no such workload")
        )
    return Plan(cases, options.rounds or rounds, options.seconds or seconds), left_out


def programs_of(case: Case) -> list[str]:
    """The programs that a case needs beside the balancers."""
    # gunicorn came with Deston.
    servers = [kind.program for kind in KINDS if case.layer in kind.layers and kind.program in PACKAGES]
    return [*servers, *([case.load.tool] if case.load else []), "openssl"]


def run_case(case: Case, targets: list[str], plan: Plan, stand: Stand) -> list[Run]:
    """All rounds of a case, and the sample of answers before and after."""
    runs: list[Run] = []
    troubles = {target: trouble for target in targets if (trouble := check(case, target, stand))}
    able = [target for target in targets if target not in troubles]
    if case.load:
        for target in able:
            measure(case, target, 0, WARM_UP_SECONDS, stand)
    for number in range(1, plan.rounds + 1):
        for target in able:
            runs.append(measure(case, target, number, plan.seconds_of(case), stand))
            print(f"  round {number} of {plan.rounds}  {target:<20} {table.one_line(case, runs[-1])}", flush=True)
    for target in able:
        if trouble := check(case, target, stand):
            troubles[target] = f"after the rounds: {trouble}"
    return spread_troubles(case, runs, troubles)


def check(case: Case, target: str, stand: Stand) -> str:
    """What is wrong with the answers of a target, or nothing."""
    if case.unit is PICKS:
        return ""
    stand.settle(case.layer)
    return stand.broken.get((target, case.layer)) or check_case(case, stand.port(target, case.layer))


def spread_troubles(case: Case, runs: list[Run], troubles: dict[str, str]) -> list[Run]:
    """Wrong answers make every round of their target worthless; a target without a round gets one that says so."""
    for target, trouble in troubles.items():
        print(f"  {target} does not serve rightly: {trouble}", flush=True)
        own = [run for run in runs if run.peer == target]
        if not own:
            own = [Run(case.key, target, 1)]
            runs.extend(own)
        for run in own:
            run.errors.append(trouble)
    return runs


def run_plan(plan: Plan, outcome: Results) -> None:
    """Start everything, measure case by case, stop everything."""
    with Stand(plan.pairs(), plan.layers) as stand:
        outcome.configurations = stand.configurations()
        for place, (case, targets) in enumerate(plan.cases.values(), 1):
            print(f"[{place}/{len(plan.cases)}] {case.title} ({case.unit.name})", flush=True)
            outcome.runs.extend(run_case(case, targets, plan, stand))


def main(words: list[str]) -> None:
    options = parse_arguments(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    peers, absent = choose_peers(options.peers)
    plan, lacking = create_plan(options, peers)
    left_out = {**absent, **lacking}
    for name, why in left_out.items():
        print(f"Left out: {name}, {why}")
    settings = {"rounds": plan.rounds, "seconds": plan.seconds, "descriptors": raise_descriptor_limit()}
    versions = {name: say_version(PEERS[name].program, *PEERS[name].version) for name in plan.pairs()}
    versions |= results.tool_versions(results.VERSIONS)
    outcome = Results(results.today(), results.commit(), results.machine(), settings, versions, left_out)
    run_plan(plan, outcome)
    path = publish.save(outcome, options.output)
    print(f"\n{table.render(outcome)}\n\nEvery round is in {path}.")
    if options.docs:
        publish.write_docs(outcome, path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
