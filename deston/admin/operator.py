"""What an operator does to a running Deston, and sees of it: for the commands, the API and ``deston top``.

What lives here: each change, from the file and what is stored to what is stored then, and the sentence about it.
What must not: arguments and output (``commands``, ``api``), what a change means (``store.changes``).
Invariant: a change lands as a whole or is refused with a sentence; processes hear of it by the board.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from deston.admin.saving import Edit, saved, with_option
from deston.admin.sessions import asked
from deston.admin.status import status
from deston.balancer.policies import make_policy
from deston.config.algorithms import ALGORITHMS, canonical_algorithm
from deston.config.load import load
from deston.config.model import Config
from deston.config.report import did_you_mean
from deston.errors import ChangeRefused, ConfigError, StartError
from deston.sessions.entry import Wanted
from deston.store import changes
from deston.store.base import State
from deston.store.board import Board
from deston.store.changes import Change, Changes, What, in_force
from deston.store.good_copy import last_good
from deston.store.places import alone_with_file, demand_reload, has_board, open_board, open_store, tell

# How often it is looked whether a server is empty, in seconds.
LOOK = 0.1


class Operator:
    """Changes what the processes of one configuration do; raises ``ConfigError`` and ``StoreError``.

    Where the file is broken, but processes run with what it was before, it goes by that.
    """

    def __init__(self, file: str) -> None:
        #: What is wrong with the file, where it is not what runs.
        self.problem: ConfigError | None = None
        try:
            self.config = load(file)
        except ConfigError as error:
            known = last_good(file)
            if known is None:
                raise
            self.config, self.problem = known, error
        self._store = open_store(self.config)

    @property
    def state(self) -> State:
        return self._store.read()

    @property
    def effective(self) -> Config:
        """The configuration with all changes, as processes go by it."""
        return in_force(self.config, self.state.changes)[0]

    def board(self) -> Board | None:
        """What the processes tell; None where none has run yet. Raises ``StoreError`` where it cannot be read."""
        return open_board(self.config, creates=False) if has_board(self.config) else None

    def status(self) -> dict[str, Any]:
        """What runs, as ``deston status --json`` prints it."""
        with self.seen_board() as board:
            return status(self.config, self.state, board, self.problem)

    def pool_status(self, pool: str) -> dict[str, Any]:
        """As ``status``, of one pool; raises ``ChangeRefused`` where there is none of that name."""
        changes.find_pool(self.config, pool)
        told = self.status()
        of_pool = [one for one in told["changes"] if one["pool"] == pool]
        return {**told, "pools": {pool: told["pools"][pool]}, "changes": of_pool}

    @contextlib.contextmanager
    def seen_board(self) -> Iterator[Board | None]:
        """The board, for as long as it is looked at."""
        board = self.board()
        try:
            yield board
        finally:
            if board is not None:
                board.close()

    # Each change gives a sentence about what was done. With ``saves`` it is written into the file instead.

    def add(self, pool: str, server: str, line: str, saves: bool = False) -> str:
        """Add a server; ``line`` is as in a file: ``address, option=value``."""
        if saves:
            self._save(Change(pool, server, What.ADDED, line), lambda _: line)
        else:
            self._update(lambda now: changes.add(self.config, now, pool, server, line))
        return f"{pool}/{server} at {line.partition(',')[0]} was added"

    def remove(self, pool: str, server: str, saves: bool = False) -> str:
        """Take a server out; what it has under way ends by itself."""
        if saves:
            self._save(Change(pool, server, What.REMOVED), lambda _: None)
        else:
            self._update(lambda now: changes.remove(self.config, now, pool, server))
        return f"{pool}/{server} was removed"

    def set_state(self, pool: str, server: str, state: str, saves: bool = False) -> str:
        """Say what a server is to do: ``ready``, ``drain`` or ``maint``."""
        self._set(Change(pool, server, What.STATE, state), "state", saves)
        return f"{pool}/{server} drains" if state == "drain" else f"{pool}/{server} is in the state {state}"

    def set_weight(self, pool: str, server: str, weight: int, saves: bool = False) -> str:
        """Give a server its share in comparison with others; 0 is no new clients."""
        self._set(Change(pool, server, What.WEIGHT, str(weight)), "weight", saves)
        return f"{pool}/{server} has the weight {weight}"

    def set_algorithm(self, pool: str, algorithm: str) -> str:
        """Have a pool pick in another way, by any spelling of a policy's name or ``package.module:factory``.

        Raises ``ChangeRefused`` for one that there is not, cannot be made, or needs a ``hash_key``.
        """
        known = algorithm if ":" in algorithm else canonical_algorithm(algorithm)
        if known is None:
            hint = did_you_mean(algorithm, ALGORITHMS) or f" (known: {', '.join(ALGORITHMS)})"
            raise ChangeRefused(f"unknown policy {algorithm!r}{hint}")
        config = changes.find_pool(self.config, pool)
        if known in ("header_hash", "cookie_hash") and not config.hash_key:
            raise ChangeRefused(f"{known} needs a hash_key, which pool {pool} does not have in the file")
        try:
            make_policy(replace(config, algorithm=known))
        except StartError as error:
            raise ChangeRefused(str(error)) from error
        self._update(lambda now: changes.set_value(self.config, now, pool, "", What.ALGORITHM, known))
        return f"pool {pool} picks by {known}"

    def reset(self, pool: str, server: str = "") -> str:
        """Drop what was changed of a server, or of a whole pool: the file counts again."""
        self._update(lambda now: changes.reset(self.config, now, pool, server))
        return f"{f'{pool}/{server}' if server else f'pool {pool}'} is as the file says"

    def _set(self, change: Change, option: str, saves: bool) -> None:
        pool, server, what, value = change.pool, change.server, change.what, change.value
        if saves:
            self._save(change, lambda line: None if line is None else with_option(line, option, value))
        else:
            self._update(lambda now: changes.set_value(self.config, now, pool, server, what, value))

    def _save(self, change: Change, edit: Edit) -> None:
        """Write a change into the file instead, in one step with what was changed at run time of the same.

        Raises ``ChangeRefused``, and changes nothing then; two that save at once do so one after the other.
        """
        with alone_with_file(self.config):
            self.config = load(self.config.file)
            changes.require_possible(self.config, self.state.changes, change)
            with saved(self.config.file, change.pool, change.server, edit):
                state = self._store.update(lambda now: changes.settle(now, change), reloads=True)
            tell(self.config, state)

    def reload(self) -> str:
        """Have every process read the file again.

        Raises ``ConfigError`` where it is broken, and ``StartError`` where a policy of it cannot be made.
        """
        if self.problem is not None:
            raise self.problem
        for pool in self.config.pools:
            make_policy(pool)
        demand_reload(self.config)
        return f"{self.config.file} is good, and is being read again"

    def wait_until_empty(self, pool: str, server: str, seconds: float) -> bool:
        """Wait until nothing is under way with a server; whether that was so in time."""
        until = time.monotonic() + seconds
        while True:
            if self.active(pool, server) == 0:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(min(LOOK, max(0.0, until - time.monotonic())))

    def active(self, pool: str, server: str) -> int:
        """What is under way with a server, once every process has heard of the last change."""
        with self.seen_board() as board:
            if board is None:
                return 0
            wanted, living = self.state.revision, board.living()
            behind = [one for one in living if one.revision < wanted]
            found = changes.find_server(self.effective, pool, server)
            rows = board.rows_of(pool, found.name)
            return sum(board.sum(row, living).active for row in rows) + len(behind)

    # What is under way, and its end.

    def sessions(self, wanted: Wanted, sort: str, limit: int) -> dict[str, Any]:
        """What is under way in every process, as ``deston sessions --json`` prints it.

        Raises ``ChangeRefused`` where there is nothing of a name.
        """
        with self.seen_board() as board:
            return asked.listed(self.effective, board, wanted, sort, limit)

    def end_session(self, id: str) -> dict[str, Any]:
        """End one; raises ``ChangeRefused`` where there is none of that id any more, or it cannot be ended."""
        return asked.ended_by_id(self.config, id)

    def end_sessions(self, wanted: Wanted) -> dict[str, Any]:
        """End all that are wanted; raises ``ChangeRefused`` where there is none."""
        with self.seen_board() as board:
            return asked.ended(self.effective, board, wanted)

    def _update(self, update: Callable[[Changes], Changes]) -> None:
        tell(self.config, self._store.update(update))
