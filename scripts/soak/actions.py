"""How faults are done, and undone.

What lives here: an action for each fault.
What must not: which fault comes when.
Invariant: an action says in sentences what it did and which failures it excuses, and hands back what undoes it.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

from scripts.soak import census
from scripts.soak.answering import RESET, SERVE
from scripts.soak.configuration import EXTRA, L4, L7, SERVERS
from scripts.soak.faults import L4_DEATH, L7_DEATH
from scripts.soak.model import Excuse, SoakError
from scripts.soak.picking import Pick
from scripts.soak.serve import REFUSE
from scripts.soak.stand import Stand

_ALGORITHMS = ("least_connections", "two_choices", "random", "least_latency", "ip_hash", "weighted_round_robin")
# None is one that the file has: what changes nothing is no change that could be dropped.
_WEIGHTS = (0, 5, 8)
_BROKEN_FILE = 2


@dataclass
class Deed:
    """What was done: to whom, what undoes it, and which failures it excuses beside those of its fault."""

    target: str
    undo: Callable[[], object] | None = None
    excuses: tuple[Excuse, ...] = ()


class Actions:
    """The actions on what runs in a stand."""

    def __init__(self, stand: Stand, rng: random.Random) -> None:
        self._stand = stand
        self._rng = rng
        self._deeds: dict[str, Callable[[str], Deed]] = {
            "kill-l4-worker": self._kill_worker,
            "kill-l7-worker": self._kill_worker,
            "kill-leader": self._kill_leader,
            "stop-l4-worker": self._stop_worker,
            "stop-l7-worker": self._stop_worker,
            "server-stalls": self._stall,
            "server-resets": lambda name: self._say(name, RESET),
            "server-refuses": lambda name: self._say(name, REFUSE),
            "server-dies": self._die,
            "reload": self._reload,
            "reload-broken": self._reload_broken,
            "hup-l4": self._hup,
            "add": self._add,
            "remove": lambda target: self._change("remove", target),
            "drain": self._drain,
            "maint": lambda target: self._change("maint", target, undo=("ready", "reset")),
            "weight": lambda target: self._change("weight", target, str(self._rng.choice(_WEIGHTS))),
            "algorithm": self._algorithm,
        }

    def do(self, pick: Pick) -> Deed:
        """Do a fault to its target; raises ``SoakError`` where Deston refuses."""
        return self._deeds[pick.fault.name](pick.target)

    # --- workers

    def _kill_worker(self, command: str) -> Deed:
        # The youngest: of the eldest it can be seen whether it grows.
        return self._kill(census.workers(self._stand.arbiter(command))[-1], command)

    def _kill_leader(self, target: str) -> Deed:
        leaders = [one["process"] for one in self._stand.status()["workers"] if one["checks"]]
        for command, excuses in ((L4, L4_DEATH), (L7, L7_DEATH)):
            for process in set(leaders) & set(census.workers(self._stand.arbiter(command))):
                deed = self._kill(process, command)
                return Deed(deed.target, excuses=excuses)
        raise SoakError(f"nobody checks health: {leaders} are no workers")

    def _kill(self, process: int, command: str) -> Deed:
        os.kill(process, signal.SIGKILL)
        self._stand.killed[command] += 1
        return Deed(f"{command} {process}")

    def _stop_worker(self, command: str) -> Deed:
        process = self._rng.choice(census.workers(self._stand.arbiter(command)))
        os.kill(process, signal.SIGSTOP)
        return Deed(f"{command} {process}", lambda: os.kill(process, signal.SIGCONT))

    # --- servers

    def _stall(self, name: str) -> Deed:
        server = self._stand.servers[name]
        server.signal(signal.SIGSTOP)
        return Deed(name, lambda: server.signal(signal.SIGCONT))

    def _say(self, name: str, word: str) -> Deed:
        server = self._stand.servers[name]
        server.say(word)
        return Deed(name, lambda: server.say(SERVE))

    def _die(self, name: str) -> Deed:
        server = self._stand.servers[name]
        server.kill()
        return Deed(name, server.start)

    # --- the operator

    def _reload(self, target: str) -> Deed:
        weights = {name: self._rng.randint(1, 3) for name in SERVERS}
        self._stand.write_config(weights)
        self._stand.deston("reload")
        return Deed(f"weights {', '.join(map(str, weights.values()))}")

    def _reload_broken(self, target: str) -> Deed:
        good = self._stand.config.read_text(encoding="utf-8")
        self._stand.config.write_text(good.replace("protocol = udp", "protocol = smoke"), encoding="utf-8")
        try:
            self._stand.deston("reload", expected=_BROKEN_FILE)
        finally:
            self._stand.config.write_text(good, encoding="utf-8")
        return Deed("a file with an error")

    def _hup(self, target: str) -> Deed:
        os.kill(self._stand.arbiter(L4), signal.SIGHUP)
        return Deed("the arbiter")

    def _add(self, pool: str) -> Deed:
        self._stand.deston("server", "add", pool, EXTRA, self._stand.address(pool, EXTRA))
        return Deed(f"{pool}/{EXTRA}", lambda: self._stand.deston("server", "remove", pool, EXTRA))

    def _drain(self, target: str) -> Deed:
        return self._change("drain", target, undo=("ready", "reset"))

    def _change(self, command: str, target: str, *words: str, undo: tuple[str, ...] = ("reset",)) -> Deed:
        pool, _, server = target.partition("/")
        self._stand.deston("server", command, pool, server, *words)
        back = self._rng.choice(undo)
        return Deed(target, lambda: self._stand.deston("server", back, pool, server))

    def _algorithm(self, pool: str) -> Deed:
        algorithm = self._rng.choice(_ALGORITHMS)
        self._stand.deston("pool", "algorithm", pool, algorithm)
        return Deed(f"{pool} {algorithm}", lambda: self._stand.deston("pool", "algorithm", pool, "round_robin"))
