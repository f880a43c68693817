"""What a process tells of its servers, and takes from others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.health.passive import PassiveMarks
from deston.publishing import Publishing
from deston.store import board as boards
from deston.store.board import Board
from deston.store.counted import Counts
from tests.builders import make_server_config
from tests.unit.health import builders


class Scene:
    """A process with servers and a board, and the place of another one."""

    def __init__(self, file: str) -> None:
        self.servers = builders.servers(2)
        self.registry = Registry([builders.pool(*self.servers)])
        self.marks = PassiveMarks(self.registry, lambda: 100.0)
        self.publishing = Publishing(self.registry, self.marks)
        self.board = Board(file)
        self.place = self.board.take_place()
        self.tell()

    def tell(self) -> None:
        self.publishing.tell(self.board, self.place)

    def told(self, server: str) -> Counts:
        return self.board.counts(self.place, self.board.members("app", server)[0][2])

    def elsewhere(self, server: str, counts: Counts) -> None:
        """Let another process have carried that."""
        other = self.place + 1
        self.board._put_worker(other, 1, 1, 0)
        self.board.put_counts(other, self.board.members("app", server)[0][2], counts)
        self.publishing.take(self.board, self.place)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(str(tmp_path / "board"))
    yield made
    made.board.close()


def test_counts_are_told(scene: Scene) -> None:
    """But for what others have under way, which was taken from them."""
    a = scene.servers[0]
    a.active, a.total, a.bytes_in = 3, 7, 100
    a.latency = 0.5
    scene.elsewhere("a", Counts(active=2))
    assert (a.active, a.elsewhere) == (5, 2)
    scene.tell()
    assert scene.told("a")[:4] == (3, 7, 0, 100)
    assert scene.told("a").latency == 0.5


def test_a_server_that_comes_again_goes_on_counting(scene: Scene) -> None:
    """One that was removed and added again has another object: what both carry is one row."""
    a, b = scene.servers
    a.active, a.total = 2, 10
    again = Server(a.config)
    scene.registry.replace([builders.pool(b)])
    scene.tell()
    assert scene.told("a")[:2] == (2, 10)
    scene.registry.replace([builders.pool(again, b)])
    again.active = again.total = 1
    scene.tell()
    assert scene.told("a")[:2] == (3, 11)
    a.active = 0
    scene.tell()
    scene.tell()
    assert scene.told("a")[:2] == (1, 11)


def test_a_server_with_another_name_takes_its_counts_along(scene: Scene) -> None:
    a, b = scene.servers
    a.active, a.total = 1, 4
    scene.tell()
    a.configure(make_server_config("renamed", address=a.address))
    scene.registry.replace([builders.pool(a, b)])
    scene.tell()
    assert scene.told("renamed")[:2] == (1, 4)
    assert scene.told("a") == Counts()


def test_a_server_without_a_row_is_alone(scene: Scene) -> None:
    """One with a name that is too long is told of to nobody; all others are."""
    long = builders.server("x" * 300)
    scene.registry.replace([builders.pool(*scene.servers, long)])
    scene.servers[1].total = 9
    scene.tell()
    (why,) = scene.publishing.unshared.values()
    assert "a name of over 240 bytes" in why
    assert scene.told("b").total == 9


def test_a_board_that_is_full_of_servers_that_are_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is to be begun anew."""
    monkeypatch.setattr(boards, "MOST_SERVERS", 2)
    assert not scene.publishing.is_crowded
    scene.registry.replace([builders.pool(builders.server("new"))])
    scene.tell()
    assert scene.publishing.is_crowded


def test_marks_of_others_count_here(scene: Scene) -> None:
    a, b = scene.servers
    scene.elsewhere("a", Counts(marked=150.0))
    assert a.marked
    scene.elsewhere("a", Counts())
    assert not a.marked
    for _ in range(3):
        scene.marks.observe(next(iter(scene.registry)), b, False)
    scene.tell()
    assert scene.told("b").marked == 110.0


def test_another_board_is_told_all_anew(scene: Scene, tmp_path: Path) -> None:
    scene.servers[0].total = 5
    scene.tell()
    scene.board.close()
    scene.board = Board(str(tmp_path / "other"))
    scene.place = scene.board.take_place()
    scene.publishing.forget_rows()
    scene.tell()
    assert scene.told("a").total == 5
