"""The command ``deston simulate``.

What lives here: its options, its output, the writing of the plot.
What must not: the work (``engine``), and what options mean (``parameters``, ``choices``).
Invariant: what is printed follows from the options alone; what is wrong with them ends in exit status 2 and a sentence.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import click

from deston import completion
from deston.errors import CannotSimulate
from deston.simulate import parameters
from deston.simulate.arrivals import Arrivals
from deston.simulate.choices import (
    COMPARED,
    DEFAULT_CLIENTS,
    DEFAULT_SECONDS,
    DEFAULT_SERVERS,
    DEFAULT_SERVICE_TIME,
    Choices,
    require_time,
)
from deston.simulate.engine import Simulation
from deston.simulate.plot import plot
from deston.simulate.results import Result
from deston.simulate.scenario import MOST_SERVERS, Scenario
from deston.simulate.service_times import FORMS
from deston.simulate.table import percent, policy_lines, server_lines

_MOST_CLIENTS = 1 << 24


@click.command()
@click.option("--rate", type=parameters.RATE, help="Requests a second, at random moments.")
@click.option(
    "--service-time", type=parameters.SERVICE_TIME, metavar="TIME",
    help=f"How long a server works on one: {FORMS} (median and p99); {DEFAULT_SERVICE_TIME} if left out.",
)  # fmt: skip
@click.option("--log", metavar="FILE", shell_complete=completion.files, help="Replay an access log in JSON instead.")
@click.option(
    "--clients", type=click.IntRange(1, _MOST_CLIENTS), help=f"How many clients there are; default {DEFAULT_CLIENTS}."
)
@click.option("--skew", type=parameters.SKEW, help="How unlike they are: Zipf's exponent; 0 is all alike.")
@click.option("--requests", type=click.IntRange(1), help="Stop after so many requests.")
@click.option("--duration", type=parameters.SECONDS, help=f"Stop after so long; default {DEFAULT_SECONDS:g}s.")
@click.option(
    "--algorithm", "algorithms", type=parameters.ALGORITHM, multiple=True, shell_complete=completion.policies,
    help=f"A policy; may be repeated. If left out: that of --config, or {', '.join(COMPARED)}.",
)  # fmt: skip
@click.option("--servers", type=click.IntRange(1, MOST_SERVERS), help=f"How many; default {DEFAULT_SERVERS}.")
@click.option("--weights", type=parameters.WEIGHTS, help="A weight for each server: 1,1,2.")
@click.option(
    "--concurrency", type=parameters.CONCURRENCY, default="1",
    help="Requests a server works on at once: 4, or for each server 4,4,2; default 1.",
)  # fmt: skip
@click.option(
    "--max-connections", type=click.IntRange(0, 10_000_000), help="Requests that a server is given at one time."
)
@click.option("--queue", type=click.IntRange(0, 1_000_000), help="How many wait while all servers are full.")
@click.option("--queue-timeout", type=parameters.WAIT, help="How long they wait.")
@click.option("--hash-balance-factor", type=parameters.FACTOR, help="The bound of policies that hash, as in the file.")
@click.option("--affinity", is_flag=True, help="Clients stay with their server, as by affinity_cookie.")
@click.option("--config", metavar="FILE", shell_complete=completion.files, help="Take the pool of this configuration.")
@click.option(
    "--pool", metavar="NAME", shell_complete=completion.pools_of_file,
    help="Which pool of it; a log is replayed for that pool alone.",
)  # fmt: skip
@click.option("--kill", type=parameters.KILL, multiple=True, help="A server dies: a@60s. May be repeated.")
@click.option("--recover", type=parameters.RECOVER, multiple=True, help="It comes back: a@90s. May be repeated.")
@click.option("--slow", type=parameters.SLOW, multiple=True, help="It gets slower: a@30s=5x. May be repeated.")
@click.option("--detect", type=parameters.DURATION, default="4s", help="How long checks take to see it; default 4s.")
@click.option("--seed", type=int, default=1, help="Another number is another course of chance.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--plot", "plot_file", type=parameters.PLOT, metavar="FILE", shell_complete=completion.files,
    help="Draw it into FILE.svg.",
)  # fmt: skip
def simulate(as_json: bool, plot_file: str | None, **options: Any) -> None:
    """Compare policies under a virtual clock: load, waiting, latencies, refusals, clients that move.

    Requests are made up (--rate) or replayed (--log), the same for each policy. Policies, leases, queue, marks and
    retries are those that serve real clients.
    """
    choices = Choices(**options)
    try:
        choices.require_sense()
        scenario = choices.scenario()
        compared = choices.compared(scenario)
        arrivals = choices.arrivals(scenario)
        require_time(scenario, arrivals)
    except CannotSimulate as error:
        raise click.BadParameter(str(error), param_hint=f"'{error.option}'") from error
    results = [_run(scenario, algorithm, arrivals) for algorithm in compared]
    title, load = _title(scenario, arrivals), _load(scenario, arrivals)
    if plot_file is not None:
        _write(plot_file, plot(title, results))
    if as_json:
        told = {"simulated": title, "load": round(load, 4), "seed": choices.seed}
        click.echo(json.dumps({**told, "policies": [one.as_json() for one in results]}, indent=2))
        return
    click.echo("\n".join(_lines(title, load, results)))


def _run(scenario: Scenario, algorithm: str, arrivals: Arrivals) -> Result:
    if sys.stderr.isatty():
        # Ten million requests take a minute or more.
        click.echo(f"{algorithm} …", err=True)
    # What marks say in the log has a time of the machine's, which means nothing here.
    health = logging.getLogger("deston.health")
    was_disabled, health.disabled = health.disabled, True
    try:
        return Simulation(scenario, algorithm, arrivals).run()
    finally:
        health.disabled = was_disabled


def _write(file: str, content: str) -> None:
    try:
        with open(file, "w", encoding="utf-8") as out:
            out.write(content)
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be written: {error.strerror}", param_hint="'--plot'") from error


def _title(scenario: Scenario, arrivals: Arrivals) -> str:
    count = len(scenario.pool.servers)
    servers = f"{count} server{'s' if count > 1 else ''}, {','.join(map(str, scenario.concurrency))} at once"
    changes = [f"{one.kind.value[2:]} {_moment(one.server, one.at, one.factor)}" for one in scenario.disturbances]
    load = percent(_load(scenario, arrivals))
    return "; ".join([f"{servers}, load {load}", arrivals.description, *changes])


def _moment(server: str, at: float, factor: float) -> str:
    return f"{server}@{at:g}s" + ("" if factor == 1 else f"={factor:g}x")


def _load(scenario: Scenario, arrivals: Arrivals) -> float:
    """How busy servers are on average, those that serve when no other can left out; above 1 they never catch up."""
    pairs = zip(scenario.pool.servers, scenario.hands, strict=True)
    return arrivals.work / max(1, sum(hands for server, hands in pairs if server.weight and not server.backup))


def _lines(title: str, load: float, results: Sequence[Result]) -> list[str]:
    lines = [title, f"{results[0].requests:,} requests for each policy", "", *policy_lines(results)]
    if load >= 1:
        lines += [
            "",
            "Servers are asked for more than they can do: the longer it goes on, the longer requests wait.",
        ]
    for one in results:
        lines += ["", f"{one.algorithm}:", *(f"  {line}" for line in server_lines(one))]
    return lines
