"""A line of the access log."""

from __future__ import annotations

import json
import re

import pytest

from deston.config.model import LogFormat
from deston.l4.record import ENDINGS, REFUSALS, Record
from deston.l4.refusals import Refusal
from deston.net.relay import Ending


def test_every_end_has_its_code() -> None:
    """Two letters for each way in which a relay ends or a client is refused."""
    assert ENDINGS.keys() == set(Ending)
    assert REFUSALS.keys() == set(Refusal)
    assert all(re.fullmatch("[CScsDKLPRI-][RQCD-]", code) for code in (*ENDINGS.values(), *REFUSALS.values()))


def full() -> Record:
    record = Record("db")
    record.wall_clock = 1700000000.5
    record.client, record.pool, record.server = "[2001:db8::1]:4711", "app", "a"
    record.tries, record.bytes_in, record.bytes_out, record.connect = 2, 120, 4096, 0.0012
    record.ends("CD", "client reset")
    return record


def test_text() -> None:
    """Ten fields, none of which has a space in it."""
    form = r"2023-11-14T22:13:20\.500Z \[2001:db8::1\]:4711 db app/a CD 1\.2 \d+\.\d 120 4096 2"
    assert re.fullmatch(form, full().line(LogFormat.TEXT))


@pytest.mark.parametrize("form", [LogFormat.TEXT, LogFormat.JSON])
def test_a_line_about_nothing(form: LogFormat) -> None:
    """A client that was refused at the door has neither pool nor server; the line has all its fields."""
    line = Record("db").line(form)
    if form is LogFormat.TEXT:
        assert re.fullmatch(r"\S+Z - db -/- IC - \d+\.\d 0 0 0", line)
    else:
        assert json.loads(line)["connect_ms"] is None


def test_json() -> None:
    """One object on one line, whatever stands in its texts."""
    record = full()
    record.unique_id = 'a"\n\x00é'
    line = record.line(LogFormat.JSON)
    assert line.isascii()
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("duration_ms") >= 0
    assert found == {
        "time": "2023-11-14T22:13:20.500Z",
        "client": "[2001:db8::1]:4711",
        "listener": "db",
        "pool": "app",
        "server": "a",
        "code": "CD",
        "ending": "client reset",
        "connect_ms": 1.2,
        "bytes_in": 120,
        "bytes_out": 4096,
        "tries": 2,
        "server_name": "",
        "alpn": "",
        "unique_id": record.unique_id,
    }
