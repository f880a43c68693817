"""TLS to servers.

What lives here: contexts from configuration, and a stream that encrypts what it writes.
What must not: plain sockets' business; the TLS stream stands on a ``Stream``.
Invariant: a server's certificate is verified unless the configuration says otherwise.
The engine is OpenSSL's on memory buffers, so that it never sees a socket and works with and without gevent's
monkey-patching.
"""

from __future__ import annotations

import math
import ssl
from contextlib import suppress

from deston.address import Address
from deston.config.model import TlsConfig
from deston.errors import ConnectError, StartError, StreamError, StreamReset
from deston.net.dial import dial
from deston.net.stream import Bytes, Stream

# defaults.md: in all, from the first byte to the last of the handshake; in seconds.
HANDSHAKE_TIMEOUT = 5.0
_RECORD = 64 * 1024


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """The context for connections to the servers of a pool.

    Raises ``StartError`` with one sentence for a file that is missing, unreadable or no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca:
        _load(config.ca, lambda: context.load_verify_locations(config.ca))
    else:
        context.load_default_certs()
    if config.client_certificate:
        key = config.client_key or None
        _load(config.client_certificate, lambda: context.load_cert_chain(config.client_certificate, key))
    return context


def _load(file: str, action: object) -> None:
    try:
        action()  # type: ignore[operator]
    except ssl.SSLError as error:
        raise StartError(f"{file}: not a certificate or key that can be used ({error.reason or error})") from error
    except OSError as error:
        raise StartError(f"{file}: the certificate cannot be read: {error.strerror}") from error


def dial_tls(address: Address, timeout: float, context: ssl.SSLContext, server_name: str) -> TlsStream:
    """Connect and shake hands.

    ``server_name`` is what the certificate has to name. Raises ``ConnectError`` and its kinds: nothing of a request
    was sent.
    """
    stream = dial(address, timeout)
    tls = TlsStream(stream, context, server_name)
    try:
        stream.expire_after(HANDSHAKE_TIMEOUT)
        tls.shake_hands()
        stream.expire_after(math.inf)
    except StreamError as error:
        tls.close()
        raise ConnectError(f"{address}: TLS handshake: {error}") from error
    except BaseException:
        tls.close()
        raise
    return tls


class TlsStream:
    """A client's side of TLS on a stream; see ``ByteStream`` for what each method does."""

    __slots__ = ("_engine", "_from_peer", "_stream", "_to_peer")

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_name: str) -> None:
        self._stream = stream
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._from_peer, self._to_peer, server_hostname=server_name)

    def shake_hands(self) -> None:
        """Complete the handshake; raises ``StreamError`` with OpenSSL's reason."""
        while True:
            try:
                self._engine.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLError as error:
                with suppress(StreamError):  # The alert is a courtesy.
                    self._flush()
                raise _translated(error) from error

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes; empty at the end."""
        while True:
            try:
                return self._engine.read(limit)
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise _translated(error) from error

    def write(self, data: Bytes) -> None:
        """Encrypt and send all of ``data``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._engine.write(rest) :]
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLError as error:
                raise _translated(error) from error
            self._flush()

    def _feed(self) -> None:
        """Hand OpenSSL what the peer sends next; an end without a close notice is a truncation."""
        self._flush()
        data = self._stream.read(_RECORD)
        if data:
            self._from_peer.write(data)
        else:
            self._from_peer.write_eof()

    def _flush(self) -> None:
        data = self._to_peer.read()
        if data:
            self._stream.write(data)

    def expire_after(self, seconds: float) -> None:
        self._stream.expire_after(seconds)

    def is_quiet(self) -> bool:
        """Quiet but for what TLS says of itself, such as a new session ticket."""
        while self._stream.has_input():
            try:
                data = self._stream.read(_RECORD)
                if not data:
                    return False
                self._from_peer.write(data)
                self._engine.read(1)
                return False
            except ssl.SSLWantReadError:
                continue
            except (ssl.SSLError, StreamError):
                return False
        return True

    def has_input(self) -> bool:
        return bool(self._engine.pending()) or self._stream.has_input()

    def close(self) -> None:
        """Close; a notice is sent if the socket takes it at once."""
        self._stream.close()

    def abort(self) -> None:
        self._stream.abort()


def _translated(error: ssl.SSLError) -> StreamError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return StreamReset(f"the certificate cannot be trusted: {error.verify_message}")
    return StreamReset(error.reason or str(error))
