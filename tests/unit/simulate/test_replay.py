from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deston.config.model import LogFormat, Protocol
from deston.errors import CannotSimulate
from deston.l4.record import Record as ConnectionRecord
from deston.l7.record import Record as RequestRecord
from deston.simulate.replay import Replay, read_log
from tests.builders import make_listener


def line(**changes: Any) -> str:
    """A line of the access log of requests."""
    fields = {
        "time": "2026-11-25T13:20:01.500Z",
        "client_address": "10.0.0.7",
        "pool": "app",
        "server": "a",
        "queue_ms": 0.0,
        "total_ms": 12.5,
    }
    return json.dumps({**fields, **changes})


def replay(tmp_path: Path, *lines: str, pool: str = "") -> Replay:
    file = tmp_path / "access.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return read_log(str(file), pool)


def test_requests_are_replayed_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """Lines are written when requests end, so that a long one stands behind those that came after it."""
    log = replay(
        tmp_path,
        line(client_address="10.0.0.1"),
        line(time="2026-11-25T13:20:00.250Z", client_address="10.0.0.2", total_ms=2000.0, queue_ms=500.0),
        "",
        line(time="2026-11-25T13:20:03.250Z", client_address="10.0.0.1"),
    )
    assert list(log.times) == pytest.approx([0.0, 1.25, 3.0])
    assert [(client, work) for _, client, work in log] == [(1, 1.5), (0, 0.0125), (0, 0.0125)]
    assert list(log.keys) == ["10.0.0.1", "10.0.0.2"]
    assert [log.rate, log.seconds, log.work] == pytest.approx([1, 3, 1.525 / 3])
    assert log.description == f"3 requests of {tmp_path / 'access.jsonl'}"


def test_connections_are_replayed_too(tmp_path: Path) -> None:
    """They have the client with its port, which is no part of what is hashed, and their duration by another name."""
    fields = {"time": "2026-11-25T13:20:00.000Z", "server": "a", "pool": "db", "duration_ms": 7.0}
    clients = ["10.0.0.7:50012", "[::1]:50012", "[::ffff:10.0.0.7]:50013", "unix"]
    log = replay(tmp_path, *(json.dumps({**fields, "client": one}) for one in clients))
    assert list(log.keys) == ["10.0.0.7", "::1", "unix"]
    assert [client for _, client, _ in log] == [0, 1, 0, 2]


def test_what_deston_writes_can_be_read(tmp_path: Path) -> None:
    """The field names are those of the records of both commands."""
    lines: list[str] = []
    request = RequestRecord(make_listener(Protocol.HTTP, "web", access_log_format=LogFormat.JSON), lines.append, None)
    request.values = {"client_address": "10.0.0.7"}.get  # type: ignore[assignment]
    request.server = "a"
    request.queue = 0.0
    request.end(0)
    connection = ConnectionRecord("db")
    connection.client, connection.server = "10.0.0.8:50012", "a"
    log = replay(tmp_path, *lines, connection.line(LogFormat.JSON))
    assert set(log.keys) == {"10.0.0.7", "10.0.0.8"}


def test_of_a_pool_its_own_lines_count(tmp_path: Path) -> None:
    """Other pools are other machines; what reached no server is left out, and told."""
    lines = [line(), line(pool="other"), line(server="")]
    log = replay(tmp_path, *lines, pool="app")
    assert (len(log.times), log.skipped) == (1, 1)
    assert log.description.endswith("(1 that reached no server are left out)")
    assert len(replay(tmp_path, *lines).times) == 2


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("no json", "this is not JSON: 'no json' (write the log with access_log_format = json)"),
        ("[1]", "this is not a line of an access log: '[1]'"),
        ("[" * 100_000, "this is not JSON"),
        (line(time=None), "time is missing"),
        (line(time="yesterday"), "time is no time: 'yesterday'"),
        (line(total_ms=None), "total_ms is missing"),
        (line(total_ms="12"), "total_ms is no time: '12'"),
        (line(total_ms=-1), "total_ms is no time: '-1'"),
        (line(queue_ms=True), "queue_ms is no time: 'True'"),
        (line(client_address=None), "client_address is missing"),
        ("x" * 1000, f"this is not JSON: '{'x' * 60}…'"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, bad: str, why: str) -> None:
    """What was left out in silence would be missing from the load."""
    with pytest.raises(CannotSimulate) as caught:
        replay(tmp_path, line(), bad)
    assert str(caught.value).startswith(f"{tmp_path / 'access.jsonl'}:2: {why}")
    assert caught.value.option == "--log"


def test_a_log_without_requests_is_refused(tmp_path: Path) -> None:
    """Whether it is empty, or has none of that pool."""
    with pytest.raises(CannotSimulate, match="has no request that a server had"):
        replay(tmp_path, "")
    with pytest.raises(CannotSimulate, match="has no request that the pool api had"):
        replay(tmp_path, line(), pool="api")


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One that is not there, that is a folder, or no text."""
    binary = tmp_path / "x"
    binary.write_bytes(b"\xff\xfe")
    for file, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory"), (binary, "not UTF-8")):
        with pytest.raises(CannotSimulate, match=why):
            read_log(str(file))
