"""What the API tells of and changes: one configuration, and what its processes share.

What lives here: the configuration as it was last good, its operator, and what is read from the board.
What must not: HTTP.
Invariant: while the file is broken, the last good configuration is shown, as the running processes go on with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from deston.admin.operator import Operator
from deston.config.model import Config
from deston.errors import ConfigError
from deston.store.base import State
from deston.store.board import Board

log = logging.getLogger("deston.admin")


class Site:
    """One configuration as it runs. Raises ``ConfigError`` where it cannot be used from the beginning."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._stamp = _stamp(file)
        self._operator = Operator(file)

    @property
    def operator(self) -> Operator:
        """Changes what runs; made anew when the file has changed, which is not read for each request."""
        stamp = _stamp(self.file)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._operator = Operator(self.file)
            except ConfigError as error:
                log.warning("the configuration cannot be used, what was good before is shown:\n%s", error)
        return self._operator

    @property
    def config(self) -> Config:
        """The file's configuration, as it was last good."""
        return self.operator.config

    def reload(self) -> str:
        """Have every process read the file again; raises ``ConfigError`` for a broken one."""
        self._stamp = _stamp(self.file)
        fresh = Operator(self.file)
        done = fresh.reload()
        self._operator = fresh
        return done

    @contextlib.contextmanager
    def shared(self) -> Iterator[tuple[Config, State, Board | None]]:
        """The configuration, the operator's changes and what the processes tell, for as long as they are looked at."""
        operator = self.operator
        with operator.seen_board() as board:
            yield operator.config, operator.state, board


def _stamp(file: str) -> tuple[int, int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
