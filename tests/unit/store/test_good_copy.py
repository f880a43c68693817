"""What commands go by while the file is broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deston.config.load import load
from deston.errors import StoreError
from deston.store.good_copy import keep_copy, last_good
from deston.store.places import place
from tests.unit.config.texts import GOOD, changed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "deston.conf"
    made.write_text(GOOD, encoding="utf-8")
    os.mkdir(tmp_path / "run")
    return made


def test_the_last_good_one_is_found(file: Path) -> None:
    """By the file's own name and folder, also where it cannot be read at all any more."""
    config = load(str(file))
    assert last_good(str(file)) is None
    keep_copy(config)
    file.write_text("[[[", encoding="utf-8")
    assert last_good(str(file)) == config
    file.unlink()
    assert last_good(str(file)) == config


def test_a_run_dir_of_ones_own(file: Path) -> None:
    """It is found in a broken file, too."""
    os.mkdir(file.parent / "there")
    text = (
        changed(GOOD, "[global]\n", "[global]\nrun_dir = there  # not here\n")
        if "[global]" in GOOD
        else (f"[global]\nrun_dir = there  # not here\n{GOOD}")
    )
    file.write_text(text, encoding="utf-8")
    config = load(str(file))
    keep_copy(config)
    file.write_text(f"{text}\n[[[", encoding="utf-8")
    found = last_good(str(file))
    assert found is not None
    assert found.global_.run_dir == str(file.parent / "there")


def test_a_folder_that_is_not_there(file: Path) -> None:
    os.rmdir(file.parent / "run")
    with pytest.raises(StoreError, match="it cannot be written"):
        keep_copy(load(str(file)))


def test_it_is_written_once(file: Path) -> None:
    config = load(str(file))
    keep_copy(config)
    before = os.stat(place(config, "good")).st_ino
    keep_copy(config)
    assert os.stat(place(config, "good")).st_ino == before
    assert len(os.listdir(file.parent / "run")) == 1
