"""Running a piece of code in a process of its own that is short of something.

What lives here: the process with few file descriptors, and the one without privileges.
What must not: what is tested in them.
Invariant: the process has ended when the call returns; its error output is the failure's message.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 45

_PREAMBLE = """
import contextlib
import os
import resource

NOBODY = 65534
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
LIMIT = 64
taken = []


def leave_descriptors(spare):
    \"\"\"Leave this process so many descriptors to open; None for as many as the system allows.\"\"\"
    while taken:
        os.close(taken.pop())
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD if spare is None else LIMIT, HARD))
    if spare is None:
        return
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        for _ in range(spare):
            os.close(taken.pop())


@contextlib.contextmanager
def without_privileges():
    \"\"\"Be nobody for a while.\"\"\"
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
"""


def run_apart(code: str) -> str:
    """Run Python code in a process of its own; what it printed.

    The code can call ``leave_descriptors(spare)`` and, if root runs it, use ``with without_privileges()``. Raises
    ``AssertionError`` with its error output where it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _PREAMBLE + code],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
