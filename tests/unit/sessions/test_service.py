"""A worker's answers: to whom, how much at a time, and what an end at an operator's word does."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.socket import socket as GeventSocket

from deston.config.model import Config
from deston.sessions import service as services
from deston.sessions import sockets, wire
from deston.sessions.asking import Answer, ask
from deston.sessions.entry import Entry, Wanted
from deston.sessions.service import Numbers, Service
from deston.sessions.sockets import places, reachable
from deston.sessions.wire import Last, Question
from tests.leaks import nothing_left_behind
from tests.unit.config.texts import GOOD, load_text
from tests.unit.sessions.entries import make_entry
from tests.wires import in_good_time, read_all


class Thing:
    """Something that is under way; ``stays`` is whether it is over only a while after it was told to end."""

    def __init__(self, name: str = "a", stays: bool = False) -> None:
        self.name = name
        self.stays = stays
        self.number = ""


class Things:
    """Where things are under way."""

    def __init__(self, *things: Thing, refusal: str = "") -> None:
        self.things = set(things)
        self.refusal = refusal

    def under_way(self) -> list[Thing]:
        return sorted(self.things, key=lambda one: one.name)

    def identity(self, thing: Thing) -> Thing | None:
        return thing if thing in self.things else None

    def describe(self, thing: Thing, id: str, now: float) -> Entry:
        return make_entry(id=id, server=thing.name)

    def end(self, thing: Thing) -> str:
        if not self.refusal and not thing.stays:
            self.things.discard(thing)
        return self.refusal


class Scene:
    """A service that runs, and a command that asks it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.source = Things()
        self.service = Service(config)
        self.service.sources.append(self.source)
        self.service.start()
        self.running = gevent.spawn(self.service.run)

    def ask(self, question: Question, limit: int = 100) -> Answer:
        """As a command does: from another thread, as it would be another process."""
        threads = gevent.get_hub().threadpool
        return threads.apply(lambda: ask(places(self.config), question, "server", limit))

    def names(self, **wanted: Any) -> list[str]:
        answer = self.ask(Question(False, Wanted(**wanted)))
        assert answer[1:] == (0, "", {})
        return [one.server for one in answer.found.in_order()]

    def id_of(self, name: str) -> str:
        (found,) = self.ask(Question(False, Wanted(server=name))).found.in_order()
        return found.id.partition("-")[2]

    def connect(self) -> GeventSocket:
        made = GeventSocket(1, 1)
        (place,) = places(self.config)
        with reachable(place.path) as path:
            made.connect(path)
        return made

    def stop(self) -> None:
        self.running.kill()
        self.service.stop()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(services, "ENDING", 0.1)
    with nothing_left_behind(), in_good_time():
        made = Scene(load_text(tmp_path, GOOD))
        yield made
        made.stop()
        assert places(made.config) == []


def test_what_is_under_way_is_told(scene: Scene) -> None:
    """As of when it is asked for, and what fits alone."""
    assert scene.names() == []
    scene.source.things |= {Thing("a"), Thing("b")}
    assert scene.names() == ["a", "b"]
    assert scene.names(server="b") == ["b"]
    assert scene.names(pool="other") == []


def test_an_id_stays_with_its_thing(scene: Scene) -> None:
    """It is kept while that is under way, and no other thing ever gets it."""
    one = Thing("a")
    scene.source.things = {one}
    number = scene.id_of("a")
    assert scene.id_of("a") == number
    scene.source.things = {Thing("a")}
    assert scene.id_of("a") != number
    answer = scene.ask(Question(True, number=number))
    assert (answer.found.total, answer.left, answer.refused) == (0, 0, "")
    assert len(scene.source.things) == 1


def test_a_number_is_given_once() -> None:
    """And never again, to whatever comes in the place of what had it."""
    numbers = Numbers()
    one, other = Thing(), Thing()
    assert numbers.of(one) == numbers.of(one) == one.number != numbers.of(other)


def test_one_is_ended_by_its_number(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """And no other; the log says which."""
    scene.source.things = {Thing("a"), Thing("b")}
    with caplog.at_level(logging.INFO, "deston.sessions"):
        answer = scene.ask(Question(True, number=scene.id_of("a")))
    (ended,) = answer.found.in_order()
    assert (ended.server, answer.left) == ("a", 0)
    assert scene.names() == ["b"]
    assert caplog.messages == [f"an operator ended {ended}: over 1, not yet 0"]


def test_many_are_ended_by_what_they_have_in_common(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """More than a piece of them, and what is not over after a while is told."""
    scene.source.things = {Thing("a") for _ in range(250)} | {Thing("b"), Thing("a", stays=True)}
    with caplog.at_level(logging.INFO, "deston.sessions"):
        answer = scene.ask(Question(True, Wanted(server="a")))
    assert (answer.found.total, answer.left) == (250, 1)
    assert scene.names() == ["a", "b"]
    assert caplog.messages == ["an operator ended sessions with server=a: over 250, not yet 1"]


def test_what_cannot_be_ended_is_told(scene: Scene) -> None:
    """With the reason."""
    scene.source.things, scene.source.refusal = {Thing("a")}, "it is in a thread"
    answer = scene.ask(Question(True, number=scene.id_of("a")))
    assert (answer.found.total, answer.left, answer.refused) == (0, 0, "it is in a thread")
    assert scene.names() == ["a"]


def test_ten_thousand_are_told_in_pieces(scene: Scene) -> None:
    """Others run in between, and of what ended meanwhile nothing is said."""
    scene.source.things = {Thing(f"{number:05}") for number in range(10_000)}
    turns = []

    def run_beside() -> None:
        while True:
            turns.append(len(scene.source.things))
            scene.source.things = {one for one in scene.source.things if one.name != "09999"}
            gevent.sleep(0)

    beside = gevent.spawn(run_beside)
    answer = scene.ask(Question(False), limit=50)
    beside.kill()
    assert answer.found.total == 9999
    assert len(answer.found.in_order()) == 50
    assert len(turns) >= 10_000 / services.PIECE


@pytest.mark.parametrize(
    "said", [b"\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100_000, b"\x00" * 10 + b"\n", b"[]\n[]\n", b'["half'], ids=repr
)
def test_who_asks_nonsense_is_refused(scene: Scene, said: bytes) -> None:
    """In one line; the next command is answered."""
    with scene.connect() as client:
        client.sendall(said[: wire.LONGEST_QUESTION + 1])
        if not said.endswith(b"\n"):
            client.shutdown(1)
        answer = read_all(client)
    assert answer == b"" or wire.read_answer(answer) == Last(refused="that is no question of this version of Deston")
    assert scene.names() == []


def test_who_says_nothing_or_reads_nothing_does_not_stay(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes none of the few places for long."""
    monkeypatch.setattr(services, "PATIENCE", 0.1)
    scene.source.things = {Thing(f"{number:05}") for number in range(10_000)}
    silent = [scene.connect() for _ in range(services.MOST_CLIENTS)]
    deaf = [scene.connect() for _ in range(services.MOST_CLIENTS)]
    for one in deaf:
        one.sendall(wire.question_line(Question(False)))
    assert len(scene.names()) == 100
    for one in (*silent, *deaf):
        one.close()


def test_an_answer_does_not_last_for_ever(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to be looked at."""
    monkeypatch.setattr(services, "LONGEST", 0.1)
    monkeypatch.setattr(Things, "under_way", lambda self: _endless())
    with scene.connect() as client:
        client.sendall(wire.question_line(Question(False)))
        assert read_all(client) == b""


def _endless() -> Iterator[Thing]:
    while True:
        yield Thing()


def test_who_has_given_up_ends_nothing(scene: Scene) -> None:
    """Such as while the process was stopped: its question is read when nobody waits for the answer any more."""
    scene.source.things = {Thing("a")}
    with scene.connect() as client:
        client.sendall(wire.question_line(Question(True, Wanted(server="a"))))
    assert scene.names() == ["a"]


def test_a_folder_that_cannot_be_used_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and commands are answered from then on."""
    monkeypatch.setattr(services, "BEAT", 0.02)
    (tmp_path / "run").touch()
    with in_good_time():
        scene = Scene(load_text(tmp_path, GOOD))
        gevent.sleep(0.1)
        assert len(caplog.messages) == 1
        assert "commands cannot see what is under way here" in caplog.messages[0]
        (tmp_path / "run").unlink()
        _wait_for(lambda: places(scene.config))
        assert scene.names() == []
        os.unlink(places(scene.config)[0].path)  # Somebody moved the files away.
        _wait_for(lambda: places(scene.config))
        assert scene.names() == []
        scene.stop()
    assert repr(scene.service).endswith(".sock>")


def _wait_for(condition: Callable[[], object]) -> None:
    while not condition():
        gevent.sleep(0.01)


def test_accepting_that_fails_is_told_and_goes_on(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as where descriptors have run out."""
    monkeypatch.setattr(services, "PAUSE", 0.01)
    accept, stops = sockets.accept, time.monotonic() + 0.05

    def fail(listening: Any) -> Any:
        if time.monotonic() < stops:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listening)

    monkeypatch.setattr(services, "accept", fail)
    with scene.connect() as client:
        client.sendall(b"x")
        gevent.sleep(0.1)
    assert scene.names() == []
    assert "a command cannot be answered: Too many open files" in caplog.messages
