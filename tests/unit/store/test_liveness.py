"""Telling living processes from dead ones."""

from __future__ import annotations

import os
import subprocess
import sys

from deston.store.liveness import LARGEST_PROCESS, began, lives, parent


def test_this_process_lives() -> None:
    assert began(os.getpid()) > 1
    assert lives(os.getpid(), began(os.getpid()))


def test_one_that_ended_is_dead_also_before_anybody_has_asked_for_its_status() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        since = began(process.pid)
        assert lives(process.pid, since)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not lives(process.pid, since)
    assert not lives(process.pid, since)


def test_another_process_of_the_same_number() -> None:
    assert not lives(os.getpid(), began(os.getpid()) + 5)


def test_a_number_that_none_can_have() -> None:
    assert began(LARGEST_PROCESS + 1) == 0
    assert began(1 << 70) == 0


def test_a_parent() -> None:
    assert parent(os.getpid()) == os.getppid()
    assert parent(LARGEST_PROCESS + 1) == 0
