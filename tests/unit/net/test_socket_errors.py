"""Tests for deston.net.socket_errors."""

import errno

import pytest

from deston.errors import ReadTimeout, StreamError, StreamReset
from deston.net.socket_errors import translated


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(errno.ECONNRESET, "x"), StreamReset, "Connection reset by peer"),
        (OSError(errno.EPIPE, "x"), StreamReset, "Broken pipe"),
        (OSError(errno.ETIMEDOUT, "x"), ReadTimeout, "Connection timed out"),
        (OSError(errno.EHOSTUNREACH, "x"), StreamReset, "No route to host"),
        (OSError("without a number"), StreamReset, "without a number"),
    ],
)
def test_errors_of_sockets_become_ours(error: OSError, kind: type[StreamError], message: str) -> None:
    """Each error of a socket has one of ours, with the system's words."""
    ours = translated(error)
    assert type(ours) is kind
    assert str(ours) == message
