"""What a server of the soak has served, in a file that outlives it.

What lives here: a number for each protocol, in a mapped file.
What must not: who serves.
Invariant: a number is written by one process at a time; that process may be killed at any moment, and what it had
counted stays.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from scripts.soak.model import PROTOCOLS

_CELL = struct.Struct("=q")


class Tally:
    """The numbers of one server; the file is made where it is missing."""

    def __init__(self, file: Path) -> None:
        size = len(PROTOCOLS) * _CELL.size
        if not file.exists():
            file.write_bytes(bytes(size))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), size)

    def add(self, protocol: str) -> None:
        """One more was served."""
        at = PROTOCOLS.index(protocol) * _CELL.size
        _CELL.pack_into(self._map, at, _CELL.unpack_from(self._map, at)[0] + 1)

    def read(self) -> dict[str, int]:
        """What was served, by protocol."""
        return {name: int(_CELL.unpack_from(self._map, place * _CELL.size)[0]) for place, name in enumerate(PROTOCOLS)}

    def close(self) -> None:
        self._map.close()
