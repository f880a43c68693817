"""The start of a response as our own worker sends it: the status line and the fields.

What lives here: the bytes, and what they say of how the body ends and whether the connection is kept.
What must not: when a connection is kept (``connection``), the fields themselves (``proxy``).
Invariant: what follows from a head that repeats is made once.
"""

from __future__ import annotations

from typing import Final

from deston.l7 import http1
from deston.l7.fields import Fields
from deston.l7.request import Response


def start(response: Response, keep: bool, minor_version: int, chunked: bool) -> bytes:
    """The head of a response as it is sent."""
    fields = response.fields
    if isinstance(fields, Fields):  # It was made from one head, and has its status and reason.
        lines: bytes | None = fields.kept.get(start)
        if lines is None:
            lines = fields.kept[start] = http1.response_head(response.status, response.reason, fields)
    else:
        lines = http1.response_head(response.status, response.reason, fields)
    if response.added:
        lines += http1.field_lines(response.added)
    return lines + _ENDS[chunked, keep, minor_version]


# What a head ends with, by whether the body is in chunks, the connection is kept, and the minor version of the client:
# nothing is said of the connection where the version's own rule holds.
_CODING: Final = {False: b"", True: b"Transfer-Encoding: chunked\r\n"}
_OPTION: Final = {
    (False, 0): b"Connection: close\r\n", (False, 1): b"Connection: close\r\n",
    (True, 0): b"Connection: keep-alive\r\n", (True, 1): b"",
}  # fmt: skip
_ENDS: Final = {
    (chunked, keep, minor): coding + option + b"\r\n"
    for chunked, coding in _CODING.items()
    for (keep, minor), option in _OPTION.items()
}
