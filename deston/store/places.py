"""Where processes that run one configuration meet: the files in ``run_dir``.

What lives here: their names, opening the store and the board of a configuration, and a word to all processes.
What must not: what stands in them.
Invariant: two configurations never share a file, even in one ``run_dir``: a pool of one is no pool of the other.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace

from deston.config.load import load_copy
from deston.config.model import Config
from deston.errors import ConfigError, StoreError
from deston.store.base import Store
from deston.store.board import Board
from deston.store.sqlite import SqliteStore

SHARED = "sqlite"
# As spec.ini has it.
DEFAULT_RUN_DIR = "run"
_RUN_DIR = re.compile(rb"^\s*run_dir\s*=\s*[\"']?([^\"'#\n]*[^\"'#\s])", re.MULTILINE)


def is_shared(config: Config) -> bool:
    """Whether processes of this configuration see one another."""
    return config.global_.store == SHARED


def place(config: Config, ending: str) -> str:
    """A file that belongs to this configuration."""
    return os.path.join(config.global_.run_dir, f"deston-{_digest(config.file)}.{ending}")


def _digest(file: str) -> str:
    return hashlib.sha256(os.path.abspath(file).encode()).hexdigest()[:12]


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


def demand_reload(config: Config) -> bool:
    """Have every process of a configuration read its file again; whether they can be told. Raises ``StoreError``."""
    if not is_shared(config):
        return False
    state = open_store(config).demand_reload()
    if has_board(config):
        with contextlib.closing(open_board(config, creates=False)) as board:
            board.raise_revision(state.revision)
    return True


def demands(config: Config) -> int | None:
    """How often every process of a configuration was asked to reload; None where that cannot be known."""
    if not is_shared(config):
        return None
    if not os.path.exists(place(config, "db")):
        return 0  # Whoever only looks makes no file.
    try:
        return open_store(config).read().reloads
    except StoreError:
        return None


def keep_copy(config: Config) -> None:
    """Keep the file with which a process runs, for commands that find it broken later. Raises ``StoreError``."""
    copy = place(config, "good")
    try:
        with open(config.file, "rb") as stream:
            text = stream.read()
        if _read(copy) == text:
            return
        descriptor = os.open(f"{copy}.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        os.replace(f"{copy}.{os.getpid()}", copy)
    except OSError as error:
        raise StoreError(f"{copy}: it cannot be written: {error.strerror}") from error


def last_good(file: str) -> Config | None:
    """The configuration with which processes run, where the file is broken by now; None where there is none."""
    folder = os.path.dirname(os.path.abspath(file))
    named = _RUN_DIR.search(_read(file))
    run_dir = os.path.join(folder, named[1].decode("utf-8", "replace") if named else DEFAULT_RUN_DIR)
    copy = os.path.join(run_dir, f"deston-{_digest(file)}.good")
    try:
        config = load_copy(copy, file)
    except ConfigError:
        return None
    return replace(config, global_=replace(config.global_, run_dir=run_dir))


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


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
