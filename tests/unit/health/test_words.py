"""What an operator reads."""

from __future__ import annotations

import errno
import http.client
import ssl

import pytest

from deston.address import Address
from deston.health.words import causes, explain, label, plain, plain_errno, ranges, standing
from tests.unit.health import builders


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection reset"),
        (BrokenPipeError(), "connection reset"),
        (TimeoutError("timed out"), "timed out after 2s"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "no such file or directory"),
        (http.client.RemoteDisconnected("Remote end closed"), "closed without an answer"),
        (http.client.BadStatusLine("SSH-2.0"), "answer is not HTTP"),
        (http.client.IncompleteRead(b"a", 9), "answer was cut short"),
        (ssl.SSLError("Something"), "TLS failed: something"),
        (ssl.SSLCertVerificationError("wrong name"), "certificate verify failed: wrong name"),
        (ValueError("Invalid header"), "invalid header"),
        (KeyError(), "KeyError"),
    ],
)
def test_errors_in_plain_words(error: Exception, reason: str) -> None:
    """Every foreign exception becomes a short clause."""
    assert explain(error, 2.0) == reason


def test_the_innermost_cause_that_says_something_counts() -> None:
    """What libraries wrap around an error is not shown."""
    error = _wrapped(_wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "aborted"), "max retries")
    assert explain(error, 1.0) == "connection refused"
    assert len(list(causes(error))) == 3


def test_a_suppressed_context_is_no_cause() -> None:
    """An error that was raised ``from None`` stands for itself."""
    error = ValueError("tls settings cannot be used")
    error.__context__ = FileNotFoundError(errno.ENOENT, "No such file")
    error.__suppress_context__ = True
    assert explain(error, 1.0) == "tls settings cannot be used"


def _wrapped(inner: Exception, text: str) -> Exception:
    try:
        try:
            raise inner
        except Exception as error:
            raise OSError(text) from error
    except OSError as outer:
        return outer


@pytest.mark.parametrize(
    ("text", "clause"), [("Connection refused", "connection refused"), ("TLS failed", "TLS failed"), ("", "")]
)
def test_plain_clause(text: str, clause: str) -> None:
    """A message loses its capital, an acronym does not."""
    assert plain(text) == clause


def test_system_errors_in_plain_words() -> None:
    """An error number has the system's words."""
    assert plain_errno(errno.ENETUNREACH) == "network is unreachable"


def test_ranges_read_as_in_the_file() -> None:
    """Expected statuses are shown as a file has them."""
    assert ranges(((200, 299), (404, 404))) == "200-299, 404"


def test_label_and_standing() -> None:
    """A log line names pool, server and address, and counts who is usable."""
    one, two = builders.servers(2)
    two.marked = True
    pool = builders.pool(one, two)
    assert label(pool, two) == "app/b 127.0.0.1:2"
    assert standing(pool) == "1 of 2 servers usable"
    unix = builders.server("u", Address(path="/run/u.sock"))
    assert label(pool, unix) == "app/u unix:/run/u.sock"
