"""Readings and actions on the files of a configuration that nothing runs on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.admin.operator import Operator
from deston.admin.top.choices import Choices
from deston.admin.top.figures import UNICODE
from deston.admin.top.session import Session
from deston.errors import ConfigError, StoreError
from deston.store.board import Board
from deston.store.counted import Counts, Found
from deston.store.places import open_board

TEXT = """\
[global]
run_dir = {folder}/run
[listeners]
[[db]]
bind = 127.0.0.1:5433
protocol = tcp
pool = app
[pools]
[[app]]
[[[servers]]]
a = 127.0.0.1:3000
b = 127.0.0.1:3001
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "deston.conf"
    file.write_text(TEXT.format(folder=tmp_path))
    return file


@pytest.fixture
def board(file: Path) -> Iterator[Board]:
    """With a worker: this process."""
    board = open_board(Operator(str(file)).config)
    yield board
    board.close()


def session_of(file: Path) -> Session:
    return Session(str(file), Choices(), UNICODE, 1.0)


def frame(session: Session) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in session.frame(100, 24)]


def test_what_workers_count_becomes_rates(file: Path, board: Board) -> None:
    """From the board, through the operator."""
    place, row = board.take_place(), board.row("app\0a\x00127.0.0.1:3000")
    board.put_counts(place, row, Counts(active=1, total=10))
    board.put_health(row, Found(1, 1.0))
    session = session_of(file)
    session.read(1.0)
    board.put_counts(place, row, Counts(active=5, total=30))
    session.refresh(2.0)
    shown = frame(session)
    assert "1 worker" in shown[0]
    assert shown[1].startswith("all: 5 under way · 20/s")
    assert shown[4].split()[:6] == ["▶", "a", "✓", "up", "5", "20"]
    assert session.plain(100)[4].split()[:5] == ["a", "✓", "up", "5", "20"]


def test_an_action_lands_in_the_store(file: Path) -> None:
    """And the next frame shows it."""
    session = session_of(file)
    session.read(1.0)
    for key in "jdy":
        session.press(key)
    [change] = Operator(str(file)).state.changes
    assert (change.pool, change.server, change.value) == ("app", "b", "drain")
    shown = frame(session)
    assert shown[5].split()[:4] == ["▶", "*b", "↓", "drain"]
    assert shown[-1] == "app/b drains"
    for key in "ey":
        session.press(key)
    assert Operator(str(file)).state.changes == ()


def test_a_refusal_is_told_in_the_bottom_line(file: Path) -> None:
    """Such as for a server that was removed meanwhile."""
    session = session_of(file)
    session.read(1.0)
    session.press("d")
    Operator(str(file)).remove("app", "a")
    session.press("y")
    assert frame(session)[-1].startswith("error: pool app has no server 'a'")


def test_a_store_that_fails_leaves_the_last_frame(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason below it, until it can be read again."""
    session = session_of(file)
    session.read(1.0)

    def fail(operator: Operator) -> None:
        raise StoreError("x.board: it\nis damaged")

    with monkeypatch.context() as patch:
        patch.setattr(Operator, "board", fail)
        session.refresh(2.0)
        shown = frame(session)
        assert shown[-1] == "error: x.board: it is damaged"
        assert shown[4].split()[1] == "a"
        for key in "dy":
            session.press(key)
        assert frame(session)[-1] == "error: x.board: it is damaged"
    session.press("x")
    session.refresh(3.0)
    assert frame(session)[-1].startswith("q quit")


def test_a_configuration_that_changes_is_followed(file: Path) -> None:
    """A broken one is told, and what was known stays."""
    session = session_of(file)
    session.read(1.0)
    text = file.read_text()
    file.write_text(text + "c = 127.0.0.1:3002, wight=2\n")
    os.utime(file, ns=(1, 1))
    session.refresh(2.0)
    said = " ".join(frame(session)[-2:])
    assert said.startswith("error: ")
    assert "wight" in said
    file.write_text(text + "c = 127.0.0.1:3002\n")
    os.utime(file, ns=(2, 2))
    session.press("x")
    session.refresh(3.0)
    assert frame(session)[6].split()[0] == "c"


def test_without_a_good_configuration_there_is_no_session(file: Path) -> None:
    """A broken one, one that is missing, and one whose processes share nothing."""
    file.write_text(file.read_text().replace("[global]", "[global]\nstore = memory"))
    with pytest.raises(StoreError, match="store = memory"):
        session_of(file)
    file.write_text("nonsense")
    with pytest.raises(ConfigError):
        session_of(file)
    file.unlink()
    with pytest.raises(ConfigError):
        session_of(file)
