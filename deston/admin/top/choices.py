"""What whoever sits in front has chosen: the selected server, the order, the filter, and what is asked.

What lives here: what each key means in each mode.
What must not: drawing (``frame``), doing what was confirmed (``session``), the bytes of keys (``keys``).
Invariant: nothing is done to a server without a question that was answered with ``y``; the selection stays with its
server, wherever sorting puts it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from deston.admin.top.rates import Name
from deston.admin.top.rows import SORTS, Row

_LONGEST_FILTER = 60
_STATES = {"d": "drain", "e": "ready", "m": "maint"}


class Mode(enum.Enum):
    """What keys are taken for."""

    LIST = enum.auto()
    FILTER = enum.auto()
    CONFIRM = enum.auto()
    HELP = enum.auto()


@dataclass(frozen=True, slots=True)
class Action:
    """Set a server's admin state; ``question`` and ``warning`` say what that means, the latter may be empty."""

    pool: str
    server: str
    state: str
    question: str = ""
    warning: str = ""


@dataclass
class Choices:
    """``rows`` are what is shown now; ``page`` is how many of them fit. ``notice`` is shown until the next key."""

    sort: str = "file"
    reverse: bool = False
    filter: str = ""
    mode: Mode = Mode.LIST
    selected: Name | None = None
    first: int = 0
    page: int = 10
    notice: str = ""
    is_error: bool = False
    is_over: bool = False
    action: Action | None = None
    rows: Sequence[Row] = field(default_factory=list)
    _before: str = ""

    def say(self, notice: str, is_error: bool = False) -> None:
        """Show a sentence in the bottom line."""
        self.notice, self.is_error = notice, is_error

    def show(self, rows: Sequence[Row]) -> None:
        """Take the rows as they are now; the selection moves to the nearest where its server is gone."""
        old = self._place()
        self.rows = rows
        if self._place() < 0:
            self._select(max(old, 0))
        self._scroll()

    @property
    def selected_row(self) -> Row | None:
        """The row of the selected server, if there is any."""
        place = self._place()
        return self.rows[place] if place >= 0 else None

    @property
    def visible(self) -> Sequence[Row]:
        """The rows that fit."""
        return self.rows[self.first : self.first + self.page]

    def resize(self, page: int) -> None:
        """Have room for so many rows."""
        self.page = max(1, page)
        self._scroll()

    def press(self, key: str) -> Action | None:
        """Take a key; what is to be done now, if anything."""
        self.say("")
        if self.mode is Mode.CONFIRM:
            self.mode = Mode.LIST
            if key in ("y", "Y"):
                return self.action
            self.say("nothing was changed")
        elif self.mode is Mode.FILTER:
            self._edit(key)
        elif self.mode is Mode.HELP:
            self.mode = Mode.LIST
        else:
            self._command(key)
        return None

    def _command(self, key: str) -> None:
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self.page, "page down": self.page}
        ends = {"home": -len(self.rows), "g": -len(self.rows), "end": len(self.rows), "G": len(self.rows)}
        if step := (steps | ends).get(key):
            self._move(step)
        elif key == "q":
            self.is_over = True
        elif key == "s":
            names = list(SORTS)
            self.sort = names[(names.index(self.sort) + 1) % len(names)]
        elif key == "r":
            self.reverse = not self.reverse
        elif key == "/":
            self.mode, self._before = Mode.FILTER, self.filter
        elif key == "escape":
            self.filter = ""
        elif key in ("?", "h"):
            self.mode = Mode.HELP
        elif key in _STATES:
            self._ask(_STATES[key])

    def _edit(self, key: str) -> None:
        if key == "enter":
            self.mode = Mode.LIST
        elif key == "escape":
            self.mode, self.filter = Mode.LIST, self._before
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif key == "clear":
            self.filter = ""
        elif len(key) == 1 and len(self.filter) < _LONGEST_FILTER:
            self.filter += key

    def _ask(self, state: str) -> None:
        row = self.selected_row
        if row is None:
            self.say("no server is selected", is_error=True)
        elif row.told["admin"] == state:
            self.say(f"{row.pool}/{row.server} is in the state {state} already")
        else:
            pool = next(one for one in self.rows if one.name == (row.pool, ""))
            self.mode, self.action = Mode.CONFIRM, make_action(row, pool, state)

    def _move(self, step: int) -> None:
        """Go so many rows on, and further to a server where a pool stands there."""
        place = self._place()
        wanted = min(max(place + step, 0), len(self.rows) - 1)
        onward = 1 if step > 0 else -1
        while 0 <= wanted < len(self.rows) and not self.rows[wanted].server:
            wanted += onward
        if 0 <= wanted < len(self.rows):
            self.selected = self.rows[wanted].name
        else:
            self._select(0 if step < 0 else len(self.rows) - 1)
        self._scroll()

    def _select(self, place: int) -> None:
        """The server that is nearest to a place, the next one first."""
        places = [number for number, row in enumerate(self.rows) if row.server]
        nearest = min(places, key=lambda number: (abs(number - place), -number), default=None)
        self.selected = None if nearest is None else self.rows[nearest].name

    def _place(self) -> int:
        return next((number for number, row in enumerate(self.rows) if row.name == self.selected), -1)

    def _scroll(self) -> None:
        place = max(0, self._place())
        # The pool above its first server is seen with it.
        top = place - 1 if place and not self.rows[place - 1].server and self.page > 1 else place
        self.first = min(max(self.first, place - self.page + 1), top, max(0, len(self.rows) - 1))
        self.first = max(0, min(self.first, max(0, len(self.rows) - self.page)))


def make_action(row: Row, pool: Row, state: str) -> Action:
    """What setting the state of a server means, from its row and that of its pool."""
    # The further addresses of a name are one server to the operator.
    server = row.server.partition("@")[0]
    own = [one for one in pool.servers if one.server.partition("@")[0] == server]
    others = [one for one in pool.servers if one.server.partition("@")[0] != server]
    active = sum(one.sum("active") for one in own)
    name = f"{row.pool}/{server}" + (f" ({len(own)} addresses)" if len(own) > 1 else "")
    if state == "ready":
        question = f"ready {name}? Clients may come again" + (
            " when its checks pass" if row.told["health"] == "down" else ""
        )
        return Action(row.pool, server, state, question)
    checks = "no checks, " if state == "maint" else ""
    question = f"{state} {name}? No new clients, {checks}{active} under way {'goes' if active == 1 else 'go'} on"
    is_last = any(one.can_be_picked for one in own) and not any(one.can_be_picked for one in others)
    warning = f"it is the last server of pool {row.pool} that can be picked" if is_last else ""
    return Action(row.pool, server, state, question, warning)
