"""The unix sockets by which commands reach workers: one for each process, in ``run_dir``.

What lives here: their names, listening, connecting, and clearing those of processes that are gone.
What must not: what is said there (``wire``).
Invariant: only their owner and root can connect to them. A socket is cleared only when nobody listens on it and its
process is dead, so that one of another namespace of processes stays.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import socket
from _socket import socket as RawSocket
from collections.abc import Iterator
from typing import NamedTuple

from deston.config.model import Config
from deston.errors import StoreError
from deston.store.liveness import began, lives
from deston.store.places import place

# An address of a unix socket has room for so many bytes (unix(7)).
_LONGEST_PATH = 107
_BACKLOG = 16
_NAME = re.compile(r".*\.([1-9][0-9]{0,9})-([0-9]{1,20})\.sock", re.DOTALL)


class Place(NamedTuple):
    """Where a process listens: the path, and which process it is."""

    path: str
    process: int
    began: int


def own_place(config: Config) -> Place:
    """The one of this process."""
    process, since = os.getpid(), began(os.getpid())
    return Place(place(config, f"{process}-{since}.sock"), process, since)


def places(config: Config) -> list[Place]:
    """Those that there are, by the numbers of their processes."""
    found = []
    for path in glob.glob(f"{glob.escape(place(config, ''))}*.sock"):
        name = _NAME.fullmatch(path)
        if name is not None:
            found.append(Place(path, int(name[1]), int(name[2])))
    return sorted(found, key=lambda one: one.process)


def listen(own: Place) -> RawSocket:
    """A non-blocking socket that listens there, for its owner alone. Raises ``StoreError``."""
    made = RawSocket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        os.makedirs(os.path.dirname(own.path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(own.path)
        os.fchmod(made.fileno(), 0o600)  # Before it has a name, so that it never has one for others.
        with reachable(own.path) as path:
            made.bind(path)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise StoreError(f"{own.path}: it cannot be listened on: {error.strerror or error}") from error
    return made


def accept(listening: RawSocket) -> RawSocket:
    """The next connection, as a non-blocking socket. Raises ``OSError``, of which ``BlockingIOError`` is: none yet."""
    descriptor, _ = listening._accept()  # type: ignore[attr-defined]
    made = RawSocket(listening.family, listening.type, 0, fileno=descriptor)
    made.setblocking(False)
    return made


def connect(to: Place, seconds: float) -> socket.socket:
    """A connection to a process; each wait on it may take so long. Raises ``OSError``."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(seconds)
        with reachable(to.path) as path:
            made.connect(path)
    except OSError:
        made.close()
        raise
    return made


@contextlib.contextmanager
def reachable(path: str) -> Iterator[str]:
    """A name of ``path`` that fits into an address, for as long as it is used: by its folder, where it is too long."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)


def clear_stale(config: Config) -> None:
    """Take away the sockets of processes that are gone, as far as this one may."""
    for one in places(config):
        if not lives(one.process, one.began) and _is_refused(one):
            with contextlib.suppress(OSError):
                os.unlink(one.path)


def _is_refused(one: Place) -> bool:
    try:
        connect(one, 0.0).close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False
