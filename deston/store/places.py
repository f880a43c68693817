"""Where processes that run one configuration meet: the files in ``run_dir``.

What lives here: their names, and opening the store and the board of a configuration.
What must not: what stands in them.
Invariant: two configurations never share a file, even in one ``run_dir``: a pool of one is no pool of the other.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator

from deston.config.model import Config
from deston.errors import StoreError
from deston.store.base import Store
from deston.store.board import Board
from deston.store.sqlite import SqliteStore

SHARED = "sqlite"


def is_shared(config: Config) -> bool:
    """Whether processes of this configuration see one another."""
    return config.global_.store == SHARED


def place(config: Config, ending: str) -> str:
    """A file that belongs to this configuration."""
    digest = hashlib.sha256(os.path.abspath(config.file).encode()).hexdigest()[:12]
    return os.path.join(config.global_.run_dir, f"deston-{digest}.{ending}")


def open_store(config: Config) -> Store:
    """The store of a configuration; raises ``StoreError`` where it has none that is shared."""
    if not is_shared(config):
        why = f"store = {config.global_.store}: each process keeps its own state (store = sqlite shares it)"
        raise StoreError(f"{config.file}: {why}")
    return SqliteStore(place(config, "db"))


def open_board(config: Config, creates: bool = True) -> Board:
    """The board of a configuration; raises ``StoreError``."""
    return Board(place(config, "board"), creates)


def has_board(config: Config) -> bool:
    """Whether a process of a configuration has ever run here."""
    return os.path.exists(place(config, "board"))


@contextlib.contextmanager
def exclusively(config: Config) -> Iterator[None]:
    """Alone among those who change the file of a configuration; raises ``StoreError``."""
    file = place(config, "save.lock")
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{file}: it cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def monitor_lock(config: Config) -> str:
    """The file whose lock makes its holder the one that checks health."""
    return place(config, "monitor.lock")
