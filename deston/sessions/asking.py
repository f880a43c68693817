"""A command's question to every process of a configuration, and what they answer.

What lives here: asking all of them at one time, with a deadline for each, and what is put together of their answers.
What must not: what is asked for, and how it is shown (``admin``).
Invariant: a process that does not answer costs its deadline and no more, and is told of; of any number of things no
more stay in memory than are wanted.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from deston.sessions import wire
from deston.sessions.entry import Entry, Foremost
from deston.sessions.sockets import Place, connect
from deston.sessions.wire import Last, Question
from deston.store.liveness import lives

# How long a process may be silent, and how long its answer may take in all, in seconds.
SILENCE, LONGEST = 3.0, 30.0
_READ = 65536
_WHY = {
    errno.EACCES: "it is another user's",
    errno.EPERM: "it is another user's",
    errno.EAGAIN: "it answers nobody",
    errno.ECONNREFUSED: "it does not listen",
}
_SILENT = f"it did not answer within {SILENCE:g}s"
_NOT_COMPLETE = "it did not complete its answer"


class Answer(NamedTuple):
    """What processes answer together; ``troubles`` are reasons why something of one is not known, by its number.

    ``left`` were told to end and are not over yet; ``refused`` is why some cannot be ended.
    """

    found: Foremost
    left: int
    refused: str
    troubles: dict[int, str]


def ask(those: Iterable[Place], question: Question, sort: str, limit: int) -> Answer:
    """Ask processes, all at one time."""
    found, troubles, left, refused = Foremost(sort, limit), dict[int, str](), 0, ""
    places = list(those)
    with ThreadPoolExecutor(max(1, len(places))) as threads:
        parts = threads.map(lambda one: _ask(one, question, Foremost(sort, limit)), places)
        for place, (part, last, trouble) in zip(places, parts, strict=True):
            found.take(part)
            left += last.left
            refused = last.refused or refused
            if trouble:
                troubles[place.process] = trouble
    return Answer(found, left, refused, troubles)


def _ask(place: Place, question: Question, found: Foremost) -> tuple[Foremost, Last, str]:
    """What one process answers, or why it does not."""
    try:
        with connect(place, SILENCE) as connection:
            connection.sendall(wire.question_line(question))
            for line in _lines(connection):
                read = wire.read_answer(line)
                if isinstance(read, Last):
                    return found, read, ""
                if not isinstance(read, Entry):
                    return found, Last(), "its answer cannot be understood"
                found.add([read])
    except TimeoutError:
        return found, Last(), _SILENT
    except OSError as error:
        return found, Last(), _reason(place, error)
    return found, Last(), _reason_of_end(place)


def _lines(connection: socket.socket) -> Iterator[bytes]:
    """The lines that come, for as long as an answer may take; raises ``TimeoutError`` after a silence."""
    rest, until = b"", time.monotonic() + LONGEST
    while piece := connection.recv(_READ):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > wire.LONGEST_LINE:
            yield rest  # It is no line of an answer, whatever follows.
        if time.monotonic() > until:
            return


def _reason(place: Place, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED) and not lives(place.process, place.began):
        return ""  # It is gone, and nothing is under way in it.
    return _WHY.get(error.errno or 0, error.strerror or str(error))


def _reason_of_end(place: Place) -> str:
    return _NOT_COMPLETE if lives(place.process, place.began) else ""
