"""What `make soak` does.

What lives here: the order of things, the line a minute, and the exit status.
What must not: how any of it is done.
Invariant: nothing that was started is left, on Ctrl-C and TERM too; the exit status is 0 only where nothing was wrong.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

from scripts.soak import census
from scripts.soak.campaign import Campaign
from scripts.soak.census import Growth
from scripts.soak.configuration import L4, L7
from scripts.soak.ending import Ending, Quiet, look_at_life, look_at_logs, measure_quiet
from scripts.soak.excuses import judge
from scripts.soak.faults import FAULTS
from scripts.soak.model import PROTOCOLS, Failure, SoakError
from scripts.soak.report import Outcome, render
from scripts.soak.stand import Stand

MINUTE = 60.0
LOOK_SECONDS = 1.0
INTERRUPTED = 130


class Soak:
    """One soak of a stand that runs."""

    def __init__(self, stand: Stand, seconds: float, asked_to_end: threading.Event) -> None:
        self._stand = stand
        self._seconds = seconds
        self._asked_to_end = asked_to_end
        self._campaign = Campaign(stand)
        self._growth = Growth(min(MINUTE, seconds / 3))
        self._troubles: list[str] = []
        self._began = 0.0
        self._next_look = self._next_line = 0.0

    def run(self) -> Outcome | None:
        """From the quiet before to the checks after; None where it was interrupted."""
        quiet = measure_quiet(self._stand)
        self._stand.start_load()
        self._began = time.monotonic()
        self._next_line = self._began + MINUTE
        try:
            self._campaign.run(self._began + self._seconds, self._wait, self._look)
        finally:
            self._campaign.undo_all()
        if self._asked_to_end.is_set():
            return None
        self._troubles += self._stand.stop_load()
        return self._outcome(self._end(quiet))

    def _end(self, quiet: Quiet) -> list[str]:
        leases = sum((one.told.leases for one in self._stand.load.values()), Counter[str]())
        ending = Ending(self._stand, quiet, self._growth, leases, time.monotonic() - self._began)
        try:
            ending.run()
        except SoakError as error:
            self._troubles.append(str(error))
        self._troubles += ending.troubles
        self._troubles += self._stand.stop_commands()
        self._troubles += look_at_logs(self._stand)
        return ending.facts

    def _outcome(self, facts: list[str]) -> Outcome:
        events = self._campaign.events
        judged = judge(events, self._failures())
        troubles = [*self._campaign.troubles, *self._troubles]
        seed, began = self._stand.seed, self._began
        return Outcome(seed, self._seconds, began, events, judged, self._answers(), facts, troubles)

    def _wait(self, seconds: float) -> bool:
        return not self._asked_to_end.wait(seconds)

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if trouble := look_at_life(self._stand):
            raise SoakError(trouble)
        workers = [one for command in (L4, L7) for one in census.workers(self._stand.arbiter(command))]
        self._growth.look(workers, now)
        if now >= self._next_line:
            self._next_line += MINUTE
            print(self._line(now), flush=True)

    def _line(self, now: float) -> str:
        judged = judge(self._campaign.events, self._failures())
        answers = ", ".join(f"{protocol} {count}" for protocol, count in self._answers().items())
        return (
            f"{(now - self._began) / MINUTE:4.0f} min  {len(self._campaign.events)} faults, answers: {answers}; "
            f"failures: {judged.excused_count} excused, {len(judged.unexcused)} not"
        )

    def _failures(self) -> list[Failure]:
        found = [failure for one in self._stand.load.values() for failure in list(one.told.failures)]
        return sorted(found, key=lambda failure: failure.at)

    def _answers(self) -> dict[str, int]:
        return {protocol: self._stand.load[protocol].told.answers.total() for protocol in PROTOCOLS}


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """The options of the command line; the Makefile hands them over."""
    parser = argparse.ArgumentParser(prog="make soak", description="Faults under load, and what they cause.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load runs, such as 0.5")
    parser.add_argument("--seed", type=int, default=0, help="draws the same faults again; by default one by the time")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    options = parse_arguments(words)
    asked_to_end = threading.Event()
    # No exception out of a handler: it could come between the birth of a process and our knowing of it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: asked_to_end.set())
    seed = options.seed or int(time.time()) % 1_000_000
    print(f"Soak of {options.minutes:g} min, SEED={seed}", flush=True)
    try:
        with Stand(seed) as stand:
            outcome = Soak(stand, options.minutes * MINUTE, asked_to_end).run()
    except SoakError as error:
        print(error, file=sys.stderr)
        return 1
    if outcome is None:
        print("Interrupted; nothing was checked.", file=sys.stderr)
        return INTERRUPTED
    print(f"\n{render(outcome, [fault.name for fault in FAULTS])}", flush=True)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
