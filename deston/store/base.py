"""What a store is.

What lives here: the small interface that every store has, and the state that it gives.
What must not: any store.
Invariant: an update happens as a whole or not at all; two at once happen one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from deston.store.changes import Changes


class State(NamedTuple):
    """What is desired beyond the file. ``revision`` grows with each change, ``reloads`` with each demand to reload."""

    revision: int = 0
    reloads: int = 0
    changes: Changes = ()


#: From the changes that there are to those that shall be; raises ``ChangeRefused`` where that makes no sense.
Update = Callable[[Changes], Changes]


class Store(Protocol):
    """Keeps the operator's changes. Every method raises ``StoreError``."""

    def read(self) -> State:
        """What is desired now."""

    def update(self, update: Update, reloads: bool = False) -> State:
        """Change what is desired, and have every process read its file again where that has changed, too."""

    def demand_reload(self) -> State:
        """Have every process read its file again."""

    def has_changed(self) -> bool:
        """Whether something may have been stored since this was asked last."""

    def close(self) -> None:
        """Close what is open; a second call does nothing."""
