"""How a command and a worker speak: one line of JSON that asks, and lines that answer.

What lives here: the lines, and the limits of what may come. Pure.
What must not: sockets (``service``, ``asking``).
Invariant: whatever comes is read as what it may be, or as None; nothing that is malformed raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from deston.sessions.entry import Entry, Wanted

#: What a question, and a line of an answer, may have, in bytes.
LONGEST_QUESTION = 4096
LONGEST_LINE = 8192
# Of the members of an entry, and of those of a question.
_ENTRY = [str, str, str, str, str, str, float, int, int, str]
_QUESTION = [str, str, str, str, bool, bool, str]


class Question(NamedTuple):
    """What is to be told, or ended: ``number`` alone, where it is not empty, else all that is ``wanted``."""

    ends: bool
    wanted: Wanted = Wanted()
    number: str = ""


class Last(NamedTuple):
    """The end of an answer: ``left`` were told to end and are not over yet, and why something was not done at all."""

    left: int = 0
    refused: str = ""


def question_line(question: Question) -> bytes:
    """A question as it is sent."""
    return json.dumps([question.ends, list(question.wanted), question.number]).encode() + b"\n"


def read_question(line: bytes) -> Question | None:
    """A question as it came."""
    value = _parsed(line)
    if not (isinstance(value, list) and len(value) == 3 and isinstance(value[1], list)):
        return None
    ends, wanted, number = value
    kinds = [*map(type, wanted), type(ends), type(number)]
    if kinds != _QUESTION:
        return None
    return Question(ends, Wanted(*wanted), number)


def answer_lines(entries: Iterable[Entry]) -> bytes:
    """A piece of an answer."""
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def last_line(last: Last) -> bytes:
    """The end of an answer."""
    return json.dumps(last._asdict()).encode() + b"\n"


def read_answer(line: bytes) -> Entry | Last | None:
    """A line of an answer."""
    value = _parsed(line)
    if isinstance(value, dict) and [type(value.get(name)) for name in Last._fields] == [int, str]:
        return Last(value["left"], value["refused"])
    if isinstance(value, list) and list(map(type, value)) == _ENTRY:
        return Entry(*value)
    return None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
