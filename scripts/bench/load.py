"""The tools that make the load: how they are called, and what their output says.

What lives here: wrk, iperf3 and dnsperf, each as a command and a strict reading of what it prints.
What must not: running them, and anything about balancers.
Invariant: output that is not understood, and everything that a tool counts as an error, is an error of the run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.model import Exchange, Measured

SCRIPT = Path(__file__).resolve().parent / "templates" / "load.lua"
# A slow balancer is to be measured, not to be called broken: 2,000 clients of one that does 3,000/s wait 0.7 s.
WRK_TIMEOUT_SECONDS = 10
WRK_ERRORS = ("connect", "read", "write", "status", "timeout")
BENCH_LINE = re.compile(r"^BENCH ((?:\w+=-?\d+ ?)+)$", re.MULTILINE)


@dataclass(frozen=True)
class Wrk:
    """wrk with one thread. ``is_closing`` asks for a new connection after each answer; ``scheme`` is http or https."""

    exchange: Exchange
    connections: int = 64
    is_closing: bool = False
    scheme: str = "http"
    tool: str = "wrk"

    def command(self, port: int, seconds: int, folder: str) -> list[str]:
        close = ["-H", "Connection: close"] if self.is_closing else []
        url = f"{self.scheme}://127.0.0.1:{port}{self.exchange.path}"
        base = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", f"{WRK_TIMEOUT_SECONDS}s"]
        return [*base, "-s", str(SCRIPT), *close, url, "--", str(self.exchange.post)]

    def parse(self, output: str) -> Measured:
        line = BENCH_LINE.search(output)
        if line is None:
            return failed("wrk printed no figures", output)
        figures = {name: int(value) for name, _, value in (word.partition("=") for word in line[1].split())}
        errors = [f"{figures[name]} {name} errors" for name in WRK_ERRORS if figures[name]]
        requests, seconds = figures["requests"], figures["microseconds"] / 1e6
        if not requests or not seconds:
            return failed("wrk counted no answer", output)
        if figures["bytes"] < requests * len(self.exchange.answer):
            errors.append(f"{figures['bytes']} bytes are too few for {requests} whole answers")
        return Measured(requests, seconds, figures["p50"], figures["p99"], tuple(errors))


@dataclass(frozen=True)
class Iperf:
    """iperf3 over so many connections, towards the server or, reversed, from it. Units are gigabits received."""

    streams: int
    is_reversed: bool
    tool: str = "iperf3"

    def command(self, port: int, seconds: int, folder: str) -> list[str]:
        reverse = ["-R"] if self.is_reversed else []
        base = ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", str(seconds), "-P", str(self.streams), "-J"]
        return [*base, *reverse]

    def parse(self, output: str) -> Measured:
        try:
            report = json.loads(output)
        except ValueError:
            return failed("iperf3 printed no JSON", output)
        if "error" in report:
            return failed("iperf3 failed", str(report["error"]))
        try:
            received = report["end"]["sum_received"]
            measured = Measured(float(received["bytes"]) * 8 / 1e9, float(received["seconds"]))
        except (KeyError, TypeError, ValueError):
            return failed("iperf3 printed no figures", output)
        return measured if measured.units and measured.seconds else failed("iperf3 received nothing", output)


@dataclass(frozen=True)
class DnsPerf:
    """dnsperf with so many clients, 100 queries under way. Each query must be answered, and with NOERROR."""

    clients: int = 8
    tool: str = "dnsperf"

    def command(self, port: int, seconds: int, folder: str) -> list[str]:
        base = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", f"{folder}/queries", "-l", str(seconds)]
        return [*base, "-c", str(self.clients), "-T", "1", "-q", "100"]

    def parse(self, output: str) -> Measured:
        completed = re.search(r"^\s*Queries completed:\s+(\d+)", output, re.MULTILINE)
        lost = re.search(r"^\s*Queries lost:\s+(\d+)", output, re.MULTILINE)
        seconds = re.search(r"^\s*Run time \(s\):\s+([\d.]+)", output, re.MULTILINE)
        codes = re.search(r"^\s*Response codes:\s+(.*)$", output, re.MULTILINE)
        if not completed or not lost or not seconds or not codes:
            return failed("dnsperf printed no figures", output)
        queries = int(completed[1])
        if not queries or not float(seconds[1]):
            return failed("dnsperf got no answer", output)
        errors = [f"{lost[1]} queries lost"] if int(lost[1]) else []
        if not re.fullmatch(rf"NOERROR {queries} \(100\.00%\)\s*", codes[1]):
            errors.append(f"response codes: {codes[1].strip()}")
        return Measured(queries, float(seconds[1]), errors=tuple(errors))


def failed(what: str, output: str) -> Measured:
    """A run that has no figures; the end of the output says why."""
    end = " ".join(output.split())[-200:]
    return Measured(0, 0, errors=(f"{what}: {end}" if end else what,))
