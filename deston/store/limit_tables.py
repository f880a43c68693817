"""The tables of what limits count, in a mapped file of ``run_dir`` that all workers of a machine have.

What lives here: the file, and where each table stands in it.
What must not: what the tables mean (``tables``), who has which part (``sharing``).
Invariant: a part is written by the one worker that holds the place of that number on the board.
"""

from __future__ import annotations

from deston.store.board import MOST_WORKERS
from deston.store.mapped import CELL, MappedFile
from deston.tables import OpenTable, RateTable

_MAGIC = b"DESTON limits 1\0"
#: Keys whose rate is remembered, and clients of each worker of whom other workers know how many things are open.
MOST_RATES, MOST_OPEN = 65536, 4096

_HEAD = 4096 // CELL
_RATES_END = _HEAD + 2 * MOST_RATES
_SIZE = (_RATES_END + 2 * MOST_WORKERS * MOST_OPEN) * CELL


class LimitTables:
    """The mapped file, which is made where it is missing. Raises ``StoreError``."""

    def __init__(self, file: str) -> None:
        self._mapped = MappedFile(file, _SIZE, _MAGIC)
        whole, real = self._mapped.whole, self._mapped.real
        half = MOST_WORKERS * MOST_OPEN
        keys, times = whole[_HEAD : _HEAD + MOST_RATES], real[_HEAD + MOST_RATES : _RATES_END]
        open_keys, counts = whole[_RATES_END : _RATES_END + half], whole[_RATES_END + half :]
        self._views = (keys, times, open_keys, counts)
        self.rates = RateTable(keys, times)
        self.open = OpenTable(open_keys, counts, MOST_WORKERS)

    @property
    def is_in_place(self) -> bool:
        """Whether it is still the file of its name."""
        return self._mapped.is_in_place

    def close(self) -> None:
        """Unmap it: the tables cannot be used any more; a second call does nothing."""
        for view in self._views:
            view.release()
        self._mapped.close()
