"""A worker's answers to commands: what is under way in it, and the end of it.

What lives here: the unix socket of one process, who is served on it and for how long, numbers of things.
What must not: what a connection or a request is (``l4.sessions``, ``l7.sessions``), the words on the wire (``wire``).
Invariant: traffic never waits for an answer: it is made in pieces, between which everything else runs, and goes to a
few commands at a time, each of which has to keep up. What is under way is looked at when somebody asks, and not
counted before.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import gevent
from gevent.pool import Pool

from deston.config.model import Config
from deston.errors import ReadTimeout, StoreError, StreamError
from deston.net.stream import NEVER, Stream
from deston.repeats import seldom
from deston.sessions import wire
from deston.sessions.entry import Entry, Wanted, make_id, number_of
from deston.sessions.sockets import Place, accept, clear_stale, listen, own_place
from deston.sessions.wire import Last, Question

log = logging.getLogger("deston.sessions")

# Commands that are answered at one time; further ones wait in the backlog.
MOST_CLIENTS = 4
# How long a command may take to ask, and to take a piece of the answer; and how long all of it may last; in seconds.
PATIENCE, LONGEST = 5.0, 30.0
# Things in a piece, about a millisecond's work in which nothing else runs; and the pause behind it, in seconds. A sleep
# of no time would not do: gevent then looks at the sockets behind fifty pieces only.
PIECE, BREATH = 100, 0.001
# How long it is waited for the end of what was told to end, and how often it is looked; in seconds.
ENDING, LOOK = 1.0, 0.01
# How often it is looked whether the socket is still there, and how long accepting pauses when it fails; in seconds.
BEAT, PAUSE = 5.0, 0.1
# Numbers begin by chance: a process that got the number of a dead one is no taker of what was meant for that.
_FIRST = 36**4, 36**5

_IN_PASSING = (errno.EAGAIN, errno.ECONNABORTED)


class Numbered(Protocol):
    """What an operator may ask for: it keeps its number for as long as it lives; empty before it was given one."""

    number: str


class Source(Protocol):
    """Where things are under way, such as a listener."""

    def under_way(self) -> list[Any]:
        """All of them, as of now."""

    def identity(self, thing: Any) -> Numbered | None:
        """What a number is given to; None where it is over by now."""

    def describe(self, thing: Any, id: str, now: float) -> Entry:
        """What is told of one that is not over; ``now`` is on the monotonic clock."""

    def end(self, thing: Any) -> str:
        """End one that is not over, now or soon, as an operator's doing; else why that cannot be."""


class _Found(NamedTuple):
    """A thing that fits, and what it was when it was found."""

    source: Source
    thing: Any
    identity: Numbered
    entry: Entry

    @property
    def is_over(self) -> bool:
        return self.source.identity(self.thing) is not self.identity


class Numbers:
    """Numbers of things, given out to those that somebody asks for, and never again."""

    def __init__(self) -> None:
        self._next = random.randrange(*_FIRST)

    def of(self, thing: Numbered) -> str:
        """The number of a thing, which gets one where it has none."""
        if not thing.number:
            thing.number = number_of(self._next)
            self._next += 1
        return thing.number


class Service:
    """Answers for one process; ``start``, ``run`` and ``stop`` are those of a companion of the monitor."""

    def __init__(self, config: Config) -> None:
        self._config = config
        #: Where there is something to be told of.
        self.sources: list[Source] = []
        self._numbers = Numbers()
        self._own: Place | None = None
        self._inode = 0
        self._stream: Stream | None = None
        self._clients = Pool(MOST_CLIENTS)
        self._trouble = ""

    def start(self) -> None:
        """Listen; where that cannot be, it is said in the log, and tried again."""
        self._own = own_place(self._config)
        try:
            clear_stale(self._config)
            raw = listen(self._own)
            self._inode = os.stat(self._own.path).st_ino
        except (StoreError, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("commands cannot see what is under way here: %s", error)
            return
        self._trouble = ""
        self._stream = Stream(raw)

    def run(self) -> None:
        """Answer for ever: the body of a greenlet."""
        while True:
            if self._stream is None or not self._is_in_place():
                self._close()
                self.start()
            if self._stream is None:
                gevent.sleep(BEAT, ref=False)
            else:
                self._accept(self._stream)

    def stop(self) -> None:
        """Answer no more; a second call does nothing."""
        self._clients.kill(block=False)
        if self._own is not None and self._is_in_place():
            with contextlib.suppress(OSError):
                os.unlink(self._own.path)
        self._close()

    def _is_in_place(self) -> bool:
        """Whether the socket is still the one of its name."""
        try:
            return self._own is not None and os.stat(self._own.path).st_ino == self._inode
        except OSError:
            return False

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _accept(self, stream: Stream) -> None:
        """Take the next command, once one of the places is free; gives up after a while."""
        self._clients.wait_available()
        stream.expire_after(BEAT)
        try:
            stream.wait_readable()
            raw = accept(stream.socket)
        except ReadTimeout:
            return
        except OSError as error:
            if error.errno not in _IN_PASSING:
                seldom(log, logging.WARNING, "a command cannot be answered: %s", str(error.strerror))
                gevent.sleep(PAUSE, ref=False)
            return
        self._clients.spawn(self._serve, Stream(raw))

    def _serve(self, stream: Stream) -> None:
        stream.limit_writes(PATIENCE)
        try:
            with gevent.Timeout(LONGEST):
                stream.expire_after(PATIENCE)
                question = self._read(stream)
                stream.expire_after(NEVER)
                if stream.has_ended():
                    return  # Whoever asked has given up, such as while this process was stopped.
                for piece in self._answer(question):
                    stream.write(piece)
        except (StreamError, gevent.Timeout) as error:
            log.debug("a command has left, or does not keep up: %s", error)
        finally:
            stream.close()

    @staticmethod
    def _read(stream: Stream) -> Question | None:
        line = b""
        while not line.endswith(b"\n"):
            piece = stream.read(wire.LONGEST_QUESTION)
            line += piece
            if not piece or len(line) > wire.LONGEST_QUESTION:
                return None
        return wire.read_question(line)

    def _answer(self, question: Question | None) -> Iterator[bytes]:
        if question is None:
            last = Last(refused="that is no question of this version of Deston")
        elif question.ends:
            last = yield from self._end(question)
        else:
            for piece in self._fitting(question.wanted):
                yield wire.answer_lines(one.entry for one in piece)
            last = Last()
        yield wire.last_line(last)

    def _fitting(self, wanted: Wanted, number: str = "") -> Iterator[list[_Found]]:
        """What is under way and fits, in pieces, between which other things happen."""
        process, numbers = os.getpid(), self._numbers
        for source in self.sources:
            things = iter(source.under_way())
            while some := list(islice(things, PIECE)):
                now = time.monotonic()
                piece = []
                for thing in some:
                    identity = source.identity(thing)
                    if identity is None or (number and identity.number != number):
                        continue
                    entry = source.describe(thing, make_id(process, numbers.of(identity)), now)
                    if wanted.fits(entry):
                        piece.append(_Found(source, thing, identity, entry))
                if piece:
                    yield piece
                gevent.sleep(BREATH)

    def _end(self, question: Question) -> Generator[bytes, None, Last]:
        """End what fits, and tell what of it is over then."""
        left, ended, refused = 0, 0, ""
        wanted = Wanted(idle=True) if question.number else question.wanted
        what: object = f"sessions with {wanted}"
        for piece in self._fitting(wanted, question.number):
            told = []
            for one in piece:
                why = one.source.end(one.thing)
                refused = why or refused
                if not why:
                    told.append(one)
                    what = one.entry if question.number else what
            over = _wait_for_end(told)
            left += len(told) - len(over)
            ended += len(over)
            if over:
                yield wire.answer_lines(over)
        if ended or left:
            log.info("an operator ended %s: over %d, not yet %d", what, ended, left)
        return Last(left, refused)

    def __repr__(self) -> str:
        return f"<Service {self._own.path if self._own else 'not started'}>"


def _wait_for_end(told: list[_Found]) -> list[Entry]:
    """Wait for a while until what was told to end is over; what of it is."""
    until = time.monotonic() + ENDING
    while True:
        over = [one.entry for one in told if one.is_over]
        if len(over) == len(told) or time.monotonic() > until:
            return over
        gevent.sleep(LOOK)
