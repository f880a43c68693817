"""Where workers are asked: names, permissions, long paths, and what dead processes have left."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from deston.config.model import Config
from deston.errors import StoreError
from deston.sessions import sockets
from deston.sessions.sockets import Place
from deston.store.liveness import LARGEST_PROCESS
from deston.store.places import place
from tests.unit.config.texts import GOOD, load_text


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_text(tmp_path, GOOD)


def left(config: Config, process: int = LARGEST_PROCESS + 1, since: int = 5) -> Place:
    """The socket of a process on which nobody listens."""
    found = Place(place(config, f"{process}-{since}.sock"), process, since)
    sockets.listen(found).close()
    return found


def test_a_process_is_found_by_its_socket(config: Config) -> None:
    """It is for its owner alone, and there is one for each process."""
    own = sockets.own_place(config)
    assert own.process == os.getpid()
    listening = sockets.listen(own)
    assert sockets.places(config) == [own]
    assert stat.S_IMODE(os.stat(own.path).st_mode) == 0o600
    with sockets.connect(own, 5.0) as connection:
        assert connection.gettimeout() == 5.0
    listening.close()
    sockets.listen(own).close()  # What was left of it before is replaced.


def test_other_files_are_none(config: Config, tmp_path: Path) -> None:
    """Neither of this configuration nor of another one in the same folder."""
    other = load_text(tmp_path, GOOD, "other.conf")
    known = left(config)
    left(other)
    for ending in ("db", "x.sock", "0-1.sock", "1.sock"):
        Path(place(config, ending)).touch()
    assert sockets.places(config) == [known]


def test_a_path_of_any_length_will_do(tmp_path: Path) -> None:
    """A unix socket's address has room for 107 bytes; the folder may have a longer name."""
    folder = tmp_path / ("ä" * 60) / ("x" * 100)
    config = load_text(tmp_path, GOOD.replace("workers = 2", f"run_dir = {folder}"))
    own = sockets.own_place(config)
    before = len(os.listdir("/proc/self/fd"))
    listening = sockets.listen(own)
    sockets.connect(own, 5.0).close()
    listening.close()
    assert sockets.places(config) == [own]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """In a sentence, and nothing stays open."""
    (tmp_path / "file").touch()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreError, match=r"file/x: it cannot be listened on: .*(exists|directory)"):
        sockets.listen(Place(str(tmp_path / "file" / "x"), 1, 1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_dead_processes_left_is_cleared(config: Config) -> None:
    """Where nobody listens on it: that of a process which cannot be seen from here stays."""
    dead, alive = left(config), left(config, os.getpid(), sockets.own_place(config).began)
    unseen = Place(place(config, f"{LARGEST_PROCESS + 2}-5.sock"), LARGEST_PROCESS + 2, 5)
    with socket.socket(fileno=sockets.listen(unseen).detach()):
        sockets.clear_stale(config)
        assert sockets.places(config) == [alive, unseen]
    assert not os.path.exists(dead.path)
