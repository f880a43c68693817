"""What ``deston top`` shows and does: readings, and the actions that were confirmed.

What lives here: reading through the operator, a configuration that changed, what becomes of errors.
What must not: the terminal (``screen``), what keys mean (``choices``).
Invariant: an error of a reading or an action becomes the sentence of the bottom line, and the last good reading stays.
"""

from __future__ import annotations

import os
from typing import Any

from deston.admin.operator import Operator
from deston.admin.top.choices import Action, Choices
from deston.admin.top.figures import Signs
from deston.admin.top.frame import AROUND, Reading, make_frame, plain_lines
from deston.admin.top.rates import Rates
from deston.admin.top.rows import make_rows
from deston.admin.top.view import Line
from deston.errors import ChangeRefused, ConfigError, StoreError


class Session:
    """One run over a configuration ``file``; making it and ``read`` raise ``ConfigError`` and ``StoreError``.

    ``interval`` is the seconds between two readings.
    """

    def __init__(self, file: str, choices: Choices, signs: Signs, interval: float) -> None:
        self.choices = choices
        self._file = file
        self._changed_at = _changed_at(file)
        self._operator = Operator(file)
        self._signs = signs
        self._every = f"every {interval:g}s"
        self._rates = Rates()
        self._told: dict[str, Any] = {}

    @property
    def is_over(self) -> bool:
        """Whether it was asked to end."""
        return self.choices.is_over

    def read(self, now: float) -> None:
        """Read what runs, at the time ``now`` in seconds of the monotonic clock."""
        self._told = self._operator.status()
        self._rates.add(self._told, now)
        self._show()

    def refresh(self, now: float) -> None:
        """Read what runs; what is wrong is told in the bottom line."""
        try:
            self._follow_file()
            self.read(now)
        except (StoreError, ConfigError) as error:
            self._say_error(error)

    def _follow_file(self) -> None:
        """Take the configuration anew where its file was changed; a broken one is told once."""
        changed_at = _changed_at(self._file)
        if changed_at != self._changed_at:
            self._changed_at = changed_at
            self._operator = Operator(self._file)

    def press(self, key: str) -> None:
        """Take a key, and do what it confirms."""
        action = self.choices.press(key)
        if action is not None:
            self._do(action)
        self._show()

    def _do(self, action: Action) -> None:
        try:
            done = self._operator.set_state(action.pool, action.server, action.state)
            self._told = self._operator.status()
        except (ChangeRefused, StoreError) as error:
            self._say_error(error)
        else:
            self.choices.say(done)

    def _say_error(self, error: Exception) -> None:
        text = str(error)
        if isinstance(error, ConfigError) and len(error.problems) > 1:
            text = f"{error.problems[0]} (and {len(error.problems) - 1} more)"
        self.choices.say(" ".join(text.split()), is_error=True)

    def _show(self) -> None:
        choices = self.choices
        choices.show(make_rows(self._told, self._rates, choices.sort, choices.reverse, choices.filter))

    def frame(self, width: int, height: int) -> list[Line]:
        """The lines for a terminal of this size, in columns and lines."""
        self.choices.resize(height - AROUND)
        return make_frame(self._reading, self._rates, self.choices, self._signs, width, height)

    def plain(self, width: int) -> list[str]:
        """One frame as text of this width, with all rows."""
        return plain_lines(self._reading, self._rates, self.choices, self._signs, width)

    @property
    def _reading(self) -> Reading:
        return Reading(self._told, self._every)


def _changed_at(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0
