"""Sessions by requests: what a query may say, and what an end may come to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from deston.admin.api import answers
from deston.config.load import load
from deston.sessions import wire
from deston.sessions.sockets import own_place
from deston.sessions.wire import Last
from tests.unit.sessions.entries import make_entry
from tests.unit.sessions.process import answering, says

SESSIONS = "/api/v1/sessions"
ENTRY = make_entry("a", os.getpid())


def answered(client: FlaskClient, file: Path, answer: bytes, method: str, path: str) -> tuple[int, Any]:
    """The status and the JSON where the only process answers so."""
    with answering(own_place(load(str(file))), says(answer)):
        response = client.open(path, method=method)
    return response.status_code, response.get_json(force=True)


def test_sessions_are_listed(client: FlaskClient, file: Path) -> None:
    """As the command prints them, as many as are asked for."""
    answer = wire.answer_lines([ENTRY, ENTRY]) + wire.last_line(Last())
    status, told = answered(client, file, answer, "GET", f"{SESSIONS}?pool=app&limit=1&idle=true&sort=bytes")
    assert (status, told) == (200, {"total": 2, "sessions": [ENTRY._asdict()], "unanswered": []})
    assert list(told) == answers.SESSIONS["required"]
    assert list(told["sessions"][0]) == answers.SESSIONS["properties"]["sessions"]["items"]["required"]


@pytest.mark.parametrize(
    ("query", "key"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("limit=10001", "limit"), ("limit=" + "9" * 5000, "limit"),
     ("sort=colour", "sort"), ("idle=maybe", "idle"), ("pool=a/b", "pool"), ("colour=red", "colour")],
)  # fmt: skip
def test_a_query_that_makes_no_sense(client: FlaskClient, query: str, key: str) -> None:
    """Is refused with the name that is wrong."""
    response = client.get(f"{SESSIONS}?{query}")
    told = response.get_json(force=True)
    assert (response.status_code, told["errors"][0]["key"]) == (400, key)


def test_a_name_that_there_is_not(client: FlaskClient) -> None:
    """Is told with the nearest one."""
    response = client.get(f"{SESSIONS}?pool=ap")
    told = response.get_json(force=True)
    assert (response.status_code, told["detail"]) == (404, "there is no pool 'ap' (did you mean 'app'?)")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (wire.answer_lines([ENTRY]) + wire.last_line(Last()), 200),
        (wire.last_line(Last()), 404),
        (wire.last_line(Last(refused="it is in a thread")), 409),
        (wire.last_line(Last(left=1)), 503),
        (b"", 503),
    ],
)
def test_one_is_ended(client: FlaskClient, file: Path, answer: bytes, status: int) -> None:
    """Or not, for one reason or another."""
    found, told = answered(client, file, answer, "DELETE", f"{SESSIONS}/{ENTRY.id}")
    assert found == status
    if status == 200:
        assert told == {"done": f"{ENTRY} was ended", **ENTRY._asdict()}
        assert list(told) == answers.ENDED["required"]


def test_one_that_never_was(client: FlaskClient) -> None:
    """404, be it an id or not."""
    assert [client.delete(f"{SESSIONS}/{id}").status_code for id in ("1-a", "x")] == [404, 404]


def test_what_may_be_asked_is_described(client: FlaskClient) -> None:
    """With its limits."""
    told = client.get("/api/v1/openapi.json").get_json()["paths"][SESSIONS]["get"]
    described = {one["name"]: one["schema"] for one in told["parameters"]}
    assert described["limit"] == {"type": "integer", "minimum": 1, "maximum": 10_000}
    assert set(described) == {"pool", "server", "listener", "client", "idle", "sort", "limit"}
    assert {"400", "404"} <= set(told["responses"])
