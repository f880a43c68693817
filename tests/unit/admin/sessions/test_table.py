"""What is under way as a table: it fits, and nothing in it steers the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from deston.admin.sessions.table import lasted, table
from deston.admin.top.figures import ASCII
from deston.sessions.entry import Entry
from tests.unit.sessions.entries import make_entry


def told(*entries: Entry, total: int = 0, **trouble: str) -> dict[str, Any]:
    return {
        "total": total or len(entries),
        "sessions": [one._asdict() for one in entries],
        "unanswered": [{"process": int(name[1:]), "reason": why} for name, why in trouble.items()],
    }


def lines(value: dict[str, Any], width: int = 100) -> list[str]:
    return [line for line, _ in table(value, width)]


def test_a_table() -> None:
    """Columns are as wide as they need to be; what a session is about gets the rest."""
    value = told(
        make_entry("a", age=4000.0, bytes_in=2048, about="GET /" + "x" * 100), make_entry("b", server="", pool="")
    )
    assert lines(value) == [
        "id  kind listener client          pool/server  age   in out about",
        "7-a http web      192.0.2.1:50000 app/a       1.1h 2.0k  20 GET /" + "x" * 34 + "…",
        "7-b http web      192.0.2.1:50000 -           1.5s   10  20 GET /",
        "under way: 2",
    ]
    assert lines(value, 200)[1].endswith("x" * 100)


def test_whatever_the_names_are_it_fits() -> None:
    """In 100 columns, with as much of each as there is room for."""
    names = {name: name * 30 for name in ("listener", "client", "pool", "server", "about")}
    big = make_entry("zzzzz", 4194304, kind="tunnel", age=1e9, bytes_in=10**19, bytes_out=999_999, **names)
    found = lines(told(big, total=5, p7="x" * 200), 40)
    assert max(map(len, found)) == 100
    assert found[1].startswith("4194304-zzzzz tunnel listener")
    assert found[2] == "under way: 5, 1 of them shown; --limit shows more"
    assert found[3].startswith("process 7 is not in it: xxx")


def test_what_a_client_said_cannot_steer_the_terminal() -> None:
    """Nor wide characters the columns."""
    found = lines(told(make_entry(about="GET /\x1b[31m\n\r\x9b", server="ä\x07宽")))
    assert len(found) == 3
    assert all(line.isprintable() for line in found)


def test_a_terminal_without_the_characters() -> None:
    """Gets others."""
    found = [line for line, _ in table(told(make_entry(about="x" * 200)), 100, ASCII)]
    assert all(line.isascii() for line in found)


def test_who_did_not_answer_stands_out() -> None:
    """In a colour."""
    assert [colour for _, colour in table(told(p7="it did not answer"))] == ["", "", "yellow"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.99, "59s"), (60, "1m"), (3599, "59m"), (3600, "1.0h"),
     (86399, "24.0h"), (86400, "1d"), (1e12, "9999d")],
)  # fmt: skip
def test_how_long_something_lasted(seconds: float, text: str) -> None:
    """In five characters at most."""
    assert lasted(seconds) == text
    assert len(text) <= 5
