"""What an access log says of one connection or session.

What lives here: the fields, the codes of how it ended, and the two forms of a line. Pure.
What must not: writing the line.
Invariant: every way to end has a code of two letters, in the sense of HAProxy's termination states (its configuration
manual, section 8.5): who or what ended it, and what it was at.
"""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from deston.config.model import LogFormat
from deston.l4.refusals import Refusal
from deston.net.relay import Ending

#: By what was ended: `-` in good order, C the client, S the server, c and s their timeouts, D a server that went down,
#: K the operator, L a limit, P a rule or protocol, R a resource that ran out, I a fault of ours. What it was at:
#: R receiving the client, Q waiting in the queue, C connecting to a server, D moving data, - the end.
ENDINGS = {
    Ending.CLOSED: "--",
    Ending.CLIENT_RESET: "CD",
    Ending.SERVER_RESET: "SD",
    Ending.IDLE: "cD",
    Ending.CLIENT_IDLE: "cD",
    Ending.SERVER_IDLE: "sD",
    Ending.CLIENT_HALF_CLOSED: "sD",
    Ending.SERVER_HALF_CLOSED: "cD",
    Ending.LIFETIME: "LD",
    Ending.SERVER_DOWN: "DD",
    Ending.CUT: "KD",
}
REFUSALS = {
    Refusal.DENIED: "PR",
    Refusal.CLIENT_CONNECTIONS: "LR",
    Refusal.CONNECTION_RATE: "LR",
    Refusal.NOT_A_PROXY: "PR",
    Refusal.PREFACE: "PR",
    Refusal.PREFACE_TIMEOUT: "cR",
    Refusal.TLS: "PR",
    Refusal.NO_ROUTE: "PR",
    Refusal.NO_SERVER: "SC",
    Refusal.QUEUE_FULL: "LQ",
    Refusal.QUEUE_TIMEOUT: "sQ",
    Refusal.CONNECT: "SC",
    Refusal.CONNECT_TIMEOUT: "sC",
    Refusal.DESCRIPTORS: "RC",
    Refusal.CLIENT_GONE: "CR",
    Refusal.OTHER: "IC",
}
#: Ended before there was a relay, and by nothing of the above: an operator, and a fault of ours.
CUT_EARLY, FAULT = "KC", "IC"


class Record:
    """What is known of a connection or session. Times are in seconds; ``connect`` is negative without a server."""

    __slots__ = (
        "alpn", "bytes_in", "bytes_out", "client", "code", "connect", "ending", "listener", "pool", "server",
        "server_name", "started", "tries", "unique_id", "wall_clock",
    )  # fmt: skip

    def __init__(self, listener: str) -> None:
        self.listener = listener
        self.started = time.monotonic()
        self.wall_clock = time.time()
        self.client = self.pool = self.server = self.server_name = self.alpn = self.unique_id = ""
        self.tries = self.bytes_in = self.bytes_out = 0
        self.connect = -1.0
        self.ends(FAULT, "fault")

    def ends(self, code: str, ending: str) -> None:
        """How it ended: the code, and in words."""
        self.code = code
        self.ending = ending

    def line(self, form: LogFormat) -> str:
        """The line, as of now."""
        duration = time.monotonic() - self.started
        return self._json(duration) if form is LogFormat.JSON else self._text(duration)

    def _text(self, duration: float) -> str:
        """Fields without spaces in a fixed order; ``-`` for one that is unknown."""
        return " ".join(
            (
                self._time(),
                self.client or "-",
                self.listener,
                f"{self.pool or '-'}/{self.server or '-'}",
                self.code,
                f"{self.connect * 1000:.1f}" if self.connect >= 0 else "-",
                f"{duration * 1000:.1f}",
                str(self.bytes_in),
                str(self.bytes_out),
                str(self.tries),
            )
        )

    def _json(self, duration: float) -> str:
        fields: dict[str, Any] = {
            "time": self._time(),
            "client": self.client,
            "listener": self.listener,
            "pool": self.pool,
            "server": self.server,
            "code": self.code,
            "ending": self.ending,
            "connect_ms": round(self.connect * 1000, 1) if self.connect >= 0 else None,
            "duration_ms": round(duration * 1000, 1),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "tries": self.tries,
            "server_name": self.server_name,
            "alpn": self.alpn,
            "unique_id": self.unique_id,
        }
        return json.dumps(fields)

    def _time(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.wall_clock, datetime.timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def __repr__(self) -> str:
        return f"<Record {self.client} {self.code}>"
