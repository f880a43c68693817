"""What is told of a session: which are wanted, in which order, under which id."""

from __future__ import annotations

from typing import Any

import pytest

from deston.sessions.entry import IDLE, Foremost, Wanted, cut_short, make_id, number_of, read_id
from tests.unit.sessions.entries import make_entry


@pytest.mark.parametrize(
    ("wanted", "changes", "fits"),
    [
        ({}, {}, True),
        ({}, {"kind": IDLE}, False),
        ({"idle": True}, {"kind": IDLE}, True),
        ({"pool": "app"}, {}, True),
        ({"pool": "ap"}, {}, False),
        ({"server": "a"}, {}, True),
        ({"server": "a"}, {"server": "a@192.0.2.9:80"}, True),
        ({"server": "a@192.0.2.9:80"}, {"server": "a@192.0.2.9:80"}, True),
        ({"server": "a"}, {"server": "ab"}, False),
        ({"listener": "web"}, {}, True),
        ({"listener": "db"}, {}, False),
        ({"pool": "app", "listener": "db"}, {}, False),
        ({"client": "192.0.2.1"}, {}, True),
        ({"client": "192.0.2.1:50000"}, {}, True),
        ({"client": "192.0.2.1"}, {"client": "192.0.2.1"}, True),
        ({"client": "192.0.2"}, {}, False),
        ({"client": "192.0.2.1:5000"}, {}, False),
        ({"client": "2001:db8::1"}, {"client": "[2001:db8::1]:80"}, True),
        ({"client": "[2001:db8::1]:80"}, {"client": "[2001:db8::1]:80"}, True),
        ({"client": "2001:db8::1"}, {"client": "2001:db8::1"}, True),
        ({"client": "2001:db8:"}, {"client": "[2001:db8::1]:80"}, False),
        ({"client": "unix"}, {"client": "unix"}, True),
    ],
)
def test_which_are_wanted(wanted: dict[str, Any], changes: dict[str, Any], fits: bool) -> None:
    """All that is said has to fit: a client with its port or without, a server under any of its addresses."""
    assert Wanted(**wanted).fits(make_entry(**changes)) is fits


def test_what_is_wanted_is_told() -> None:
    """For the log, and for a sentence."""
    assert str(Wanted()) == "all"
    assert str(Wanted("app", "a", idle=True)) == "pool=app server=a"
    assert not Wanted(idle=True).is_narrow
    assert Wanted(client="192.0.2.1").is_narrow


def test_an_id_is_read_as_it_was_made() -> None:
    """It names a process and a number."""
    assert read_id(make_id(4711, number_of(36**4))) == (4711, "10000")
    assert [number_of(count) for count in (0, 35, 36, 36**5 - 1)] == ["0", "z", "10", "zzzzz"]


@pytest.mark.parametrize(
    "text", ["", "1", "-1", "1-", "0-a", "1-A", "1-a\n", " 1-a", "1-a-b", "x-1", "٣-1", "1-" + "9" * 99]
)
def test_what_is_no_id(text: str) -> None:
    """Whatever else is asked for."""
    assert read_id(text) is None


@pytest.mark.parametrize(
    ("sort", "order"), [("age", ["3", "1", "2"]), ("bytes", ["2", "3", "1"]), ("server", ["1", "3", "2"])]
)
def test_the_foremost_of_many(sort: str, order: list[str]) -> None:
    """The oldest, those that moved most, or by servers; however many were added, no more than the limit stay."""
    known = [
        make_entry("1", age=2.0, bytes_in=1, bytes_out=1),
        make_entry("2", age=1.0, bytes_in=9, bytes_out=0, server="b"),
        make_entry("3", age=3.0, bytes_in=0, bytes_out=3, server="a@192.0.2.9:80"),
    ]
    found = Foremost(sort, 2)
    found.add(known)
    other = Foremost(sort, 2)
    other.take(found)
    assert [one.id for one in other.in_order()] == [f"7-{number}" for number in order[:2]]
    assert other.total == 3
    assert repr(other) == "<Foremost 2 of 3>"


def test_the_foremost_keeps_few_in_memory() -> None:
    """Of ten thousand no more than twice as many as are wanted, and some."""
    found = Foremost("age", 10)
    for age in range(10_000):
        found.add([make_entry(age=float(age))])
        assert len(found._kept) < 120
    assert [one.age for one in found.in_order()] == [float(age) for age in range(9999, 9989, -1)]


def test_what_it_is_about_is_cut_short() -> None:
    """A client may send a long target."""
    assert cut_short("x" * 200) == "x" * 200
    assert cut_short("x" * 201) == "x" * 199 + "…"


def test_a_session_in_words() -> None:
    """For a sentence about its end."""
    assert str(make_entry()) == "7-1 (http of 192.0.2.1:50000 with app/a)"
    assert str(make_entry(server="", client="")) == "7-1 (http of a client that left)"
