"""A change of one line in a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deston.admin.saving import edited, saved, with_option
from deston.errors import ChangeRefused, StoreError

TEXT = """# the pools
[global]
run_dir=run    # left alone
[listeners]
    [[web]]
    bind = 127.0.0.1:0
    protocol = http
    pool = app
[pools]
    [[app]]
        [[[servers]]]
            a = 127.0.0.1:3000, weight=3   # the old one
            "b" = '127.0.0.1:3001'
            [[[health]]]
            type = none
    [[empty]]
        [[[servers]]]
"""


GOOD = TEXT.replace("    [[empty]]\n        [[[servers]]]\n", "").replace("            [[[h", "        [[[h")


def changed_lines(text: str) -> list[tuple[str, str]]:
    pairs = zip(TEXT.splitlines(), text.splitlines(), strict=False)
    return [(old, new) for old, new in pairs if old != new]


def test_a_value_changes_and_its_comment_stays() -> None:
    """Nothing else in the file does, however it was written."""
    text = edited(TEXT, "app", "a", lambda line: with_option(line or "", "state", "drain"))
    assert changed_lines(text) == [
        (
            "            a = 127.0.0.1:3000, weight=3   # the old one",
            "            a = 127.0.0.1:3000, weight=3, state=drain # the old one",
        )
    ]


def test_a_server_goes() -> None:
    text = edited(TEXT, "app", "a", lambda line: None)
    assert text == TEXT.replace("            a = 127.0.0.1:3000, weight=3   # the old one\n", "")


def test_a_server_comes_behind_the_last_one() -> None:
    text = edited(TEXT, "app", "d", lambda line: "127.0.0.1:3003, weight=2")
    assert "'127.0.0.1:3001'\n            d = 127.0.0.1:3003, weight=2\n" in text
    assert "[[[servers]]]\n            new = x:1\n" in edited(TEXT, "empty", "new", lambda line: "x:1")


def test_a_name_in_quotes_keeps_them() -> None:
    assert '            "b" = x:2\n' in edited(TEXT, "app", "b", lambda line: "x:2")


def test_a_file_without_a_last_line_feed_and_with_windows_ones() -> None:
    text = TEXT.rstrip("\n").replace("\n", "\r\n")
    assert edited(text, "empty", "n", lambda line: "x:1").endswith("[[[servers]]]\r\n            n = x:1")


def test_a_pool_that_has_no_place() -> None:
    with pytest.raises(ChangeRefused, match=r"the pool other has no \[\[\[servers\]\]\]"):
        edited(TEXT, "other", "a", lambda line: "x:1")


@pytest.mark.parametrize(
    ("line", "option", "value", "new"),
    [
        ("x:1", "weight", "3", "x:1, weight=3"),
        ("x:1, weight=3, backup=yes", "weight", "4", "x:1, backup=yes, weight=4"),
        ("x:1, weight=3", "weight", "1", "x:1"),
        ("x:1, state=drain", "state", "ready", "x:1"),
        ("x:1, 'weight = 3'", "weight", "2", "x:1, weight=2"),
    ],
)
def test_an_option(line: str, option: str, value: str, new: str) -> None:
    assert with_option(line, option, value) == new


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One that is good as it is."""
    file = tmp_path / "deston.conf"
    file.write_text(
        TEXT.replace("    [[empty]]\n        [[[servers]]]\n", "").replace("            [[[h", "        [[[h")
    )
    return file


def test_a_file_that_would_not_be_good_stays(file: Path) -> None:
    before = file.read_text()
    with (
        pytest.raises(ChangeRefused, match="is left as it is"),
        saved(str(file), "app", "a", lambda line: "nowhere"),
    ):
        pytest.fail("nothing is to be told")
    assert file.read_text() == before
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_told_is_taken_back(file: Path) -> None:
    """A full disk of ``run_dir``, for one: the next reload must not bring what was refused."""
    before = file.read_text()
    saving = saved(str(file), "app", "a", lambda line: "127.0.0.1:3009")
    saving.__enter__()
    assert "127.0.0.1:3009" in file.read_text()
    assert not saving.__exit__(StoreError, StoreError("the disk is full"), None)
    assert file.read_text() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(file: Path) -> None:
    """What root saves can still be read by the service."""
    os.chmod(file, 0o600)
    os.chown(file, 65534, 65534)
    with saved(str(file), "app", "a", lambda line: "127.0.0.1:3009"):
        pass
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (65534, 65534, 0o600)
    assert "127.0.0.1:3009" in file.read_text()
