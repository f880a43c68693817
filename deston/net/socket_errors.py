"""The errors of sockets, and of TLS on them, in our terms.

What lives here: which of ours stands for which of the system's.
What must not: what is done about one.
Invariant: the system's own words are in the message.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable
from typing import Final

from deston.errors import ReadTimeout, StreamError, StreamReset


def translated(error: OSError) -> StreamError:
    """The error of ours for a socket's."""
    kind = _KINDS.get(error.errno or 0, StreamReset)
    return kind(os.strerror(error.errno) if error.errno else str(error))


def translated_tls(error: ssl.SSLError) -> StreamError:
    """The error of ours for one of TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return StreamReset(f"the certificate cannot be trusted: {error.verify_message}")
    return StreamReset(reason_of(error))


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's word for what went wrong."""
    # Where the peer has just ended there is none, whatever its types say.
    return getattr(error, "reason", None) or str(error)


_KINDS: Final[dict[int, Callable[[str], StreamError]]] = {
    errno.ETIMEDOUT: ReadTimeout,
    errno.ECONNRESET: StreamReset,
    errno.EPIPE: StreamReset,
}
