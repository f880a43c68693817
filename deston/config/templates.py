"""Texts with values in them: ``%(client_address)s``.

What lives here: taking a template apart, and the names that each kind of template may have.
What must not: where the values come from (``deston.l7``).
Invariant: what is no ``%(name)s`` stays as it is, so that an escape of a path is none of a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_NAME = re.compile(r"%\(([^()]*)\)s")
#: What stands for a field of the request, or a cookie of it: ``%(header:User-Agent)s``.
PREFIXES = ("header:", "cookie:")

REQUEST_NAMES = (
    "client_address", "host", "listener", "method", "path", "peer_address", "query", "request_id", "route", "scheme",
    "target", "tls_version",
)  # fmt: skip
#: What is known once there is a response.
RESPONSE_NAMES = (*REQUEST_NAMES, "pool", "server", "status")
#: What is known once it was sent.
LOG_NAMES = (
    *RESPONSE_NAMES, "bytes_in", "bytes_out", "code", "connect_ms", "ending", "first_byte_ms", "queue_ms", "time",
    "total_ms", "tries", "version",
)  # fmt: skip


class Template:
    """A template, taken apart once."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Every second part is a name.
        self._parts = _NAME.split(text)

    @property
    def names(self) -> list[str]:
        return self._parts[1::2]

    def fill(self, value: Callable[[str], str]) -> str:
        """The text with ``value`` asked for each name."""
        parts = self._parts
        if len(parts) == 1:
            return parts[0]
        return "".join(value(part) if index & 1 else part for index, part in enumerate(parts))

    def __repr__(self) -> str:
        return f"<Template {self.text!r}>"


def unknown_names(text: str, known: Iterable[str]) -> list[str]:
    """The names in a template that nobody has a value for."""
    known = set(known)
    return [name for name in Template(text).names if name not in known and not name.startswith(PREFIXES)]
