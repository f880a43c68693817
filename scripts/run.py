"""What `make run` does: two demo servers, L4 and L7 in front of them, and the dashboard, until Ctrl-C.

What lives here: which processes these are, how they are watched, and what to try with them.
What must not: anything that balances; the two commands run here as anybody would run them.
Invariant: whatever ends this program, the processes that it started are gone before it is.
"""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from pathlib import Path

from scripts.processes import POLL_SECONDS, ROOT, Part, answers, is_free, stop, wait_until

BIN = Path(sys.executable).parent
CONFIG = "conf/deston.conf"

START_SECONDS = 20.0

# What to type in another terminal, and what it shows; {b} is the demo server that may be stopped.
TO_TRY = (
    ("for i in 1 2 3 4; do curl -s localhost:8080/; done", "L7 takes turns: each request goes to the other server"),
    ("for i in 1 2 3 4; do curl -s localhost:8000/; done", "L4 does so with connections, and adds no header"),
    ("curl -s localhost:8080/through-l4/", "L7, then L4, then a server"),
    ("curl -s -d hello localhost:8080/", "a body goes through, and here comes back"),
    ("kill {b.pid}", "stops server b: repeat the above, and nothing fails"),
    ("{b.command_line}", "starts it again: it gets its share back"),
    ("xdg-open http://localhost:9900/", "the dashboard: see it happen, drain and ready with a click"),
)


def parts() -> list[Part]:
    """The five processes, in the order in which they start."""
    demo = [sys.executable, str(ROOT / "scripts" / "demo_server.py")]
    l4 = [str(BIN / "deston-l4"), "--config", CONFIG, "--pid", "run/deston-l4.pid"]
    l7 = [str(BIN / "gunicorn"), "--pid", "run/deston-l7.pid", "deston.l7:app"]
    return [
        Part("a", 3000, [*demo, "a", "3000"], is_vital=False),
        Part("b", 3001, [*demo, "b", "3001"], is_vital=False),
        Part("l4", 8000, l4),
        Part("l7", 8080, l7, environment={"DESTON_CONFIG": CONFIG}),
        Part("admin", 9900, [str(BIN / "deston"), "admin", "--config", CONFIG], is_vital=False),
    ]


def what_to_try(everything: list[Part]) -> str:
    """The lines of ``TO_TRY``, filled in and aligned."""
    rows = [(command.format(b=everything[1]), shows) for command, shows in TO_TRY]
    width = max(len(command) for command, _ in rows)
    lines = [f"  {command:<{width}}  # {shows}" for command, shows in rows]
    return "\n".join(["", "Try this in another terminal (Ctrl-C here stops everything):", "", *lines, ""])


def start(everything: list[Part], asked_to_end: threading.Event) -> str:
    """Start all parts and wait for their answers; returns what went wrong, or nothing."""
    for part in everything:
        part.start()
    for part in everything:
        settled = partial(has_settled, part, asked_to_end)
        if not wait_until(settled, START_SECONDS):
            return f"{part.name} does not answer on port {part.port}."
        if not part.is_running:
            return f"{part.name} did not start; its own words are above."
    return ""


def has_settled(part: Part, asked_to_end: threading.Event) -> bool:
    return asked_to_end.is_set() or not part.is_running or answers(part.port)


def watch(everything: list[Part], asked_to_end: threading.Event) -> str:
    """Return when told to end, or when a vital part has ended, and say so; a demo server may go as it likes."""
    gone: set[str] = set()
    while not asked_to_end.wait(POLL_SECONDS):
        for part in everything:
            if part.is_running or part.name in gone:
                continue
            if part.is_vital:
                return f"{part.name} has ended, so everything does."
            gone.add(part.name)
            print(f"\n{part.name} is gone. Start it again with:\n  {part.command_line}\n", flush=True)
    print("\nStopping everything.", flush=True)
    return ""


def run(everything: list[Part]) -> str:
    """Start, watch and stop; returns what went wrong, or nothing."""
    asked_to_end = threading.Event()
    # No exception out of a handler: it could come between the birth of a process and our knowing of it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: asked_to_end.set())
    try:
        trouble = start(everything, asked_to_end)
        if trouble:
            return trouble
        if not asked_to_end.is_set():
            print(what_to_try(everything), flush=True)
        return watch(everything, asked_to_end)
    finally:
        stop(everything)


def main() -> int:
    everything = parts()
    taken = [part for part in everything if not is_free(part.port)]
    for part in taken:
        print(f"Port {part.port}, which {part.name} needs, is taken by another program.", file=sys.stderr)
    if taken:
        return 1
    (ROOT / "run").mkdir(exist_ok=True)
    trouble = run(everything)
    if trouble:
        print(trouble, file=sys.stderr)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
