"""The lead: which one of the processes of a host checks health.

What lives here: the lock whose holder leads.
What must not: what a leader does, and when one is to be replaced (``sharing``).
Invariant: the lock is the kernel's, so that one whose holder dies, however that comes, is free at once; who holds one
that is not in place any more leads no more.
"""

from __future__ import annotations

import os

from deston.errors import StoreError
from deston.store.locking import open_as_owner, try_lock


class Lead:
    """The lead of those that know this file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lock = -1

    @property
    def is_held(self) -> bool:
        """Whether this process leads."""
        return self._lock >= 0

    @property
    def is_in_place(self) -> bool:
        """Whether the lock that is held is still the one that others would try."""
        try:
            return os.path.samestat(os.fstat(self._lock), os.stat(self._file))
        except OSError:
            return False

    def take(self) -> bool:
        """Lead from now on, if nobody else does; whether that is so. Raises ``StoreError``."""
        try:
            descriptor = open_as_owner(self._file)
        except OSError as error:
            raise StoreError(f"{self._file}: it cannot be used: {error.strerror}") from error
        if not try_lock(descriptor):
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def take_over(self) -> bool:
        """Lead instead of a holder that hangs: its lock is put out of place; whether that is so.

        Where two do this at once, the later one leads. Raises ``StoreError``.
        """
        try:
            os.unlink(self._file)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"{self._file}: it cannot be replaced: {error.strerror}") from error
        return self.take()

    def give_up(self) -> None:
        """Let another process lead."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
