"""Locks between processes: for what one of them does at a time.

What lives here: taking a lock with a deadline, and making files as one of the folder's owner.
What must not: what is done under a lock.
Invariant: nobody waits for a lock without end: its holder may be a process that was stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from deston.errors import StoreError

# How long a lock is waited for, and how often it is tried, in seconds. What is done under one takes milliseconds.
PATIENCE, EACH = 2.0, 0.005


@contextlib.contextmanager
def alone(file: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing.

    Raises ``StoreError`` where it cannot be used, or another process holds it for longer than ``patience`` seconds.
    """
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        descriptor = open_as_owner(file)
    except OSError as error:
        raise StoreError(f"{file}: it cannot be used: {error.strerror}") from error
    try:
        _take(descriptor, file, time.monotonic() + patience)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, file: str, deadline: float) -> None:
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise StoreError(f"{file}: another process holds it")
        time.sleep(EACH)


def try_lock(descriptor: int) -> bool:
    """Lock a file that is open, if nobody else has; whether that is so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_as_owner(file: str) -> int:
    """Open a file to be written, which is made where it is missing: as one of the folder's owner.

    Root may be the first to come here, by a command, and the service has to use the file, too. Raises ``OSError``.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = os.stat(os.path.dirname(file))
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor
