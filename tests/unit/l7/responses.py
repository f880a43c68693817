"""The responses in tests/data/http, and how a whole one is read.

What lives here: the files as values, and the reading of a head with its body as an exchange does it.
What must not: assertions.
Invariant: a file that cannot be read fails the collection of the tests that want it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deston.errors import BadResponse
from deston.l7 import http1
from deston.l7.body import response_body
from deston.l7.fields import Field
from deston.l7.headers import connection_options
from deston.l7.incoming import Incoming
from deston.net.fake import FakeStream

FOLDER = Path(__file__).resolve().parents[2] / "data" / "http"


@dataclass(frozen=True)
class Reading:
    """What is read from a response; ``rest`` is what comes behind it."""

    version: int
    status: int
    reason: bytes
    fields: tuple[Field, ...]
    framing: str
    body: bytes
    keeps_alive: bool
    rest: bytes


@dataclass(frozen=True)
class Case:
    """A file: the method that was asked with, the bytes, and what is to be read from them."""

    method: bytes
    data: bytes
    expected: Reading | None


def cases(kind: str) -> list[object]:
    """The files of a folder, as parameters."""
    found = sorted((FOLDER / kind).glob("*.http"))
    assert found
    return [pytest.param(_read_case(path), id=path.stem) for path in found]


def _read_case(path: Path) -> Case:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    data = "".join(lines[1:]).encode("latin-1").decode("unicode_escape").encode("latin-1")
    expectation = path.with_suffix(".json")
    if not expectation.exists():
        return Case(b"GET", data, None)
    values = json.loads(expectation.read_text(encoding="utf-8"))
    fields = tuple((_latin(name), _latin(value)) for name, value in values["fields"])
    reading = Reading(
        version=values["version"],
        status=values["status"],
        reason=_latin(values["reason"]),
        fields=fields,
        framing=values["framing"],
        body=_latin(values["body"]),
        keeps_alive=values["keeps_alive"],
        rest=_latin(values["rest"]),
    )
    return Case(_latin(values["method"]), data, reading)


def _latin(text: str) -> bytes:
    return text.encode("latin-1")


def read_response(pieces: Iterable[bytes], method: bytes = b"GET") -> Reading:
    """Read a whole response that comes in these pieces; raises what an exchange would."""
    incoming = Incoming(FakeStream(pieces))
    head = http1.parse_response_head(incoming.read_until(http1.END_OF_HEAD, http1.LARGEST_RESPONSE_HEAD, BadResponse))
    framing, length = http1.response_framing(method, head)
    body = response_body(framing, length, incoming)
    read = b""
    while piece := body.read():
        read += piece
    assert body.complete
    assert body.read() == b""
    rest = b""
    while piece := incoming.read(100):
        rest += piece
    keeps = http1.keeps_alive(head, connection_options(head.named))
    return Reading(
        head.minor_version, head.status, head.reason, tuple(head.fields), framing.value, read, keeps, rest
    )  # fmt: skip
