"""A command's question to several processes: each answers, or is named."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from deston.sessions import asking, sockets, wire
from deston.sessions.asking import ask
from deston.sessions.sockets import Place
from deston.sessions.wire import Last, Question
from deston.store.liveness import LARGEST_PROCESS, began
from tests.unit.sessions.entries import make_entry
from tests.unit.sessions.process import process, says

DEAD = LARGEST_PROCESS + 1
GOOD = wire.answer_lines([make_entry("1"), make_entry("2")]) + wire.last_line(Last(1, "why"))


@pytest.mark.parametrize(
    ("data", "found", "trouble"),
    [
        (GOOD, 2, ""),
        (b"", 0, "it did not complete its answer"),
        (wire.answer_lines([make_entry()]), 1, "it did not complete its answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 0, "its answer cannot be understood"),
        (b"x" * 100_000, 0, "its answer cannot be understood"),
        (b"\n", 0, "its answer cannot be understood"),
    ],
    ids=["good", "nothing", "half", "http", "long", "empty"],
)
def test_what_a_process_says(tmp_path: Path, data: bytes, found: int, trouble: str) -> None:
    """What came is told, and why there may be more."""
    with process(tmp_path, os.getpid(), says(data)) as place:
        answer = ask([place], Question(False), "age", 10)
    assert answer.found.total == found
    assert answer.troubles == ({os.getpid(): trouble} if trouble else {})


def test_all_are_asked_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent costs its time once, whatever the others say."""
    monkeypatch.setattr(asking, "SILENCE", 0.5)
    both = threading.Barrier(2, timeout=10.0)

    def answer(connection: socket.socket) -> None:
        both.wait()
        connection.sendall(GOOD)

    def be_silent(connection: socket.socket) -> None:
        connection.recv(1)

    with (
        process(tmp_path, 1, answer) as one,
        process(tmp_path, 2, answer) as other,
        process(tmp_path, 3, be_silent) as silent,
    ):
        found = ask([one, other, silent], Question(False), "age", 10)
    assert found.found.total == 4
    assert (found.left, found.refused) == (2, "why")
    assert found.troubles == {3: asking._SILENT}


def test_an_endless_answer_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that an answer may take."""
    monkeypatch.setattr(asking, "LONGEST", 0.2)

    def go_on(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(wire.answer_lines([make_entry()] * 100))

    with process(tmp_path, os.getpid(), go_on) as place:
        answer = ask([place], Question(False), "age", 10)
    assert len(answer.found.in_order()) == 10
    assert answer.troubles == {os.getpid(): "it did not complete its answer"}


def test_who_does_not_listen(tmp_path: Path) -> None:
    """A process that lives is named; one that is gone has nothing under way."""
    alive = Place(str(tmp_path / "alive"), os.getpid(), began(os.getpid()))
    sockets.listen(alive).close()
    gone = [Place(str(tmp_path / name), DEAD, 5) for name in ("gone", "missing")]
    sockets.listen(gone[0]).close()
    answer = ask([alive, *gone], Question(False), "age", 10)
    assert answer.troubles == {os.getpid(): "it does not listen"}
    assert ask([], Question(False), "age", 10).troubles == {}


def test_a_queue_that_is_full(tmp_path: Path) -> None:
    """As that of a process that was stopped long ago."""
    place = Place(str(tmp_path / "full"), os.getpid(), began(os.getpid()))
    with socket.socket(fileno=sockets.listen(place).detach()), contextlib.ExitStack() as stack:
        for _ in range(100):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            if one.connect_ex(place.path):
                break
        assert ask([place], Question(False), "age", 10).troubles == {os.getpid(): "it answers nobody"}
