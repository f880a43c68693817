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
from collections.abc import Callable
from contextlib import suppress

from deston.address import Address
from deston.config.model import TlsConfig
from deston.errors import ConnectError, StartError, StreamError, StreamReset
from deston.net.dial import dial
from deston.net.stream import Bytes, Stream

# defaults.md: in all, from the first byte to the last of the handshake; in seconds.
HANDSHAKE_TIMEOUT = 5.0
# How much is encrypted or decrypted at a time, so that no copy of a large body is made.
_LARGEST_PIECE = 64 * 1024


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """The context for connections to the servers of a pool.

    Raises ``StartError`` with one sentence for a file that is missing, unreadable or no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python takes an end without a close notice for a good one with some builds of OpenSSL: here it is a truncation.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca:
        _load(lambda: context.load_verify_locations(config.ca), config.ca)
    else:
        context.load_default_certs()
    if config.client_certificate:
        certificate, key = config.client_certificate, config.client_key or None
        # An empty passphrase, because OpenSSL would ask for one at the terminal.
        _load(lambda: context.load_cert_chain(certificate, key, password=""), certificate, *([key] if key else []))
    return context


def _load(action: Callable[[], None], *files: str) -> None:
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


def dial_tls(address: Address, timeout: float, context: ssl.SSLContext, server_name: str) -> TlsStream:
    """Connect and shake hands.

    ``server_name`` is what the certificate has to name; it may be empty where nothing is verified. Raises
    ``ConnectError`` and its kinds: nothing of a request was sent.
    """
    stream = dial(address, timeout)
    try:
        tls = TlsStream(stream, context, server_name)
        stream.expire_after(HANDSHAKE_TIMEOUT)
        tls.shake_hands()
        stream.expire_after(math.inf)
    except (StreamError, ValueError) as error:  # A value: a name that no certificate can have.
        stream.close()
        raise ConnectError(f"{address}: TLS handshake: {error}") from error
    except BaseException:
        stream.close()
        raise
    return tls


class TlsStream:
    """A client's side of TLS on a stream; see ``ByteStream`` for what each method does."""

    __slots__ = ("_ahead", "_engine", "_from_peer", "_stream", "_to_peer")

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_name: str) -> None:
        self._stream = stream
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        # With no name at all, OpenSSL would silently verify none; an empty one is an error.
        name = server_name if server_name or context.check_hostname else None
        self._engine = context.wrap_bio(self._from_peer, self._to_peer, server_hostname=name)
        self._ahead = b""

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
        """Up to ``limit`` bytes; empty at an end that the peer has announced."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        while True:
            try:
                return self._engine.read(limit)
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLError as error:
                raise _translated(error) from error

    def write(self, data: Bytes) -> None:
        """Encrypt and send all of ``data``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._engine.write(rest[:_LARGEST_PIECE]) :]
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLError as error:
                raise _translated(error) from error
            self._flush()

    def _feed(self) -> None:
        """Hand OpenSSL what the peer sends next; an end without a close notice is a truncation."""
        self._flush()
        data = self._stream.read(_LARGEST_PIECE)
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
        return not self.has_input()

    def has_input(self) -> bool:
        """As of any stream; what TLS says of itself, such as a new session ticket, is taken in and is no input.

        Only OpenSSL can tell one from the other, by reading: so a byte is read ahead.
        """
        if self._ahead:
            return True
        try:
            return self._read_ahead()
        except (ssl.SSLError, StreamError):
            return True  # A read tells what is wrong.

    def _read_ahead(self) -> bool:
        while True:
            try:
                self._ahead = self._engine.read(1)
                return True
            except ssl.SSLWantReadError:
                if not self._stream.has_input():
                    return False
            self._feed()

    def close(self) -> None:
        """Close; a notice is sent if the socket takes it at once."""
        with suppress(ssl.SSLError):  # It wants the peer's notice, too, which nobody waits for.
            self._engine.unwrap()
        self._stream.send_at_once(self._to_peer.read())
        self._stream.close()

    def abort(self) -> None:
        self._stream.abort()


def _translated(error: ssl.SSLError) -> StreamError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return StreamReset(f"the certificate cannot be trusted: {error.verify_message}")
    return StreamReset(error.reason or str(error))
