"""The lines that all processes log."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from types import TracebackType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import logs

BEGINS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
Caught = tuple[type[BaseException], BaseException, "TracebackType | None"]


def record(message: object, *arguments: object, caught: Caught | None = None) -> logging.LogRecord:
    made = logging.LogRecord("deston.health", logging.WARNING, "x.py", 1, message, arguments, caught)
    made.created, made.msecs, made.process = 1795000000.25, 250.0, 7
    return made


def failure() -> Caught:
    """A fault whose message has several lines."""
    try:
        raise ValueError("a\nb")
    except ValueError:
        kind, error, traceback = sys.exc_info()
        assert kind is not None
        assert error is not None
        return kind, error, traceback


def test_the_two_forms_say_the_same() -> None:
    text, told = logs.LineFormatter("deston-l4", "text"), logs.LineFormatter("deston-l4", "json")
    event = record("app/%s is down: %s", "a", "refused")
    line = "2026-11-18T11:06:40.250Z WARNING deston-l4[7] deston.health: app/a is down: refused"
    assert text.format(event) == line
    assert json.loads(told.format(event)) == {
        "time": "2026-11-18T11:06:40.250Z",
        "level": "warning",
        "command": "deston-l4",
        "pid": 7,
        "logger": "deston.health",
        "message": "app/a is down: refused",
    }


def test_a_traceback_belongs_to_its_event() -> None:
    event = record("it failed", caught=failure())
    first, *others = logs.LineFormatter("x", "text").format(event).split("\n")
    assert first.endswith("it failed")
    assert all(line.startswith("    ") for line in others)
    assert others[-1] == "    b"
    told = json.loads(logs.LineFormatter("x", "json").format(event))
    assert told["exception"].endswith("ValueError: a\nb")


@given(said=st.text())
def test_nothing_from_outside_looks_like_an_event(said: str) -> None:
    """However many lines a client sends, only one begins as an event does, and no terminal is moved by it."""
    text = logs.LineFormatter("x", "text").format(record("%s", said))
    lines = text.splitlines()
    assert len([line for line in lines if BEGINS.match(line)]) == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    told = logs.LineFormatter("x", "json").format(record("%s", said))
    assert len(told.splitlines()) == 1
    assert json.loads(told)["message"] == said


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The one that commands configure, as it was afterwards."""
    found = logging.getLogger("deston")
    handlers, level, propagates = found.handlers[:], found.level, found.propagate
    found.handlers[:] = []
    yield found
    found.handlers[:], found.level, found.propagate = handlers, level, propagates
    logs.formatter.command, logs.formatter.form = "deston", "text"


def test_a_reload_changes_the_form_and_the_level(logger: logging.Logger) -> None:
    logs.configure("deston-l7")
    logs.configure("deston-l7")
    assert (len(logger.handlers), logger.level) == (1, logging.INFO)
    logs.follow("json", "error")
    assert (logs.formatter.form, logger.level) == ("json", logging.ERROR)


def test_an_option_counts_more_than_the_file(logger: logging.Logger) -> None:
    logs.configure("deston-l4", "debug")
    logs.follow("text", "error")
    assert logger.level == logging.DEBUG


def test_the_logging_of_others_stays(logger: logging.Logger) -> None:
    """Inside somebody else's server nothing is ours to say."""
    logger.setLevel(logging.WARNING)
    logs.follow("json", "debug")
    assert logger.level == logging.WARNING
    assert logger.handlers == []
