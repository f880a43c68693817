"""A process that answers commands as it is told to, in a thread of the test's own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from deston.sessions import sockets
from deston.sessions.sockets import Place
from deston.store.liveness import began

Answering = Callable[[socket.socket], object]


@contextlib.contextmanager
def process(folder: Path, number: int, answer: Answering) -> Iterator[Place]:
    """A process of that number, which answers one command so, after it has heard the question."""
    with answering(Place(str(folder / f"{number}.sock"), number, began(os.getpid())), answer) as place:
        yield place


@contextlib.contextmanager
def answering(place: Place, answer: Answering) -> Iterator[Place]:
    """The same, at a place."""
    with socket.socket(fileno=sockets.listen(place).detach()) as listening:
        listening.settimeout(10.0)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(10.0)
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield place
        thread.join()
        os.unlink(place.path)


def says(data: bytes) -> Answering:
    return lambda connection: connection.sendall(data)
