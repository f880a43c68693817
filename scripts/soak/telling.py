"""What a process of clients tells the soak: lines of JSON on standard output.

What lives here: the failures and the counts of one process, and how they are read again.
What must not: protocols.
Invariant: a count is a sum since the process began, so a line that is late changes nothing.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections import Counter
from typing import IO

from scripts.soak.model import Failure


class Told:
    """What was told by a process: answers, and what has to be a lease of its own, by protocol and server."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.answers: Counter[str] = Counter()
        self.leases: Counter[str] = Counter()

    def read(self, line: str) -> None:
        """Take over one line."""
        told = json.loads(line)
        if "kind" in told:
            self.failures.append(Failure(**told))
            return
        self.answers = Counter(told["answers"])
        self.leases = Counter(told["leases"])


class Teller:
    """Counts what the clients of a process see; ``began`` are monotonic seconds."""

    def __init__(self, protocol: str, to: IO[str] = sys.stdout) -> None:
        self.protocol = protocol
        self._to = to
        self._told = Told()

    def answered(self, server: str, leases: int = 0) -> None:
        """A whole answer came from a server, and with it so many leases that it must have counted."""
        self._told.answers[f"{self.protocol} {server}"] += 1
        self.leased(server, leases)

    def leased(self, server: str, leases: int = 1) -> None:
        """A server has taken a client."""
        if leases:
            self._told.leases[f"{self.protocol} {server}"] += leases

    def failed(self, kind: str, began: float, detail: str = "") -> None:
        """A client saw a failure, now."""
        failure = Failure(self.protocol, kind, began, time.monotonic(), detail[:300])
        self._write(dataclasses.asdict(failure))

    def tell(self) -> None:
        """Tell the counts."""
        told = self._told
        self._write({"answers": dict(told.answers), "leases": dict(told.leases)})

    def _write(self, told: object) -> None:
        self._to.write(json.dumps(told) + "\n")
        self._to.flush()
