"""The contract of every store: what one process puts in, another one finds, as a whole."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deston.errors import ChangeRefused, StoreError
from deston.store.base import State, Store
from deston.store.changes import Change, Changes, What
from deston.store.memory import MemoryStore
from deston.store.sqlite import SqliteStore

A = Change("app", "a", What.STATE, "drain")
B = Change("app", "b", What.WEIGHT, "3")


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the store; again and again the same one."""
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    return lambda: SqliteStore(str(tmp_path / "run" / "x.db"))


def plus(change: Change) -> Callable[[Changes], Changes]:
    return lambda now: (*now, change)


def test_what_is_put_in_is_found(make: Callable[[], Store]) -> None:
    """In its order, by whoever looks; each change is a revision."""
    first = make().read().revision
    assert make().read() == State(first, 0, ())
    assert make().update(plus(A)) == State(first + 1, 0, (A,))
    assert make().update(plus(B)) == make().read() == State(first + 2, 0, (A, B))
    assert make().demand_reload() == State(first + 3, 1, (A, B))
    assert make().update(lambda now: now[1:], reloads=True) == State(first + 4, 2, (B,))
    make().close()


def test_a_change_that_is_refused_changes_nothing(make: Callable[[], Store]) -> None:
    known = make().update(plus(A))

    def refuse(now: Changes) -> Changes:
        raise ChangeRefused("no")

    with pytest.raises(ChangeRefused):
        make().update(refuse)
    assert make().read() == known


def test_two_at_once_both_land(make: Callable[[], Store]) -> None:
    first = make().read().revision

    def put_ten(number: int) -> None:
        for index in range(10):
            make().update(plus(Change("app", f"{number}-{index}", What.WEIGHT, "1")))

    threads = [threading.Thread(target=put_ten, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = make().read()
    assert state.revision - first == len(state.changes) == len(set(state.changes)) == 40


def _put(file: str, number: int) -> None:
    SqliteStore(file).update(plus(Change("app", str(number), What.WEIGHT, "1")))


def test_processes_share_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "x.db")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put, args=(file, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(one.server for one in SqliteStore(file).read().changes) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no database, but long enough to be looked at as one" * 30, "it is damaged .*: move it away")],
)
def test_a_damaged_file_is_told(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=why):
        SqliteStore(str(file)).read()
    assert file.read_bytes() == content


def test_a_file_of_a_later_version_is_told(tmp_path: Path) -> None:
    import sqlite3

    file = str(tmp_path / "x.db")
    SqliteStore(file).update(plus(A))
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="made by a later version of Deston"):
        SqliteStore(file).read()


def test_what_is_stored_is_known_on_a_full_disk(tmp_path: Path) -> None:
    """Whoever reads writes nothing; a change is refused, and nothing of it stays."""
    store = SqliteStore(str(tmp_path / "run" / "x.db"))
    known = store.update(plus(A))
    code = (
        "import resource, sys; from deston.store.sqlite import SqliteStore; from deston.errors import StoreError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); store = SqliteStore(sys.argv[1]); store.read()\n"
        "try: store.demand_reload()\n"
        "except StoreError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, store.file], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith(store.file)
    assert "rollback" not in done.stdout
    assert store.read() == known


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory|File exists"):
        SqliteStore(str(tmp_path / "file" / "run" / "x.db")).read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_belongs_to_who_has_the_folder(tmp_path: Path) -> None:
    """The service can use what root has made by a command before it ran."""
    os.chown(tmp_path, 65534, 65534)
    SqliteStore(str(tmp_path / "x.db")).update(plus(A))
    assert {one.stat().st_uid for one in tmp_path.iterdir()} == {65534}
