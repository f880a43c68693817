"""Where processes that run one configuration meet: the files in ``run_dir``.

What lives here: their names, opening the store and the board of a configuration, and a word to all processes.
What must not: what stands in them.
Invariant: two configurations never share a file, even in one ``run_dir``: a pool of one is no pool of the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from contextlib import AbstractContextManager

from deston.config.model import Config
from deston.errors import StoreError
from deston.store.base import State, Store
from deston.store.board import Board
from deston.store.limit_tables import LimitTables
from deston.store.locking import alone
from deston.store.sqlite import SqliteStore

SHARED = "sqlite"
# How long one who changes the file is waited for, in seconds.
SAVING = 10.0


def is_shared(config: Config) -> bool:
    """Whether processes of this configuration see one another."""
    return config.global_.store == SHARED


def place(config: Config, ending: str) -> str:
    """A file that belongs to this configuration."""
    return os.path.join(config.global_.run_dir, file_name(config.file, ending))


def file_name(file: str, ending: str) -> str:
    """What a file is called that belongs to the configuration in ``file``."""
    return f"deston-{hashlib.sha256(os.path.abspath(file).encode()).hexdigest()[:12]}.{ending}"


def open_store(config: Config) -> Store:
    """The store of a configuration; raises ``StoreError`` where it has none that is shared."""
    if not is_shared(config):
        why = f"store = {config.global_.store}: each process keeps its own state (store = sqlite shares it)"
        raise StoreError(f"{config.file}: {why}")
    return SqliteStore(place(config, "db"))


def open_board(config: Config, creates: bool = True) -> Board:
    """The board of a configuration; raises ``StoreError``."""
    return Board(place(config, "board"), creates)


def open_limit_tables(config: Config) -> LimitTables:
    """Where the limits of all processes of a configuration count; raises ``StoreError``."""
    return LimitTables(place(config, "limits"))


def has_board(config: Config) -> bool:
    """Whether a process of a configuration has ever run here."""
    return os.path.exists(place(config, "board"))


def demand_reload(config: Config) -> bool:
    """Have every process of a configuration read its file again; whether they can be told. Raises ``StoreError``."""
    if not is_shared(config):
        return False
    tell(config, open_store(config).demand_reload())
    return True


def tell(config: Config, state: State) -> None:
    """Let the processes of a configuration hear of what was stored. Raises ``StoreError``."""
    if has_board(config):
        with contextlib.closing(open_board(config, creates=False)) as board:
            board.raise_revision(state.revision)


def seen_state(config: Config) -> State | None:
    """What is stored for a configuration; None where that cannot be known. Whoever only looks makes no file."""
    if not is_shared(config):
        return None
    if not os.path.exists(place(config, "db")):
        return State()
    try:
        return open_store(config).read()
    except StoreError:
        return None


def demands(config: Config) -> int | None:
    """How often every process of a configuration was asked to reload; None where that cannot be known."""
    state = seen_state(config)
    return None if state is None else state.reloads


def alone_with_file(config: Config) -> AbstractContextManager[None]:
    """Alone among those who change the file of a configuration; entering it raises ``StoreError``."""
    return alone(place(config, "save.lock"), SAVING)


def monitor_lock(config: Config) -> str:
    """The file whose lock makes its holder the one that checks health."""
    return place(config, "monitor.lock")
