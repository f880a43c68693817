"""What an access log says of a request."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import errors
from deston.config.model import LogFormat
from deston.config.templates import LOG_NAMES, Template
from deston.l7.header_rules import Values
from deston.l7.record import Record, code_of_break, code_of_refusal
from tests.unit.l7.builders import make_body, make_listener, make_request

COMBINED = re.compile(
    r'(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "([^"]*)" (\d+|-) (\d+) "([^"]*)" "([^"]*)"(.*)'
)


def make(form: LogFormat = LogFormat.JSON, template: str = "", **request: Any) -> tuple[Record, list[str]]:
    """A record of a request that went well, and the lines that were written."""
    lines: list[str] = []
    record = Record(make_listener(access_log_format=form), lines.append, Template(template) if template else None)
    asked = make_request(*request.pop("fields", ()), **request)
    record.request, record.values = asked, Values(asked, b"example.com", "10.0.0.1")
    record.values.route, record.values.request_id = "api", "id-1"
    record.pool, record.server, record.status, record.tries = "app", "a", 200, 1
    record.queue, record.connect, record.first_byte = 0.0, 0.0004, 0.01
    return record, lines


def test_combined_is_what_others_read() -> None:
    record, lines = make(LogFormat.COMBINED, fields=((b"User-Agent", b"curl"), (b"Referer", b"/from")), target=b"/x?y")
    record.end(12)
    found = COMBINED.fullmatch(lines[0])
    assert found is not None, lines
    assert found.groups() == ("10.0.0.1", "GET /x?y HTTP/1.1", "200", "12", "/from", "curl", "")


def test_text_has_more() -> None:
    record, lines = make(LogFormat.TEXT)
    record.end(12)
    found = COMBINED.fullmatch(lines[0])
    assert found is not None, lines
    assert re.fullmatch(r" web/api/app/a 0\.0/0\.4/10\.0/\d+\.\d 1 -- - id-1", found[7])


def test_json_has_all() -> None:
    record, lines = make(body=make_body(b"abc"), method=b"POST")
    assert record.request is not None
    record.request.body.read()
    record.end(12)
    said = json.loads(lines[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said.pop("total_ms") >= 0
    assert said == {
        "client_address": "10.0.0.1", "listener": "web", "route": "api", "pool": "app", "server": "a", "method": "POST",
        "scheme": "http", "host": "example.com", "target": "/", "version": "HTTP/1.1", "status": 200, "bytes_in": 3,
        "bytes_out": 12, "queue_ms": 0.0, "connect_ms": 0.4, "first_byte_ms": 10.0, "tries": 1, "code": "--",
        "ending": "in good order", "tls_version": "", "request_id": "id-1", "user_agent": "", "referer": "",
    }  # fmt: skip


def test_a_line_of_ones_own() -> None:
    """Every name that the configuration lets pass has a value; what is unknown is a dash."""
    record, lines = make(LogFormat.TEMPLATE, "%(status)s %(header:X-None)s %(code)s 100%")
    record.end(0)
    assert lines == ["200 - -- 100%"]
    for name in LOG_NAMES:
        assert isinstance(record.value(name), str)


def test_the_version_is_the_clients() -> None:
    for changes, version in (({}, "HTTP/1.1"), ({"minor_version": 0}, "HTTP/1.0"), ({"is_http2": True}, "HTTP/2.0")):
        assert make(**changes)[0].value("version") == version


def test_nothing_is_known_of_what_was_no_request() -> None:
    for form in LogFormat:
        lines: list[str] = []
        Record(make_listener(access_log_format=form), lines.append, None).end(0)
        assert len(lines) == 1


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_a_line_is_one_line(target: bytes, agent: bytes) -> None:
    """Whatever a client sends, it can neither end a line nor leave its quotes."""
    for form in (LogFormat.COMBINED, LogFormat.TEXT, LogFormat.JSON, LogFormat.TEMPLATE):
        template = "%(target)s|%(header:User-Agent)s" if form is LogFormat.TEMPLATE else ""
        record, lines = make(form, template, target=target, fields=((b"User-Agent", agent),))
        record.end(0)
        assert lines[0].isprintable()
        assert lines[0].isascii()
        if form is LogFormat.JSON:
            assert json.loads(lines[0])["user_agent"] == agent.decode("latin-1")
        elif form is not LogFormat.TEMPLATE:
            assert COMBINED.fullmatch(lines[0])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.QueueTimeout("x"), "sQ"),
        (errors.QueueFull("x"), "SQ"),
        (errors.NoServerAvailable("x"), "SC"),
        (errors.ConnectTimeout("x"), "sC"),
        (errors.ConnectError("x"), "SC"),
        (errors.OutOfDescriptors("x"), "RC"),
        (errors.ReadTimeout("x"), "sH"),
        (errors.StreamReset("x"), "SH"),
        (errors.BadResponse("x"), "PH"),
        (errors.ClientGone("x"), "CH"),
        (errors.RequestTimeout("x"), "cR"),
        (errors.BadRequest("x"), "PR"),
        (errors.Denied("x"), "PR"),
        (errors.TooManyRequests("x"), "PR"),
        (errors.NoRoute("x"), "PR"),
        (errors.ApplicationError("x"), "IH"),
    ],
)
def test_how_a_refused_request_ended(error: errors.DestonError, code: str) -> None:
    assert code_of_refusal(error) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.ReadTimeout("x"), "sD"), (errors.StreamEnded("x"), "SD"), (errors.BadResponse("x"), "PD")],
)
def test_how_a_response_was_broken_off_by_its_server(error: errors.DestonError, code: str) -> None:
    record, lines = make()
    record.code = code_of_break(error)
    wrapped = errors.StreamEnded("x")
    wrapped.__cause__ = error
    record.end(3, wrapped)
    assert json.loads(lines[0])["code"] == code


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.WriteTimeout("x"), "cD"), (errors.StreamReset("x"), "CD"), (errors.ClientGone("x"), "CD"),
     (GeneratorExit(), "KD")],
)  # fmt: skip
def test_how_a_response_was_broken_off_otherwise(error: BaseException, code: str) -> None:
    """By the client, or by an operator whose drain was over."""
    record, lines = make()
    record.end(3, error)
    assert json.loads(lines[0])["code"] == code
