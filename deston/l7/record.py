"""What an access log says of one request.

What lives here: what is known of an exchange besides the request, its codes of how it ended, and the forms of a line.
What must not: when a line is written, and where to.
Invariant: a line is one line, whatever a client sent: control characters and quotes are escaped; it says one way in
which the exchange ended, in the sense of HAProxy's termination states (its configuration manual, section 8.5).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from deston.config.model import ListenerConfig, LogFormat
from deston.config.templates import Template
from deston.errors import (
    BadResponse,
    ClientGone,
    ConnectError,
    ConnectTimeout,
    DestonError,
    NoServerAvailable,
    OutOfDescriptors,
    ProtocolError,
    QueueFull,
    QueueTimeout,
    ReadTimeout,
    RequestTimeout,
    StreamError,
    TooManyRequests,
    WriteTimeout,
)

if TYPE_CHECKING:
    from deston.l7.header_rules import Values
    from deston.l7.request import Request

Write = Callable[[str], None]

#: In good order, and answered by Deston itself because a route says so.
GOOD, OWN_ANSWER = "--", "LR"
#: Broken off by the server within its response.
BROKE_OFF: Final = "SD"
# The first kind that fits an error with which a request was refused says how it ended.
_REFUSED: Final[tuple[tuple[type[DestonError], str], ...]] = (
    (QueueTimeout, "sQ"),
    (QueueFull, "SQ"),
    (NoServerAvailable, "SC"),
    (OutOfDescriptors, "RC"),
    (ConnectTimeout, "sC"),
    (ConnectError, "SC"),
    (ReadTimeout, "sH"),
    (WriteTimeout, "sH"),
    (BadResponse, "PH"),
    (StreamError, "SH"),
    (RequestTimeout, "cR"),
    (ClientGone, "CH"),
    (TooManyRequests, "PR"),
    (ProtocolError, "PR"),
)
# The same for what broke off a response that had begun: the server's side, and the client's.
_BROKEN_BY_SERVER: Final[tuple[tuple[type[DestonError], str], ...]] = (
    (ReadTimeout, "sD"),
    (BadResponse, "PD"),
    (StreamError, "SD"),
)
_BROKEN_BY_CLIENT: Final[tuple[tuple[type[DestonError], str], ...]] = (
    (WriteTimeout, "cD"),
    (StreamError, "CD"),
    (ClientGone, "CD"),
)
#: By what, and at what: the letters of a code in words.
_BY: Final = {
    "-": "in good order", "C": "client", "c": "client timeout", "S": "server", "s": "server timeout", "P": "rule",
    "L": "own answer", "R": "resources", "K": "cut", "I": "fault",
}  # fmt: skip
_AT: Final = {"-": "", "R": "request", "Q": "queue", "C": "connect", "H": "head", "D": "data"}
_UNKNOWN: Final = "-"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def code_of_refusal(error: DestonError) -> str:
    """How an exchange ended that was refused with this error."""
    return next((code for kind, code in _REFUSED if isinstance(error, kind)), "PR" if error.http_status < 500 else "IH")


def code_of_break(error: BaseException) -> str:
    """How an exchange ended whose response broke off with this error of the server's."""
    return next((code for kind, code in _BROKEN_BY_SERVER if isinstance(error, kind)), GOOD)


class Record:
    """One exchange. Times are in seconds, and negative where there was no such thing."""

    __slots__ = (
        "_form", "_template", "_wall_clock", "_write", "bytes_out", "code", "connect", "first_byte", "pool", "queue",
        "request", "server", "started", "status", "total", "tries", "values",
    )  # fmt: skip

    def __init__(self, listener: ListenerConfig, write: Write, template: Template | None) -> None:
        self._write = write
        self._form = listener.access_log_format
        self._template = template
        self._wall_clock = time.time()
        self.started = time.monotonic()
        self.request: Request | None = None
        self.values: Values | None = None
        self.pool = self.server = ""
        self.queue = self.connect = self.first_byte = self.total = -1.0
        self.tries = self.status = self.bytes_out = 0
        self.code = GOOD

    def end(self, sent: int, error: BaseException | None = None) -> None:
        """The exchange is over, so many bytes of its body were sent, and it broke off with ``error``, if any.

        What broke off on the server's side was said before: the rest is the client's doing, or an operator's.
        """
        self.bytes_out = sent
        self.total = time.monotonic() - self.started
        if error is not None and self.code == GOOD:
            cause = error.__cause__ or error
            self.code = next((code for kind, code in _BROKEN_BY_CLIENT if isinstance(cause, kind)), "KD")
        self._write(self.line())

    def failed_late(self, status: int) -> None:
        """The client got another status than the server's, whose response could not be begun."""
        self.status = status
        if self.code == GOOD or self.code[1] == "D":
            self.code = f"{self.code[0] if self.code != GOOD else 'S'}H"

    def line(self) -> str:
        """The line."""
        if self._template is not None:
            return self._template.fill(lambda name: _quoted(self.value(name)) or _UNKNOWN)
        if self._form is LogFormat.JSON:
            return json.dumps(self._facts())
        combined = self._combined()
        return combined if self._form is LogFormat.COMBINED else f"{combined} {self._more()}"

    def _combined(self) -> str:
        """The form of Apache and nginx, which many programs read."""
        value = self.value
        asked = " ".join(filter(None, (value("method"), value("target"), value("version")))) or _UNKNOWN
        referer, agent = value("header:Referer") or _UNKNOWN, value("header:User-Agent") or _UNKNOWN
        client = value("client_address") or value("peer_address") or "unix"
        return (
            f'{_plain(client)} - - [{_clock_of_logs(int(self._wall_clock))}] "{_quoted(asked)}" '
            f'{self.status or _UNKNOWN} {self.bytes_out} "{_quoted(referer)}" "{_quoted(agent)}"'
        )

    def _more(self) -> str:
        value = self.value
        where = "/".join(_plain(value(name)) or _UNKNOWN for name in ("listener", "route", "pool", "server"))
        times = "/".join(map(_milliseconds, (self.queue, self.connect, self.first_byte, self.total)))
        rest = [value("tries"), value("code"), value("tls_version") or _UNKNOWN, value("request_id") or _UNKNOWN]
        return " ".join([where, times, *map(_plain, rest)])

    def _facts(self) -> dict[str, Any]:
        """All that is known, by the names of templates."""
        value, request = self.value, self.request
        return {
            "time": _stamp(self),
            "client_address": value("client_address"),
            "listener": value("listener"),
            "route": value("route"),
            "pool": self.pool,
            "server": self.server,
            "method": value("method"),
            "scheme": value("scheme"),
            "host": value("host"),
            "target": value("target"),
            "version": value("version"),
            "status": self.status,
            "bytes_in": request.body.received if request is not None else 0,
            "bytes_out": self.bytes_out,
            "queue_ms": _rounded(self.queue),
            "connect_ms": _rounded(self.connect),
            "first_byte_ms": _rounded(self.first_byte),
            "total_ms": _rounded(self.total),
            "tries": self.tries,
            "code": self.code,
            "ending": value("ending"),
            "tls_version": value("tls_version"),
            "request_id": value("request_id"),
            "user_agent": value("header:User-Agent"),
            "referer": value("header:Referer"),
        }

    def value(self, name: str) -> str:
        """What a template calls by this name, as text; empty where it is unknown."""
        own = _VALUES.get(name)
        if own is not None:
            return own(self)
        return self.values(name) if self.values is not None else ""

    def __repr__(self) -> str:
        return f"<Record {self.status} {self.code}>"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds >= 0 else _UNKNOWN


def _rounded(seconds: float) -> float | None:
    return round(seconds * 1000, 1) if seconds >= 0 else None


@lru_cache(maxsize=4)  # Nearly all lines are of this second.
def _clock_of_logs(second: int) -> str:
    moment = time.localtime(second)
    # Month names are English, whatever the locale.
    return time.strftime(f"%d/{_MONTHS[moment.tm_mon - 1]}/%Y:%H:%M:%S %z", moment)


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _version(request: Request) -> str:
    return "HTTP/2.0" if request.is_http2 else f"HTTP/1.{request.minor_version}"


def _stamp(record: Record) -> str:
    whole = int(record._wall_clock)
    return f"{_second(whole)}.{int((record._wall_clock - whole) * 1000):03}Z"


_VALUES: Final[dict[str, Callable[[Record], str]]] = {
    "bytes_in": lambda one: str(one.request.body.received if one.request else 0),
    "bytes_out": lambda one: str(one.bytes_out),
    "code": lambda one: one.code,
    "connect_ms": lambda one: _milliseconds(one.connect),
    "ending": lambda one: f"{_BY[one.code[0]]} {_AT[one.code[1]]}".strip(),
    "first_byte_ms": lambda one: _milliseconds(one.first_byte),
    "pool": lambda one: one.pool,
    "queue_ms": lambda one: _milliseconds(one.queue),
    "server": lambda one: one.server,
    "status": lambda one: str(one.status or ""),
    "time": _stamp,
    "total_ms": lambda one: _milliseconds(one.total),
    "tries": lambda one: str(one.tries),
    "version": lambda one: _version(one.request) if one.request else "",
}


def _plain(text: str) -> str:
    """A text without what could end a line or confuse a terminal."""
    return text if text.isprintable() and text.isascii() else _escaped(text)


def _quoted(text: str) -> str:
    """A text that may stand in double quotes."""
    return _plain(text.replace("\\", "\\x5C").replace('"', "\\x22"))


def _escaped(text: str) -> str:
    return "".join(one if " " <= one <= "~" else f"\\x{ord(one) & 255:02X}" for one in text)
