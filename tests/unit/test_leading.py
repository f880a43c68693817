"""Who leads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deston.errors import StoreError
from deston.leading import Lead


def test_one_leads_and_another_follows(tmp_path: Path) -> None:
    """Whoever comes first leads, until it gives up."""
    file = str(tmp_path / "lock")
    one, other = Lead(file), Lead(file)
    assert one.take()
    assert not other.take()
    assert (one.is_held, other.is_held) == (True, False)
    one.give_up()
    one.give_up()
    assert other.take()
    other.give_up()


def test_the_lead_of_one_that_died_is_free(tmp_path: Path) -> None:
    file = str(tmp_path / "lock")
    code = "import os, sys; from deston.leading import Lead; print(Lead(sys.argv[1]).take(), flush=True); os._exit(1)"
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n"
    lead = Lead(file)
    assert lead.take()
    lead.give_up()


def test_a_lock_that_was_deleted_is_not_in_place(tmp_path: Path) -> None:
    """Others would make another one, and two would lead."""
    lead = Lead(str(tmp_path / "lock"))
    assert lead.take()
    assert lead.is_in_place
    os.unlink(tmp_path / "lock")
    assert not lead.is_in_place
    lead.give_up()
    assert not lead.is_in_place


def test_one_that_hangs_is_replaced(tmp_path: Path) -> None:
    """Its lock is put out of place, from which it knows when it goes on."""
    file = str(tmp_path / "lock")
    hanging, other = Lead(file), Lead(file)
    assert hanging.take()
    assert other.take_over()
    assert (hanging.is_in_place, other.is_in_place) == (False, True)
    hanging.give_up()
    assert not hanging.take()
    other.give_up()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it cannot be used: No such file"):
        Lead(str(tmp_path / "nowhere" / "lock")).take()
