"""How health speaks: the words of its log lines and of the reasons that ``deston status`` shows.

What lives here: what a pool and a server are called, and a foreign exception in a few plain words.
What must not: logging, and any decision.
Invariant: a reason is one short clause without a class name and without an address.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from deston.balancer.pool import Pool
from deston.balancer.server import Server

Ranges = tuple[tuple[int, int], ...]

#: What an exception is in plain words: the first row that fits. ``TimeoutError`` is not here: it needs a figure.
_PLAIN: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (ssl.SSLCertVerificationError, lambda error: f"certificate verify failed: {_verify_reason(error)}"),
    (ssl.SSLError, lambda error: f"TLS failed: {_tls_reason(error)}"),
    (http.client.RemoteDisconnected, lambda error: "closed without an answer"),
    (http.client.IncompleteRead, lambda error: "answer was cut short"),
    (http.client.HTTPException, lambda error: "answer is not HTTP"),
    (ConnectionRefusedError, lambda error: "connection refused"),
    (ConnectionError, lambda error: "connection reset"),
)


def label(pool: Pool, server: Server) -> str:
    """A server as a log line names it: ``app/b 127.0.0.1:3001``."""
    return f"{pool.name}/{server.name} {server.address}"


def standing(pool: Pool) -> str:
    """How a pool stands, for the end of a log line: ``1 of 2 servers usable``."""
    usable = sum(server.usable for server in pool.servers)
    return f"{usable} of {len(pool.servers)} servers usable"


def ranges(wanted: Ranges) -> str:
    """Inclusive ranges as a file has them: ``200-399, 418``."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in wanted)


def explain(error: BaseException, timeout: float) -> str:
    """Why a check failed, by the innermost cause that says something.

    ``timeout`` is the time in seconds that the check had.
    """
    for cause in reversed(list(causes(error))):
        if isinstance(cause, TimeoutError):
            return f"timed out after {timeout:g}s"
        for kind, words in _PLAIN:
            if isinstance(cause, kind):
                return words(cause)
        if isinstance(cause, OSError) and cause.errno:
            return plain_errno(cause.errno)
    return plain(str(error)) or type(error).__name__


def plain(text: str) -> str:
    """A message as a clause: ``Connection refused`` becomes ``connection refused``; an acronym stays one."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def plain_errno(errno: int) -> str:
    """The system's words for an error number, as a clause."""
    return plain(os.strerror(errno))


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything behind it, the innermost last.

    Both the cause and the context are followed, because urllib3 raises from an exception that it made up.
    """
    yield error
    cause, context = error.__cause__, error.__context__
    if cause is not None:
        yield from causes(cause)
    from_none = error.__suppress_context__ and cause is None
    if context is not None and context is not cause and not from_none:
        yield from causes(context)


def _tls_reason(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)  # Missing where Python code raised it, as is ``verify_message``.
    return reason.replace("_", " ").lower() if reason else plain(str(error.args[-1]))


def _verify_reason(error: ssl.SSLCertVerificationError) -> str:
    return getattr(error, "verify_message", None) or str(error.args[-1])
