"""The one tree of errors.

What lives here: every exception that one part of Deston raises for another. Each class knows whether the
exchange or connection may be tried on another server, and which status an HTTP client gets for it.
What must not: messages for one caller only, and logging.
Invariant: a foreign exception (``OSError``, ``ssl.SSLError``, ``ConfigObjError``) is translated into one of
these exactly once, where the I/O is, and nobody above that line mentions the foreign one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Retry(enum.Enum):
    """When what failed may be tried on another server."""

    ALWAYS = "always"  # Nothing reached the server.
    IF_REPLAYABLE = "if replayable"  # The server may have acted on it.
    NEVER = "never"  # The client has seen some of the answer, or is itself the cause.


class DestonError(Exception):
    """The root of everything that Deston raises on purpose."""

    retry: Retry = Retry.NEVER
    http_status: int = 500


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a configuration file.

    ``line`` is 0 where a problem belongs to the file as a whole.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(DestonError):
    """A configuration that cannot be used, with all of its problems (exit status 2)."""

    exit_status = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StartError(DestonError):
    """A process that cannot start for a reason outside its configuration (exit status 1)."""

    exit_status = 1


class StoreError(DestonError):
    """What processes share cannot be read or written."""


class ChangeRefused(DestonError):
    """An operator's change that makes no sense, such as to a server that there is not."""


class NoSuchSession(ChangeRefused):
    """A session that an operator names is not there, or not any more."""


class AdminRefusal(DestonError):
    """What the admin API does not do for its client: the status, the reason, and what is wrong with which key."""

    http_status = 400

    def __init__(self, status: int, reason: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.errors = errors


class CannotSimulate(DestonError):
    """What was asked of a simulation makes no sense; ``option`` is the one that is wrong, or empty (exit status 2)."""

    def __init__(self, reason: str, option: str = "") -> None:
        super().__init__(reason)
        self.option = option


class NoServerAvailable(DestonError):
    """A pool has no server left that may be picked."""

    http_status = 503


class AllServersFull(NoServerAvailable):
    """A pool has servers that may be picked, but each has as many connections as it may have."""


class QueueFull(NoServerAvailable):
    """As many clients wait for a server with room as may wait."""


class QueueTimeout(NoServerAvailable):
    """No server had room in the time that a client may wait."""


class Denied(DestonError):
    """A client may not come here."""

    http_status = 403


class TooManyRequests(DestonError):
    """A client asks more often, or for more at one time, than it may; ``fields`` tell it of the limit."""

    http_status = 429

    def __init__(self, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(reason)
        self.fields = fields


class NoRoute(DestonError):
    """No route matches a request, and its listener has no pool of its own."""

    http_status = 404


class UnknownPool(DestonError):
    """A pool was asked for that the registry does not have."""

    http_status = 503


class StreamError(DestonError):
    """Something went wrong on a stream; the subclasses say in which phase."""

    retry = Retry.IF_REPLAYABLE
    http_status = 502


class ConnectError(StreamError):
    """A server could not be reached: nothing was sent to it."""

    retry = Retry.ALWAYS
    http_status = 503


class ConnectTimeout(ConnectError):
    """A server did not accept within the connect timeout."""


class OutOfDescriptors(ConnectError):
    """This process has no file descriptor left: the fault is ours, not the server's."""

    retry = Retry.NEVER


class OutOfPorts(OutOfDescriptors):
    """This machine has no port left to dial a server from, or not the address: the fault is ours, here too.

    Ports are counted for each server apart, so another one may be reached.
    """

    retry = Retry.ALWAYS


class ReadTimeout(StreamError):
    """A peer sent nothing within the time that it had.

    Not tried again by default: the server may still be at work, and the client has waited long enough.
    """

    retry = Retry.NEVER
    http_status = 504


class WriteTimeout(StreamError):
    """A peer took nothing within the time that it had."""

    retry = Retry.NEVER
    http_status = 504


class StreamReset(StreamError):
    """A peer reset the connection, or it broke."""


class StreamEnded(StreamError):
    """A peer closed the connection where more had to come."""


class ClientGone(DestonError):
    """The client left, or sent less than it announced, before its exchange was over."""

    http_status = 400


class ProtocolError(DestonError):
    """A peer broke the rules of HTTP."""


class BadProxyHeader(ProtocolError):
    """A connection does not begin with a valid header of the PROXY protocol."""

    http_status = 400


class BadClientHello(ProtocolError):
    """A connection does not begin with a TLS client's first message, or that is malformed or ambiguous."""

    http_status = 400


class PrefaceTimeout(StreamError):
    """A client did not complete in time what comes before its first byte to the server."""

    retry = Retry.NEVER
    http_status = 408


class BadRequest(ProtocolError):
    """A client's request cannot be read in one way only."""

    http_status = 400


class RequestTimeout(ProtocolError):
    """A client did not complete its request in time."""

    http_status = 408


class UriTooLong(ProtocolError):
    """A client's request line is over the listener's limit."""

    http_status = 414


class HeadTooLarge(ProtocolError):
    """A client's request head, or the number of its fields, is over the listener's limit."""

    http_status = 431


class VersionNotSupported(ProtocolError):
    """A client speaks another major version of HTTP."""

    http_status = 505


class LengthRequired(ProtocolError):
    """A client's body has no length, and the WSGI server cannot say where it ends."""

    http_status = 411


class RequestTooLarge(ProtocolError):
    """A client's body is over the listener's limit."""

    http_status = 413


class ApplicationError(DestonError):
    """An application in this process failed before its response began."""

    http_status = 500


class BadResponse(ProtocolError):
    """A server's response is malformed, ambiguous or over a limit."""

    http_status = 502
