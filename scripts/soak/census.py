"""What Deston's workers have, seen from outside.

What lives here: which workers there are, their descriptors, their memory, their greenlets.
What must not: judging it.
Invariant: a worker that has gone meanwhile has nothing, and is no error.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scripts.processes import wait_until

PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_COUNT = signal.SIGRTMIN + 1
COUNT_SECONDS = 5.0
# The fields of /proc/PID/stat behind the name (proc(5)).
_STATE, _PARENT, _BEGAN = 0, 1, 19


class Worker(NamedTuple):
    """What a worker has."""

    process: int
    descriptors: int
    greenlets: int
    resident: int


def workers(arbiter: int) -> list[int]:
    """The living children of an arbiter, the eldest first."""
    found = []
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="latin-1").rpartition(")")[2].split()
            if int(fields[_PARENT]) == arbiter and fields[_STATE] not in ("Z", "X"):
                found.append((int(fields[_BEGAN]), int(path.parent.name)))
    return [process for _, process in sorted(found)]


def descriptors(process: int) -> int:
    """How many descriptors a process has; 0 where it is gone."""
    try:
        return len(os.listdir(PROC / str(process) / "fd"))
    except OSError:
        return 0


def open_files(process: int) -> list[str]:
    """What the descriptors of a process are."""
    found = []
    with contextlib.suppress(OSError):
        for one in (PROC / str(process) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(one))
    return sorted(found)


def resident(process: int) -> int:
    """The bytes of memory that a process has; 0 where it is gone."""
    try:
        return int((PROC / str(process) / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return 0


def greenlets(processes: Iterable[int], folder: Path) -> dict[int, int]:
    """How many greenlets each of the processes has, as it counts them itself; -1 where it does not."""
    files = {process: folder / str(process) for process in processes}
    for process, file in files.items():
        file.unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, _COUNT)
    wait_until(lambda: all(file.exists() for file in files.values()), COUNT_SECONDS)
    return {process: int(file.read_text()) if file.exists() else -1 for process, file in files.items()}


def take(arbiter: int, folder: Path) -> list[Worker]:
    """All workers of an arbiter."""
    counted = greenlets(workers(arbiter), folder)
    return [Worker(one, descriptors(one), count, resident(one)) for one, count in counted.items()]


class Growth:
    """The memory of each worker after its first minute, and now."""

    def __init__(self, warm_up: float) -> None:
        self._warm_up = warm_up
        self._first_seen: dict[int, float] = {}
        self._early: dict[int, int] = {}
        self._late: dict[int, int] = {}

    def look(self, processes: Iterable[int], now: float) -> None:
        """Take a sample; ``now`` is in seconds of any clock."""
        for process in processes:
            size = resident(process)
            if size and now - self._first_seen.setdefault(process, now) >= self._warm_up:
                self._early.setdefault(process, size)
                self._late[process] = size

    def grown(self) -> dict[int, tuple[int, int]]:
        """The bytes of each worker that lived long enough: then, and when it was seen last."""
        return {process: (early, self._late[process]) for process, early in self._early.items()}
