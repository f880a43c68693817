"""The board: places, rows and sums."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deston.errors import StoreError
from deston.store import board as boards
from deston.store import liveness
from deston.store.board import Board
from deston.store.counted import Counts, Found


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "x.board")


def test_two_processes_see_one_another(file: str) -> None:
    """Rows have one number for all; each place is one's own, and sums are of all."""
    one, other = Board(file), Board(file)
    place = one.take_place()
    row = one.row("app\0a\0x:1")
    assert other.row("app\0a\0x:1") == row
    assert other.row("app\0b\0x:2") == 1
    assert one.row("app\0b\0x:2", creates=False) == 1
    assert one.row("app\0c\0x:3", creates=False) == -1
    one.put_counts(place, row, Counts(2, 10, 1, 100, 200, 0.5))
    assert other.sum(row) == Counts(2, 10, 1, 100, 200, 0.5)
    other.put_health(row, Found(2, 12.5, "refused é" + "x" * 300))
    found = one.health(row)
    assert (found.health, found.at, found.reason[:9]) == (2, 12.5, "refused é")
    one.raise_revision(7)
    one.raise_revision(6)
    one.leader = 42
    assert (other.revision, other.leader) == (7, 42)
    assert other.members("app", "a") == [("a", "x:1", 0)]
    one.close()
    other.close()


def test_names_that_stand_for_one_server(file: str) -> None:
    board = Board(file)
    for name in ("app\0web\0web.test:1", "app\0web@10.0.0.2\x0010.0.0.2:1", "other\0web\0x:1", "app\0webby\0x:1"):
        board.row(name)
    assert board.rows_of("app", "web") == [0, 1]


def test_what_a_dead_worker_left_stays_counted(file: str) -> None:
    """But for what it had under way: nobody is served by it any more."""
    code = (
        "import sys; from deston.store.board import Board, Counts; board = Board(sys.argv[1]);"
        "place = board.take_place(); row = board.row('app\\0a\\0x:1');"
        "board.put_counts(place, row, Counts(3, 10, 1, 5, 6, 0.1)); print(place)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    board = Board(file)
    assert board.living() == []
    assert board.sum(0) == Counts(0, 10, 1, 5, 6, 0.1)
    (dead,) = board.retire_dead()
    assert dead != os.getpid()
    assert board.workers() == []
    assert board.sum(0) == Counts(0, 10, 1, 5, 6, 0.1)
    place = board.take_place()
    assert place == 1
    assert board.counts(place, 0) == Counts()
    board.put_counts(place, 0, Counts(1, 2, 0, 1, 1, 0.2))
    assert board.sum(0)[:3] == (1, 12, 1)
    board.leave_place(place)
    assert board.sum(0)[:3] == (0, 12, 1)


def test_a_number_that_another_process_has_by_now(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is known by when it began, too."""
    board = Board(file)
    board.take_place()
    assert [one.process for one in board.living()] == [os.getpid()]
    monkeypatch.setattr(liveness, "began", lambda process: 12345)
    assert board.living() == []


def test_it_is_bounded(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(file)
    monkeypatch.setattr(boards, "MOST_SERVERS", 2)
    board.row("app\0a\0x:1")
    board.row("app\0b\0x:1")
    with pytest.raises(StoreError, match="more than 2 servers"):
        board.row("app\0c\0x:1")
    monkeypatch.setattr(boards, "MOST_WORKERS", 1)
    with pytest.raises(StoreError, match="more than 0 workers"):
        board.take_place()


def test_files_that_cannot_be_used(file: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it cannot be used: No such file"):
        Board(file, creates=False)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"something else entirely" * 1000)
    with pytest.raises(StoreError, match="it is damaged, or of another version"):
        Board(str(damaged))
    whole = tmp_path / "whole"
    Board(str(whole)).close()
    for at, value in ((16 + 8, -1), (16 + 8, 1 << 40), (4096 + 32, 1 << 50), (4096 + 32, -3)):
        content = bytearray(whole.read_bytes())
        content[at : at + 8] = value.to_bytes(8, "little", signed=True)
        damaged.write_bytes(content)
        with pytest.raises(StoreError, match="it is damaged: move it away"):
            Board(str(damaged))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="it cannot be used"):
        Board(str(tmp_path / "file" / "x"))


def test_a_lock_that_cannot_be(file: str) -> None:
    os.makedirs(f"{file}.lock")
    with pytest.raises(StoreError, match="it cannot be used: Is a directory"):
        Board(file)


def test_one_of_an_older_version_is_replaced(file: str) -> None:
    """Nothing in it lasts but counters."""
    os.makedirs(os.path.dirname(file))
    with open(file, "wb") as stream:
        stream.write(b"DESTON board 1\0\0" + bytes(1000))
    board = Board(file)
    assert board.take_place() == 1
    assert board.is_in_place


def test_one_that_is_cut_short_is_not_in_place(file: str) -> None:
    board = Board(file)
    assert board.is_in_place
    os.truncate(file, os.stat(file).st_size - 1)
    assert not board.is_in_place


def test_named_figures(file: str) -> None:
    """They are summed over all workers; those that only grow outlast the worker."""
    board = Board(file)
    place = board.take_place()
    for name, value in (("+requests", 5.0), ("open", 2.0)):
        board.put_figure(place, board.figure(name), value)
    assert Board(file).figures() == {"requests": 5.0, "open": 2.0}
    board.leave_place(place)
    assert board.figures() == {"requests": 5.0, "open": 0.0}


def test_nobody_sees_half_of_a_number(file: str) -> None:
    """A reader beside a writer sees what was written, and never a part of it."""
    code = (
        "import sys; from deston.store.board import Board, Counts\n"
        "board = Board(sys.argv[1]); row = board.row('a\\0b\\0c')\n"
        "for turn in range(100000): board.put_counts(1, row, Counts(-1 if turn % 2 else 1 << 40, latency=1e300))"
    )
    Board(file).close()
    with subprocess.Popen([sys.executable, "-c", code, file]) as writer:
        board, seen = Board(file), set()
        while writer.poll() is None:
            seen |= {(board.counts(1, 0).active, board.counts(1, 0).latency) for _ in range(100)}
    assert {active for active, _ in seen} <= {0, -1, 1 << 40}
    assert {latency for _, latency in seen} <= {0.0, 1e300}


def test_a_leader_that_beats_no_more(file: str) -> None:
    """One without a place cannot be told from one that is about to take it."""
    board = Board(file)
    assert not board.is_leader_silent(-1.0)
    board.leader = os.getpid()
    assert not board.is_leader_silent(-1.0)
    board.beat(board.take_place(), 1)
    assert board.is_leader_silent(-1.0)
    assert not board.is_leader_silent(1e6)


def test_figures_beyond_the_room_harm_no_others(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "MOST_FIGURES", 2)
    one, other = Board(file), Board(file)
    assert [one.figure("a"), other.figure("b"), one.figure("b"), other.figure("a")] == [0, 1, 1, 0]
    with pytest.raises(StoreError, match="more than 2 figures"):
        one.figure("c")
    assert one.figure("b") == 1
