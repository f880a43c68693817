"""The programs that the benchmark needs.

What lives here: where they are looked for, what to install where one is missing, and how one is run.
What must not: what their output means.
Invariant: a program that is run here ends with us, whatever ends us.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.processes import ROOT

OWN_BIN = Path(sys.executable).parent
BENCH_BIN = ROOT / ".bench-venv" / "bin"
# What the largest workload opens at once: 2,000 connections through a balancer, and room to spare.
DESCRIPTORS = 16384
#: Debian's package of each tool of the load.
PACKAGES = {name: name for name in ("wrk", "iperf3", "dnsperf", "nginx", "nsd", "openssl")}


def find_program(name: str) -> str:
    """The path of a program: of the running environment, of the benchmark's own, or of the system; else nothing."""
    places = os.pathsep.join([str(OWN_BIN), str(BENCH_BIN), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return shutil.which(name, path=places) or ""


def missing(names: Iterable[str]) -> list[str]:
    """A sentence for each program that is not here."""
    return [f"{name} is missing: install Debian's {PACKAGES[name]}" for name in names if not find_program(name)]


@dataclass(frozen=True)
class Finished:
    """A program that has ended: what it printed, and the seconds and CPU seconds that it took."""

    output: str
    seconds: float
    cpu: float
    error: str = ""


def run_tool(command: list[str], limit: float) -> Finished:
    """Run a program for at most so many seconds, in a group of its own, so that Ctrl-C reaches it through us only."""
    path = find_program(command[0])
    begin, before = time.monotonic(), _children_cpu()
    process = subprocess.Popen(
        [path, *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    error = ""
    try:
        output, said = process.communicate(timeout=limit)
        if process.returncode:
            error = f"{command[0]} ended with {process.returncode}: {' '.join((said or output).split())[-200:]}"
    except subprocess.TimeoutExpired:
        output, error = "", f"{command[0]} did not end within {limit:.0f} s"
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return Finished(output, time.monotonic() - begin, _children_cpu() - before, error)


def say_version(name: str, *options: str) -> str:
    """What a program says of its version: the first line with a number in it, without where the program is."""
    path = find_program(name)
    done = subprocess.run([path, *options], capture_output=True, text=True, timeout=30, check=False)
    lines = (done.stdout + done.stderr).replace(path, name).splitlines()
    return next((" ".join(line.split()) for line in lines if any(char.isdigit() for char in line)), "unknown")


def _children_cpu() -> float:
    """The CPU seconds of the programs that have ended; servers and balancers are still there."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def raise_descriptor_limit() -> int:
    """Allow ourselves, and what we start, many descriptors; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
