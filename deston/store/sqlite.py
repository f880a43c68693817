"""A store in a file of ``run_dir``, shared by all processes of a machine.

What lives here: the two tables, and every way in which SQLite can fail, in our terms.
What must not: what changes mean.
Invariant: see ``base``. A connection is opened for each use, so that forks, threads and a file that was moved away do
no harm; nothing on the path of a request comes here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator

from deston.errors import StoreError
from deston.store.base import State, Update
from deston.store.changes import Change, What
from deston.store.locking import alone, open_as_owner

_VERSION = 1
# How long a process waits for another one's update, in seconds.
_PATIENCE = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER, reloads INTEGER);
CREATE TABLE IF NOT EXISTS changes (pool TEXT, server TEXT, what TEXT, value TEXT, place INTEGER,
                                    PRIMARY KEY (pool, server, what));
INSERT OR IGNORE INTO state VALUES (1, {first}, 0);
"""


class SqliteStore:
    """Keeps changes in a file, which is made where it is missing."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._seen = 0

    def read(self) -> State:
        with self._transaction("DEFERRED") as connection:
            return _read(connection)

    def update(self, update: Update, reloads: bool = False) -> State:
        with self._transaction("IMMEDIATE") as connection:
            changes = update(_read(connection).changes)
            connection.execute("DELETE FROM changes")
            rows = [(one.pool, one.server, one.what.value, one.value, place) for place, one in enumerate(changes)]
            connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("UPDATE state SET revision = revision + 1, reloads = reloads + ?", (int(reloads),))
            return _read(connection)

    def demand_reload(self) -> State:
        with self._transaction("IMMEDIATE") as connection:
            connection.execute("UPDATE state SET revision = revision + 1, reloads = reloads + 1")
            return _read(connection)

    def has_changed(self) -> bool:
        known, self._seen = self._seen, _changed_at(self.file)
        return known != self._seen

    def close(self) -> None:
        """Nothing is kept open."""

    def _make(self) -> None:
        """Make the file where it is missing, as one of the folder's owner: root may be the first to come here."""
        folder = os.path.dirname(self.file)
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(self.file):
            os.close(open_as_owner(self.file))

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        try:
            self._make()
            opened = sqlite3.connect(self.file, timeout=_PATIENCE, isolation_level=None)
            with contextlib.closing(opened) as connection:
                if _version(connection) != _VERSION:
                    with alone(f"{self.file}.lock"):
                        _prepare(connection)
                connection.execute(f"BEGIN {kind}")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:  # What failed for want of room has been taken back already.
                        connection.execute("ROLLBACK")
                    raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.file}: {_sentence(error, self.file)}") from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _changed_at(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def _prepare(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version == _VERSION:
        return  # Another process was faster.
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it was made by a later version of Deston (format {version})")
    # Not WAL, by which even a reader makes files: what is stored has to be known on a disk that is full, too.
    connection.execute("PRAGMA journal_mode = DELETE")
    # A new file begins with the microseconds since the epoch as its revision, which is later than that of one that was
    # moved away, however fast that was changed: nobody takes what the new file says for what is known.
    schema = _SCHEMA.format(first=time.time_ns() // 1000)
    connection.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {_VERSION}; COMMIT;")


def _read(connection: sqlite3.Connection) -> State:
    revision, reloads = connection.execute("SELECT revision, reloads FROM state").fetchone()
    rows = connection.execute("SELECT pool, server, what, value FROM changes ORDER BY place")
    return State(
        revision, reloads, tuple(Change(pool, server, What(what), value) for pool, server, what, value in rows)
    )


def _sentence(error: Exception, file: str) -> str:
    text = str(getattr(error, "strerror", None) or error)
    if _is_full(os.path.dirname(file)):
        return f"the disk is full ({text})"
    if "not a database" in text or "malformed" in text:
        return f"it is damaged ({text}): move it away, and the operator's changes begin anew"
    if "readonly" in text or "unable to open" in text:
        return f"it cannot be written ({text})"
    return text


def _is_full(folder: str) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0)
