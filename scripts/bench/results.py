"""Results as files.

What lives here: what is known of the machine and the programs, and one JSON file for each run of the benchmark.
What must not: judging the figures.
Invariant: a file holds every round, and all that is needed to repeat it.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.bench.model import BenchError, Run
from scripts.bench.tools import find_program, say_version
from scripts.processes import ROOT

FOLDER = ROOT / "bench" / "results"
# How each tool and server says its version.
VERSIONS = {"nginx": "-v", "wrk": "-v", "iperf3": "--version", "dnsperf": "-h", "nsd": "-v", "openssl": "version"}
SETTINGS = (
    "net/ipv4/ip_local_port_range", "net/ipv4/tcp_tw_reuse", "net/core/somaxconn", "net/ipv4/tcp_congestion_control",
)  # fmt: skip


@dataclass
class Results:
    """One run of the whole benchmark."""

    date: str
    commit: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    left_out: dict[str, str]
    configurations: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the file, with a run a line so that a person can read it, too."""
        head = {name: value for name, value in vars(self).items() if name != "runs"}
        text = json.dumps(head, indent=1, ensure_ascii=False)
        runs = ",\n".join("  " + json.dumps(run.as_dict(), ensure_ascii=False) for run in self.runs)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{text[:-2]},\n "runs": [\n{runs}\n ]\n}}\n', encoding="utf-8")


def load(path: Path) -> Results:
    """Read a file back; raises ``BenchError`` where it is none of ours."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        runs = [Run(**one) for one in values.pop("runs")]
        return Results(**values, runs=runs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{path} is no result of this benchmark: {error}") from None


def today() -> str:
    """The date and time of now, as files are named."""
    return datetime.datetime.now().strftime("%Y-%m-%d-%H%M")


def commit() -> str:
    """The commit that is checked out, with a plus where files differ from it; nothing outside of git."""
    if not find_program("git"):
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> dict[str, Any]:
    """What the figures depend on and no version says."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": [round(one, 2) for one in os.getloadavg()],
        **{name: _read(Path("/proc/sys") / name) for name in SETTINGS},
    }


def tool_versions(names: Iterable[str]) -> dict[str, str]:
    """What tools and servers say of their versions."""
    return {name: say_version(name, VERSIONS[name]) for name in names if find_program(name)}


def _read(path: Path) -> str:
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"


def _field(path: Path, name: str) -> str:
    """The first value of that name in a file of /proc."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
