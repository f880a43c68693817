"""Whether a process lives, told by more than its number, which the system gives out again.

What lives here: when a process began, as the kernel has it, and whether that one still runs.
What must not: what a process's death means.
Invariant: no clock is asked, so that neither a jump of it nor a suspended machine makes a process look dead.
"""

from __future__ import annotations

import os

#: The largest number that Linux gives to a process (proc(5), pid_max).
LARGEST_PROCESS = 1 << 22
# The fields of /proc/PID/stat behind the name, which may have spaces and parentheses itself (proc(5)).
_STATE, _PARENT, _BEGAN = 0, 1, 19
_DEAD = ("Z", "X", "x")


def began(process: int) -> int:
    """When a process began, in ticks since the machine did; 0 where it does not live, 1 where that cannot be told."""
    try:
        fields = _fields(process)
        return 0 if fields[_STATE] in _DEAD else max(1, int(fields[_BEGAN]))
    except (OSError, IndexError, ValueError):
        return 1 if _has_number(process) else 0


def lives(process: int, since: int) -> bool:
    """Whether the process of that number, which began then, still runs."""
    now = began(process)
    return now != 0 and (now == since or 1 in (now, since))


def parent(process: int) -> int:
    """The parent of a process, 0 where that cannot be told."""
    try:
        return int(_fields(process)[_PARENT])
    except (OSError, IndexError, ValueError):
        return 0


def _fields(process: int) -> list[str]:
    with open(f"/proc/{process}/stat", encoding="latin-1") as file:
        return file.read().rpartition(")")[2].split()


def _has_number(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return not os.path.isdir("/proc/self")  # Another user's; where there is a /proc it would have been seen.
    return not os.path.isdir("/proc/self")
