"""A file that all processes of a machine have in their memory.

What lives here: making it, mapping it, its cells of eight bytes each.
What must not: what stands in it (``board``).
Invariant: a cell is read and written at once, so that nobody sees half of a number; whatever is wrong with the file is
a ``StoreError``.
"""

from __future__ import annotations

import mmap
import os
from contextlib import AbstractContextManager

from deston.errors import StoreError
from deston.store.locking import alone

CELL = 8
_MAGIC_SIZE = 16


class MappedFile:
    """The file of that size, which begins with ``magic``. Raises ``StoreError``.

    It is made where it is missing, if ``creates``; one of an ``older`` magic is then replaced.
    """

    def __init__(self, file: str, size: int, magic: bytes, older: tuple[bytes, ...] = (), creates: bool = True) -> None:
        self.file = file
        self._size = size
        try:
            if creates:
                os.makedirs(os.path.dirname(file), exist_ok=True)
                if _begins_with(file, older):
                    os.unlink(file)
            descriptor = os.open(file, os.O_RDWR | (os.O_CREAT if creates else 0) | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < size:
                    # No sparse file: on a full disk the first write to a hole would kill the process.
                    os.posix_fallocate(descriptor, 0, size)
                self.map = mmap.mmap(descriptor, size)
                self._inode = os.fstat(descriptor).st_ino
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError(f"{file}: it cannot be used: {error.strerror}") from error
        self.whole = memoryview(self.map).cast("q")
        self.real = memoryview(self.map).cast("d")
        self._require(magic)

    def _require(self, magic: bytes) -> None:
        found = bytes(self.map[:_MAGIC_SIZE])
        if found == bytes(_MAGIC_SIZE):
            with self.locked():
                self.map[:_MAGIC_SIZE] = magic
        elif found != magic:
            self.close()
            raise StoreError(f"{self.file}: it is damaged, or of another version: move it away")

    def locked(self) -> AbstractContextManager[None]:
        """Alone among all processes; entering it raises ``StoreError``."""
        return alone(f"{self.file}.lock")

    @property
    def is_in_place(self) -> bool:
        """Whether it is still the file of its name, and as long as it was."""
        try:
            found = os.stat(self.file)
        except OSError:
            return False
        return found.st_ino == self._inode and found.st_size >= self._size

    def move_away(self) -> None:
        """Make room for a new one; raises ``StoreError``."""
        try:
            os.replace(self.file, f"{self.file}.old")
        except OSError as error:
            raise StoreError(f"{self.file}: it cannot be moved: {error.strerror}") from error

    def close(self) -> None:
        """Unmap it; a second call does nothing."""
        self.whole.release()
        self.real.release()
        self.map.close()


def _begins_with(file: str, magics: tuple[bytes, ...]) -> bool:
    try:
        with open(file, "rb") as stream:
            return stream.read(_MAGIC_SIZE) in magics
    except FileNotFoundError:
        return False
