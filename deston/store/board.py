"""The board: counters and health that all processes of a machine see, in one mapped file of ``run_dir``.

What lives here: its layout, places for workers, rows for servers, and the sums.
What must not: what a process does with it (``deston.sharing``), live objects.
Invariant: a place is written by the one worker that holds it, health by the leader alone, and each number is eight
bytes that are written at once; so nobody waits for anybody. What a dead worker left is folded into the first place by
whoever finds it, under the lock that also gives out places and rows.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from deston.errors import StoreError

_MAGIC = b"DESTON board 1\0\0"
# The first place is for what dead workers have left.
MOST_WORKERS = 32
MOST_SERVERS = 2048
# A worker that has not written for so long is taken for dead, in seconds: its number may be another process's by now.
SILENCE = 60.0
_NAME, _REASON = 240, 224

_HEADER = struct.Struct("<16sqqq")  # Magic, revision of the store, rows in use, the leader's process.
_WORKER = struct.Struct("<qdq")  # Process, when it last wrote (seconds since the epoch), the revision that it has.
_COUNTS = struct.Struct("<qqqqqd")  # Active, total, failures, bytes in, bytes out, latency in seconds.
_HEALTH = struct.Struct(f"<qd{_REASON}s")  # Health, when that was found (seconds since the epoch), why.
_REVISION_AT = 16

_WORKERS_AT = 4096
_NAMES_AT = _WORKERS_AT + MOST_WORKERS * _WORKER.size
_HEALTH_AT = _NAMES_AT + MOST_SERVERS * (_NAME + 2)
_HEALTH_AT += -_HEALTH_AT % 8
_COUNTS_AT = _HEALTH_AT + MOST_SERVERS * _HEALTH.size
_SIZE = _COUNTS_AT + MOST_WORKERS * MOST_SERVERS * _COUNTS.size


class Counts(NamedTuple):
    """What was carried to a server; ``latency`` is in seconds."""

    active: int = 0
    total: int = 0
    failures: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    latency: float = 0.0

    def plus(self, other: Counts) -> Counts:
        """Both together; the latency is that of whoever has seen more."""
        latency = self.latency if self.total >= other.total else other.latency
        return Counts(
            self.active + other.active,
            self.total + other.total,
            self.failures + other.failures,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            latency or other.latency,
        )


class Found(NamedTuple):
    """What the last check found: 0 is unchecked, 1 up, 2 down; ``at`` is in seconds since the epoch."""

    health: int = 0
    at: float = 0.0
    reason: str = ""


class WorkerPlace(NamedTuple):
    """A worker: its process, when it last wrote, and the revision of the store that it has."""

    place: int
    process: int
    at: float
    revision: int


class Board:
    """The mapped file, which is made where it is missing. Raises ``StoreError``."""

    def __init__(self, file: str, creates: bool = True) -> None:
        self.file = file
        self._lock_file = f"{file}.lock"
        self._rows: dict[str, int] = {}
        try:
            if creates:
                os.makedirs(os.path.dirname(file), exist_ok=True)
            descriptor = os.open(self.file, os.O_RDWR | (os.O_CREAT if creates else 0) | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < _SIZE:
                    # No sparse file: on a full disk the first write to a hole would kill the process.
                    os.posix_fallocate(descriptor, 0, _SIZE)
                self._map = mmap.mmap(descriptor, _SIZE)
                self._inode = os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError(f"{self.file}: it cannot be used: {error.strerror}") from error
        magic = _HEADER.unpack_from(self._map)[0]
        if magic == bytes(16):
            with self.locked():
                self._map[:16] = _MAGIC
        elif magic != _MAGIC:
            self._map.close()
            raise StoreError(f"{self.file}: it is damaged, or of another version: move it away")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes, for what is rare: places and rows."""
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @property
    def is_in_place(self) -> bool:
        """Whether it is still the file of its name."""
        try:
            return os.stat(self.file).st_ino == self._inode
        except OSError:
            return False

    def holds(self, place: int) -> bool:
        """Whether a place is this process's."""
        return self.worker(place).process == os.getpid()

    @property
    def revision(self) -> int:
        """The revision of the store, as whoever changed it last has said."""
        return int.from_bytes(self._map[_REVISION_AT : _REVISION_AT + 8], "little", signed=True)

    @revision.setter
    def revision(self, revision: int) -> None:
        self._map[_REVISION_AT : _REVISION_AT + 8] = revision.to_bytes(8, "little", signed=True)

    @property
    def leader(self) -> int:
        """The process that checks health, 0 for none."""
        return int(_HEADER.unpack_from(self._map)[3])

    @leader.setter
    def leader(self, process: int) -> None:
        struct.pack_into("<q", self._map, _REVISION_AT + 16, process)

    # --- workers

    def take_place(self) -> int:
        """A place for this process; raises ``StoreError`` where all are taken."""
        with self.locked():
            for place in range(1, MOST_WORKERS):
                process = self.worker(place).process
                if process and self._lives(self.worker(place)) and process != os.getpid():
                    continue
                self._retire(place)
                _WORKER.pack_into(self._map, self._worker_at(place), os.getpid(), time.time(), 0)
                return place
        raise StoreError(f"{self.file}: more than {MOST_WORKERS - 1} workers")

    def leave_place(self, place: int) -> None:
        """Give a place up: what was carried stays counted, what is under way does not."""
        with self.locked():
            self._retire(place)

    def retire_dead(self) -> list[int]:
        """Fold what dead workers left into the first place; their processes."""
        dead = [one for one in self.workers() if not self._lives(one)]
        if dead:
            with self.locked():
                for one in dead:
                    if self.worker(one.place).process == one.process:
                        self._retire(one.place)
        return [one.process for one in dead]

    def _retire(self, place: int) -> None:
        if not self.worker(place).process:
            return
        for row in range(self._rows_in_use):
            left = self.counts(place, row)
            if any(left):
                self.put_counts(0, row, self.counts(0, row).plus(left._replace(active=0)))
                self.put_counts(place, row, Counts())
        _WORKER.pack_into(self._map, self._worker_at(place), 0, 0.0, 0)

    def _lives(self, worker: WorkerPlace) -> bool:
        return _is_alive(worker.process) and time.time() - worker.at < SILENCE

    def beat(self, place: int, revision: int) -> None:
        """Tell that the worker lives, and which revision it has."""
        _WORKER.pack_into(self._map, self._worker_at(place), os.getpid(), time.time(), revision)

    def worker(self, place: int) -> WorkerPlace:
        return WorkerPlace(place, *_WORKER.unpack_from(self._map, self._worker_at(place)))

    def living(self) -> list[WorkerPlace]:
        """All workers that live."""
        return [one for one in self.workers() if self._lives(one)]

    def workers(self) -> list[WorkerPlace]:
        """All that hold a place, whether they live or not."""
        found = (self.worker(place) for place in range(1, MOST_WORKERS))
        return [one for one in found if one.process]

    def _worker_at(self, place: int) -> int:
        return _WORKERS_AT + place * _WORKER.size

    # --- rows

    @property
    def _rows_in_use(self) -> int:
        return int(_HEADER.unpack_from(self._map)[2])

    def row(self, name: str, creates: bool = True) -> int:
        """The row of a server by its name, -1 where it has none and is not to get one.

        Raises ``StoreError`` where all are taken.
        """
        found = self._rows.get(name, -1)
        if found < 0:
            self._read_names()
            found = self._rows.get(name, -1)
        if found >= 0 or not creates:
            return found
        with self.locked():
            self._read_names()
            if name in self._rows:
                return self._rows[name]
            return self._new_row(name)

    def members(self, pool: str, server: str) -> list[tuple[str, str, int]]:
        """A server and those that stand for further addresses of its name: name, address and row of each.

        Of one whose address has changed the rows of before are among them.
        """
        self._read_names()
        found = []
        for name, row in self._rows.items():
            of_pool, of_server, address = name.split("\0")
            if of_pool == pool and of_server.partition("@")[0] == server:
                found.append((of_server, address, row))
        return found

    def rows_of(self, pool: str, server: str) -> list[int]:
        """The rows of a server under any address, and of those that stand for it."""
        return [row for _, _, row in self.members(pool, server)]

    def _new_row(self, name: str) -> int:
        row, encoded = self._rows_in_use, name.encode()
        if row >= MOST_SERVERS or len(encoded) > _NAME:
            raise StoreError(f"{self.file}: more than {MOST_SERVERS} servers, or a name of over {_NAME} bytes")
        at = _NAMES_AT + row * (_NAME + 2)
        self._map[at : at + 2 + len(encoded)] = len(encoded).to_bytes(2, "little") + encoded
        struct.pack_into("<q", self._map, _REVISION_AT + 8, row + 1)
        self._rows[name] = row
        return row

    def _read_names(self) -> None:
        for row in range(len(self._rows), self._rows_in_use):
            at = _NAMES_AT + row * (_NAME + 2)
            length = int.from_bytes(self._map[at : at + 2], "little")
            self._rows[self._map[at + 2 : at + 2 + length].decode("utf-8", "replace")] = row

    # --- numbers

    def counts(self, place: int, row: int) -> Counts:
        return Counts(*_COUNTS.unpack_from(self._map, self._counts_at(place, row)))

    def put_counts(self, place: int, row: int, counts: Counts) -> None:
        _COUNTS.pack_into(self._map, self._counts_at(place, row), *counts)

    def active_elsewhere(self, places: list[int], row: int) -> int:
        """The leases of a server in other places together."""
        total = 0
        for place in places:
            total += _ACTIVE.unpack_from(self._map, self._counts_at(place, row))[0]
        return total

    def sum(self, row: int) -> Counts:
        """What all workers carried to a server, those that are gone among them."""
        total = self.counts(0, row)
        for worker in self.workers():
            counts = self.counts(worker.place, row)
            total = total.plus(counts if self._lives(worker) else counts._replace(active=0))
        return total

    def _counts_at(self, place: int, row: int) -> int:
        return _COUNTS_AT + (place * MOST_SERVERS + row) * _COUNTS.size

    def health(self, row: int) -> Found:
        health, at, reason = _HEALTH.unpack_from(self._map, _HEALTH_AT + row * _HEALTH.size)
        return Found(health, at, reason.rstrip(b"\0").decode("utf-8", "replace"))

    def put_health(self, row: int, found: Found) -> None:
        reason = found.reason.encode()[:_REASON]
        _HEALTH.pack_into(self._map, _HEALTH_AT + row * _HEALTH.size, found.health, found.at, reason)

    def close(self) -> None:
        """Unmap it; a second call does nothing."""
        self._map.close()


_ACTIVE = struct.Struct("<q")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # Another user's.
    return True
