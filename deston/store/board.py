"""The board: counters and health that all processes of a machine see, in one mapped file of ``run_dir``.

What lives here: its layout, places for workers, rows for servers, named figures, and the sums.
What must not: what a process does with it (``deston.sharing``), live objects.
Invariant: a place is written by the one worker that holds it, health by the leader alone, and each number is a cell
that is written at once; so nobody waits for anybody. What a dead worker left is folded into the first place by whoever
finds it, under the lock that also gives out places and rows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from deston.errors import StoreError
from deston.store.changes import LONGEST_NAME
from deston.store.counted import Counts, Found, WorkerPlace
from deston.store.liveness import LARGEST_PROCESS, began, lives
from deston.store.mapped import CELL, MappedFile

_MAGIC = b"DESTON board 3\0\0"
_OLDER = (b"DESTON board 1\0\0", b"DESTON board 2\0\0")
# The first place is for what dead workers have left. A reload that brings new workers needs twice as many for a while.
MOST_WORKERS = 64
MOST_SERVERS = 2048
MOST_FIGURES = 8192
_NAME, _REASON = LONGEST_NAME, 224

# The cells of the head, behind the magic; of a worker, of a server's counts in a place, and of a server's health.
_REVISION, _ROWS, _LEADER, _FIGURES = 2, 3, 4, 5
_WORKER_CELLS, _COUNT_CELLS, _HEALTH_CELLS = 4, 8, 6
_LATENCY, _MARKED, _REFUSAL = 5, 6, 7
_HEALTH_SIZE = _HEALTH_CELLS * CELL + _REASON
_NAME_SIZE = _NAME + CELL

_WORKERS_AT = 4096
_NAMES_AT = _WORKERS_AT + MOST_WORKERS * _WORKER_CELLS * CELL
_HEALTH_AT = _NAMES_AT + MOST_SERVERS * _NAME_SIZE
_COUNTS_AT = _HEALTH_AT + MOST_SERVERS * _HEALTH_SIZE
_FIGURE_NAMES_AT = _COUNTS_AT + MOST_WORKERS * MOST_SERVERS * _COUNT_CELLS * CELL
_FIGURES_AT = _FIGURE_NAMES_AT + MOST_FIGURES * _NAME_SIZE
_SIZE = _FIGURES_AT + MOST_WORKERS * MOST_FIGURES * CELL


class Board:
    """The mapped file, which is made where it is missing. Every method raises ``StoreError``."""

    def __init__(self, file: str, creates: bool = True) -> None:
        self._mapped = MappedFile(file, _SIZE, _MAGIC, _OLDER, creates)
        self.file = file
        self._whole, self._real, self._bytes = self._mapped.whole, self._mapped.real, self._mapped.map
        self._rows: dict[str, int] = {}
        # By pool and server: names, addresses and rows.
        self._members: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        self._figures: dict[str, int] = {}
        self._own_beginning = began(os.getpid())
        try:
            self._require_sense()
        except StoreError:
            self.close()
            raise

    def _require_sense(self) -> None:
        fits = 0 <= self._whole[_ROWS] <= MOST_SERVERS and 0 <= self._whole[_FIGURES] <= MOST_FIGURES
        fits = fits and all(0 <= self.worker(place).process <= LARGEST_PROCESS for place in range(MOST_WORKERS))
        if fits:
            self._read_names()
            fits = all(name.count("\0") == 2 for name in self._rows)
        if not fits:
            raise StoreError(f"{self.file}: it is damaged: move it away")

    def locked(self) -> AbstractContextManager[None]:
        """Alone among all processes, for what is rare: places and rows."""
        return self._mapped.locked()

    @property
    def is_in_place(self) -> bool:
        """Whether it is still the file of its name."""
        return self._mapped.is_in_place

    def move_away(self) -> None:
        """Have everybody begin a new one."""
        self._mapped.move_away()

    @property
    def revision(self) -> int:
        """The revision of the store, as whoever changed it last has said."""
        return self._whole[_REVISION]

    def raise_revision(self, revision: int) -> None:
        """Tell that the store has this revision, or a later one."""
        with self.locked():
            self._whole[_REVISION] = max(revision, self._whole[_REVISION])

    def put_revision(self, revision: int) -> None:
        """Tell that the store has just this revision."""
        self._whole[_REVISION] = revision

    @property
    def leader(self) -> int:
        """The process that checks health, 0 for none."""
        return self._whole[_LEADER]

    @leader.setter
    def leader(self, process: int) -> None:
        self._whole[_LEADER] = process

    def is_leader_silent(self, seconds: float) -> bool:
        """Whether the leader has a place, and has not beaten for so long: it was stopped, or hangs."""
        beats = [one.at for one in self.workers() if one.process == self.leader]
        return bool(beats) and time.monotonic() - max(beats) > seconds

    # --- workers

    def take_place(self) -> int:
        """A place for this process; raises ``StoreError`` where all are taken."""
        with self.locked():
            for place in range(1, MOST_WORKERS):
                one = self.worker(place)
                if one.process and one.process != os.getpid() and self._lives(one):
                    continue
                self._retire(place)
                self._put_worker(place, os.getpid(), self._own_beginning, 0)
                return place
        raise StoreError(f"{self.file}: more than {MOST_WORKERS - 1} workers")

    def leave_place(self, place: int) -> None:
        """Give a place up: what was carried stays counted, what is under way does not."""
        with self.locked():
            if self.holds(place):
                self._retire(place)

    def holds(self, place: int) -> bool:
        """Whether a place is this process's."""
        return self.worker(place).process == os.getpid()

    def retire_dead(self) -> list[int]:
        """Fold what dead workers left into the first place; their processes."""
        dead = [one for one in self.workers() if not self._lives(one)]
        retired = []
        if dead:
            with self.locked():
                for place in (one.place for one in dead):
                    now = self.worker(place)
                    if now.process and not self._lives(now):
                        self._retire(place)
                        retired.append(now.process)
        return retired

    def _retire(self, place: int) -> None:
        if not self.worker(place).process:
            return
        for row in range(self._whole[_ROWS]):
            left = self.counts(place, row)
            if any(left):
                self.put_counts(0, row, self.counts(0, row).plus(left.without_present()))
                self.put_counts(place, row, Counts())
        for name, figure in self._known_figures().items():
            if name.startswith("+"):
                self._real[_figure_at(0, figure)] += self._real[_figure_at(place, figure)]
            self._real[_figure_at(place, figure)] = 0.0
        self._put_worker(place, 0, 0, 0)

    def _lives(self, worker: WorkerPlace) -> bool:
        return lives(worker.process, worker.began)

    def beat(self, place: int, revision: int) -> None:
        """Tell that the worker is at work, and which revision it has applied."""
        self._put_worker(place, os.getpid(), self._own_beginning, revision)

    def _put_worker(self, place: int, process: int, since: int, revision: int) -> None:
        at = _worker_at(place)
        self._whole[at + 1], self._whole[at + 2], self._real[at + 3] = since, revision, time.monotonic()
        self._whole[at] = process  # Last: who sees the process sees what belongs to it.

    def worker(self, place: int) -> WorkerPlace:
        at = _worker_at(place)
        whole = self._whole
        return WorkerPlace(place, whole[at], whole[at + 1], whole[at + 2], self._real[at + 3])

    def living(self) -> list[WorkerPlace]:
        """All workers that live."""
        return [one for one in self.workers() if self._lives(one)]

    def workers(self) -> list[WorkerPlace]:
        """All that hold a place, whether they live or not."""
        found = (self.worker(place) for place in range(1, MOST_WORKERS))
        return [one for one in found if one.process]

    # --- rows

    def row(self, name: str, creates: bool = True) -> int:
        """The row of a server by its name, -1 where it has none and is not to get one.

        Raises ``StoreError`` where all are taken, or its name is too long.
        """
        found = self._rows.get(name, -1)
        if found < 0:
            self._read_names()
            found = self._rows.get(name, -1)
        if found >= 0 or not creates:
            return found
        with self.locked():
            self._read_names()
            if name not in self._rows:
                self._new_name(name, _NAMES_AT, _ROWS, MOST_SERVERS, "servers")
                self._read_names()
        return self._rows[name]

    def members(self, pool: str, server: str) -> list[tuple[str, str, int]]:
        """A server and those that stand for further addresses of its name: name, address and row of each.

        Of one whose address has changed the rows of before are among them.
        """
        self._read_names()
        return self._members.get((pool, server), [])

    def rows_of(self, pool: str, server: str) -> list[int]:
        """The rows of a server under any address, and of those that stand for it."""
        return [row for _, _, row in self.members(pool, server)]

    def _new_name(self, name: str, at: int, counter: int, most: int, what: str) -> int:
        number, encoded = self._whole[counter], name.encode()
        if number >= most or len(encoded) > _NAME:
            raise StoreError(f"{self.file}: more than {most} {what}, or a name of over {_NAME} bytes")
        begin = at + number * _NAME_SIZE
        self._bytes[begin + CELL : begin + CELL + len(encoded)] = encoded
        self._whole[begin // CELL] = len(encoded)
        self._whole[counter] = number + 1
        return number

    def _name(self, at: int, number: int) -> str:
        begin = at + number * _NAME_SIZE
        length = min(max(0, self._whole[begin // CELL]), _NAME)
        return self._bytes[begin + CELL : begin + CELL + length].decode("utf-8", "replace")

    def _read_names(self) -> None:
        for row in range(len(self._rows), self._whole[_ROWS]):
            name = self._name(_NAMES_AT, row)
            self._rows[name] = row
            pool, server, address = name.split("\0") if name.count("\0") == 2 else ("", "", "")
            self._members.setdefault((pool, server.partition("@")[0]), []).append((server, address, row))

    # --- numbers

    def counts(self, place: int, row: int) -> Counts:
        at = _counts_at(place, row)
        active, total, failures, bytes_in, bytes_out = self._whole[at : at + _LATENCY]
        return Counts(
            active, total, failures, bytes_in, bytes_out,
            latency=self._real[at + _LATENCY],
            marked=self._real[at + _MARKED],
            refusal=self._whole[at + _REFUSAL],
        )  # fmt: skip

    def put_counts(self, place: int, row: int, counts: Counts) -> None:
        at = _counts_at(place, row)
        whole, real = self._whole, self._real
        whole[at], whole[at + 1], whole[at + 2] = counts.active, counts.total, counts.failures
        whole[at + 3], whole[at + 4] = counts.bytes_in, counts.bytes_out
        real[at + _LATENCY], real[at + _MARKED], whole[at + _REFUSAL] = counts.latency, counts.marked, counts.refusal

    def elsewhere(self, places: Iterable[int], row: int) -> tuple[int, float]:
        """The leases of a server in other places together, and until when one of them has marked it."""
        active, marked = 0, 0.0
        for place in places:
            at = _counts_at(place, row)
            active += self._whole[at]
            marked = max(marked, self._real[at + _MARKED])
        return active, marked

    def sum(self, row: int, living: Sequence[WorkerPlace] | None = None) -> Counts:
        """What all workers carried to a server, those that are gone among them.

        ``living`` are those that live, where that was found out already.
        """
        alive = {one.place for one in (self.living() if living is None else living)}
        total = self.counts(0, row)
        for worker in self.workers():
            counts = self.counts(worker.place, row)
            total = total.plus(counts if worker.place in alive else counts.without_present())
        return total

    def health(self, row: int) -> Found:
        at = _health_at(row)
        begin = at * CELL + _HEALTH_CELLS * CELL
        reason = self._bytes[begin : begin + _REASON].rstrip(b"\0").decode("utf-8", "replace")
        whole, real = self._whole, self._real
        return Found(whole[at], real[at + 1], reason, whole[at + 2], whole[at + 3], whole[at + 4], real[at + 5])

    def put_health(self, row: int, found: Found) -> None:
        at = _health_at(row)
        begin = at * CELL + _HEALTH_CELLS * CELL
        self._bytes[begin : begin + _REASON] = found.reason.encode()[:_REASON].ljust(_REASON, b"\0")
        whole, real = self._whole, self._real
        whole[at + 2], whole[at + 3], whole[at + 4], real[at + 5] = found[3:]
        whole[at], real[at + 1] = found.health, found.at

    # --- named figures

    def figure(self, name: str) -> int:
        """The number of a named figure, which is made where it is missing; one whose name begins with ``+`` only grows.

        What dead workers left of such a one stays counted. Raises ``StoreError`` where all are taken.
        """
        if name not in self._known_figures():
            if self._whole[_FIGURES] >= MOST_FIGURES:  # It takes no lock to see that.
                raise StoreError(f"{self.file}: more than {MOST_FIGURES} figures")
            with self.locked():
                if name not in self._known_figures():
                    self._new_name(name, _FIGURE_NAMES_AT, _FIGURES, MOST_FIGURES, "figures")
        return self._known_figures()[name]

    def put_figure(self, place: int, number: int, value: float) -> None:
        self._real[_figure_at(place, number)] = value

    def figures(self) -> dict[str, float]:
        """Every figure, summed over all who count; without the sign of its kind."""
        places = [0, *(one.place for one in self.living())]
        known = self._known_figures().items()
        return {name.lstrip("+"): sum(self._real[_figure_at(place, at)] for place in places) for name, at in known}

    def _known_figures(self) -> dict[str, int]:
        """The numbers of all figures by name, also of those that came just now."""
        for number in range(len(self._figures), self._whole[_FIGURES]):
            self._figures[self._name(_FIGURE_NAMES_AT, number)] = number
        return self._figures

    def close(self) -> None:
        """Unmap it; a second call does nothing."""
        self._mapped.close()


def _worker_at(place: int) -> int:
    return _WORKERS_AT // CELL + place * _WORKER_CELLS


def _counts_at(place: int, row: int) -> int:
    return _COUNTS_AT // CELL + (place * MOST_SERVERS + row) * _COUNT_CELLS


def _health_at(row: int) -> int:
    return (_HEALTH_AT + row * _HEALTH_SIZE) // CELL


def _figure_at(place: int, figure: int) -> int:
    return _FIGURES_AT // CELL + place * MOST_FIGURES + figure
