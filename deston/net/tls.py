"""TLS to servers.

What lives here: contexts from configuration, and the handshake on a stream that is open.
What must not: what a secured stream does (``tls_stream.py``), TLS with clients (``termination.py``).
Invariant: a server's certificate is verified unless the configuration says otherwise.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable

from deston.address import Address
from deston.config.model import TlsConfig
from deston.errors import ConnectError, StartError, StreamError
from deston.net.stream import Stream
from deston.net.tls_stream import TlsStream


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """The context for connections to the servers of a pool.

    Raises ``StartError`` with one sentence for a file that is missing, unreadable or no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    show_truncation(context)
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca:
        load(lambda: context.load_verify_locations(config.ca), config.ca)
    else:
        context.load_default_certs()
    if config.client_certificate:
        load_pair(context, config.client_certificate, config.client_key)
    return context


def show_truncation(context: ssl.SSLContext) -> None:
    """Let an end without a close notice be an error: with some builds of OpenSSL, Python takes it for a good one."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate and its key, which is in the same file where ``key`` is empty; raises ``StartError``."""
    # An empty passphrase, because OpenSSL would ask for one at the terminal.
    load(lambda: context.load_cert_chain(certificate, key or None, password=""), certificate, *([key] if key else []))


def load(action: Callable[[], None], *files: str) -> None:
    """Run ``action`` on a certificate and its key, if it has one."""
    for what, file in zip(("certificate", "key"), files, strict=False):
        _require_readable(what, file)
    try:
        action()
    except ssl.SSLError as error:
        names = " and ".join(files)
        raise StartError(f"{names}: not a certificate or key that can be used ({error.reason or error})") from error


def _require_readable(what: str, file: str) -> None:
    """OpenSSL does not say which of its files it could not read."""
    try:
        with open(file, "rb"):
            return
    except OSError as error:
        raise StartError(f"{file}: the {what} cannot be read: {error.strerror}") from error


def secure(
    stream: Stream, address: Address, context: ssl.SSLContext, server_name: str, handshake_timeout: float
) -> TlsStream:
    """Shake hands with a server that is connected, in so many seconds; where that fails, the stream is closed.

    ``server_name`` is what the certificate has to name; it may be empty where nothing is verified. ``address`` is what
    errors speak of. Raises ``ConnectError``: nothing of a request was sent.
    """
    try:
        tls = TlsStream(stream, context, server_name)
        stream.expire_after(handshake_timeout)
        tls.shake_hands()
        stream.expire_after(math.inf)
    except (StreamError, ValueError) as error:  # A value: a name that no certificate can have.
        stream.close()
        raise ConnectError(f"{address}: TLS handshake: {error}") from error
    except BaseException:
        stream.close()
        raise
    return tls
