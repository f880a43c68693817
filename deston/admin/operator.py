"""What an operator does to a running Deston: the changes of ``deston server`` and ``deston pool``.

What lives here: each change, from the file and what is stored to what is stored then.
What must not: arguments and output (``cli``), what a change means (``store.changes``).
Invariant: a change lands as a whole or is refused with a sentence; processes hear of it by the board.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deston.admin.saving import Edit, save
from deston.config.load import load
from deston.config.model import Config
from deston.errors import ChangeRefused, ConfigError
from deston.store import changes
from deston.store.base import State
from deston.store.board import Board
from deston.store.changes import Change, Changes, What, with_changes
from deston.store.places import exclusively, has_board, last_good, open_board, open_store

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
        """The configuration with all changes."""
        return with_changes(self.config, self.state.changes)

    def board(self) -> Board | None:
        """What the processes tell; None where none has run yet. Raises ``StoreError`` where it cannot be read."""
        return open_board(self.config, creates=False) if has_board(self.config) else None

    def add(self, pool: str, server: str, line: str) -> None:
        """Add a server; ``line`` is as in a file: ``address, option=value``."""
        self._update(lambda now: changes.add(self.config, now, pool, server, line))

    def remove(self, pool: str, server: str) -> None:
        """Take a server out; what it has under way ends by itself."""
        self._update(lambda now: changes.remove(self.config, now, pool, server))

    def set_state(self, pool: str, server: str, state: str) -> None:
        """Say what a server is to do: ``ready``, ``drain`` or ``maint``."""
        self._update(lambda now: changes.set_value(self.config, now, pool, server, What.STATE, state))

    def set_weight(self, pool: str, server: str, weight: int) -> None:
        self._update(lambda now: changes.set_value(self.config, now, pool, server, What.WEIGHT, str(weight)))

    def set_algorithm(self, pool: str, algorithm: str) -> None:
        """Have a pool pick in another way; raises ``ChangeRefused`` for one that needs a ``hash_key``."""
        if algorithm in ("header_hash", "cookie_hash") and not changes.find_pool(self.config, pool).hash_key:
            raise ChangeRefused(f"{algorithm} needs a hash_key, which pool {pool} does not have in the file")
        self._update(lambda now: changes.set_value(self.config, now, pool, "", What.ALGORITHM, algorithm))

    def reset(self, pool: str, server: str = "") -> None:
        """Drop what was changed of a server, or of a whole pool: the file counts again."""
        self._update(lambda now: changes.reset(self.config, now, pool, server))

    def save(self, change: Change, edit: Edit) -> None:
        """Write a change into the file instead, in one step with what was changed at run time of the same.

        Raises ``ChangeRefused``, and changes nothing then; two that save at once do so one after the other.
        """
        with exclusively(self.config):
            self.config = load(self.config.file)
            changes.require_possible(self.config, self.state.changes, change)
            save(self.config.file, change.pool, change.server, edit)
            self._tell(self._store.update(lambda now: changes.settle(now, change), reloads=True))

    def reload(self) -> None:
        """Have every process read the file again; raises ``ConfigError`` where it is broken."""
        if self.problem is not None:
            raise self.problem
        self._tell(self._store.demand_reload())

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
        board = self.board()
        if board is None:
            return 0
        try:
            wanted = self.state.revision
            behind = [one for one in board.living() if one.revision < wanted]
            found = changes.find_server(self.effective, pool, server)
            rows = board.rows_of(pool, found.name)
            living = board.living()
            return sum(board.sum(row, living).active for row in rows) + len(behind)
        finally:
            board.close()

    def _update(self, update: Callable[[Changes], Changes]) -> None:
        self._tell(self._store.update(update))

    def _tell(self, state: State) -> None:
        board = self.board()
        if board is not None:
            try:
                board.raise_revision(state.revision)
            finally:
                board.close()
