"""Locks that nobody waits for without end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deston.errors import StoreError
from deston.store.locking import alone

HOLDER = (
    "import sys; from deston.store.locking import alone\n"
    "with alone(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
)


def test_one_after_the_other(tmp_path: Path) -> None:
    """A lock is free again when its holder is done, or dead."""
    file = str(tmp_path / "run" / "lock")
    for _ in range(2):
        with alone(file):
            pass
    with subprocess.Popen([sys.executable, "-c", HOLDER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        other.kill()
    with alone(file):
        pass


def test_a_holder_that_was_stopped_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever wants the lock is told, after its patience."""
    file = str(tmp_path / "lock")
    with alone(file), pytest.raises(StoreError, match="another process holds it"), alone(file, patience=0.02):
        pytest.fail("two hold it")


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="it cannot be used"), alone(str(tmp_path / "file" / "lock")):
        pytest.fail("it is held")
