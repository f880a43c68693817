"""What a command and a worker say to each other: what was sent is read, and nothing else."""

from __future__ import annotations

import json

import pytest

from deston.sessions import wire
from deston.sessions.entry import Wanted
from deston.sessions.wire import Last, Question
from tests.unit.sessions.entries import make_entry


@pytest.mark.parametrize(
    "question",
    [Question(False), Question(True, number="k3f9a"), Question(True, Wanted("app", "a", "web", "192.0.2.1", True))],
)
def test_a_question_is_read_as_it_was_sent(question: Question) -> None:
    """In one line, shorter than a worker reads."""
    line = wire.question_line(question)
    assert line.index(b"\n") == len(line) - 1 < wire.LONGEST_QUESTION
    assert wire.read_question(line) == question


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"{}",
        b"[true]",
        b"[true, {}, '']",
        b'[true, ["", "", "", "", false], ""',
        b'[1, ["", "", "", "", false], ""]',
        b'[true, ["", "", "", ""], ""]',
        b'[true, ["", "", "", "", 0], ""]',
        b'[true, ["", "", "", null, false], ""]',
        b'[true, ["", "", "", "", false], 5]',
        b'[true, ["", "", "", "", false], "", 1]',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_question(line: bytes) -> None:
    """It is told apart without an error, whatever it is."""
    assert wire.read_question(line) is None


def test_an_answer_is_read_as_it_was_sent() -> None:
    """A line for each session, and the last one; what clients said is text of one line."""
    entries = [make_entry("1"), make_entry("2", about='GET /\n"\x1b[31m\udcff')]
    lines = (wire.answer_lines(entries) + wire.last_line(Last(3, "why"))).splitlines()
    assert [wire.read_answer(line) for line in lines] == [*entries, Last(3, "why")]


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"{}", b'{"left": "1", "refused": ""}', b'{"left": true, "refused": ""}', b"[]", b"[1]",
     json.dumps([*make_entry()[:6], "old", 1, 2, "x"]).encode()],
)  # fmt: skip
def test_what_is_no_answer(line: bytes) -> None:
    """Such as of another program, or another version."""
    assert wire.read_answer(line) is None
