"""A stream that speaks TLS.

What lives here: encryption and decryption on top of a ``Stream``, for greenlets and for relays.
What must not: contexts and certificates, the plain socket's own business.
Invariant: an end that the peer has not announced is an error, and never looks whole. The engine is OpenSSL's on memory
buffers, so that it never sees a socket and works with and without gevent's monkey-patching.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from deston.errors import DestonError, StreamError
from deston.net.byte_stream import Bytes, ByteStream
from deston.net.hub import Turn
from deston.net.socket_errors import reason_of, translated, translated_tls
from deston.net.stream import Stream

# How much is encrypted or decrypted at a time, so that no copy of a large body is made.
_LARGEST_PIECE: Final = 64 * 1024
# What a peer may make TLS say without taking it, in bytes: many times what any sound peer asks for.
MOST_UNSENT: Final = 64 * 1024
# What it may send without a byte for the other side: a record that comes in pieces is 16 KiB.
MOST_FRUITLESS: Final = 128 * 1024


class TlsStream(ByteStream):
    """One side of TLS on a stream.

    For greenlets it is a ``ByteStream``; see there for what each method does. For a relay it has ``receive`` and
    ``send``, which do what a socket's methods do and never wait; the two ways of use are not mixed.
    """

    __slots__ = (
        "_ahead", "_engine", "_failure", "_from_peer", "_fruitless", "_has_ended_writing", "_is_reset", "_owed",
        "_stream", "_to_peer", "_turn", "_unsent", "at_end", "home", "socket",
    )  # fmt: skip

    def __init__(
        self, stream: Stream, context: ssl.SSLContext, server_name: str = "", *, is_server: bool = False
    ) -> None:
        self._stream = stream
        self._turn = Turn()
        self.home, self.socket = stream.home, stream.socket
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        # With no name at all, OpenSSL would silently verify none; an empty one is an error.
        name = server_name if server_name or context.check_hostname else None
        self._engine = context.wrap_bio(self._from_peer, self._to_peer, server_side=is_server, server_hostname=name)
        self._ahead = b""
        #: Whether what was received last is followed by the end, or an error, which the next ``receive`` tells.
        self.at_end = False
        self._failure: OSError | None = None
        self._unsent = memoryview(b"")
        self._owed = 0
        self._fruitless = 0
        self._has_ended_writing = False
        self._is_reset = False

    def begin_with(self, data: bytes) -> None:
        """Take what was read of the peer before TLS was there."""
        self._from_peer.write(data)

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
                raise translated_tls(error) from error

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
            except ssl.SSLZeroReturnError:  # How an end is told where this side has ended, too.
                return b""
            except ssl.SSLError as error:
                raise translated_tls(error) from error

    def read_when_ready(self, limit: int) -> bytes:
        """As ``read``, but wait first, unless something of the peer is here already."""
        if self._ahead or self._from_peer.pending or self._engine.pending():
            self._turn.give_way()  # A wait would have done so.
        else:
            self._flush()
            # To try first would cost an error of OpenSSL's each time.
            self._take_in(self._stream.read_when_ready(_LARGEST_PIECE))
        return self.read(limit)

    def write(self, data: Bytes) -> None:
        """Encrypt and send all of ``data``."""
        rest = memoryview(data)
        while rest:
            try:
                written = self._engine.write(rest[:_LARGEST_PIECE])
                rest = rest[written:]
            except ssl.SSLWantReadError:
                self._feed()
            except ssl.SSLError as error:
                raise translated_tls(error) from error
            self._flush()

    def read_some(self, buffer: memoryview) -> Bytes:
        return self.read(len(buffer))

    def write_both(self, first: bytes, second: Bytes) -> None:
        self.write(first + second)

    def write_shared(self, data: Bytes) -> bool:
        self.write(bytes(data))
        return True

    def _feed(self) -> None:
        """Hand OpenSSL what the peer sends next; an end without a close notice is a truncation."""
        self._flush()
        self._take_in(self._stream.read(_LARGEST_PIECE))

    def _take_in(self, data: bytes) -> None:
        if data:
            self._from_peer.write(data)
        else:
            self._from_peer.write_eof()

    def _flush(self) -> None:
        data = self._to_peer.read()
        if data:
            self._stream.write(data)

    def receive(self, buffer: memoryview, limit: int) -> int:
        """As a socket's ``recv_into``: what has come, decrypted, which may be more than ``limit``.

        ``buffer`` has to hold all that one read can bring: the engine is always emptied, because no watcher would
        tell of what is left in it. 0 is an end that the peer has announced. Raises ``OSError``.
        """
        taken = self._decrypt(buffer)
        if not taken and not self.at_end:
            # Once in a call: a peer that sends nothing but what TLS has to say to itself must not hold the hub.
            data = self._stream.socket.recv(_LARGEST_PIECE)
            self._take_in(data)
            taken = self._decrypt(buffer)
            self._fruitless = 0 if taken else self._fruitless + len(data)
        if not taken and self._failure is not None:
            raise self._failure
        self._answer_peer()
        if not taken and not self.at_end:
            raise BlockingIOError
        return taken

    def _decrypt(self, buffer: memoryview) -> int:
        """Empty the engine into ``buffer``."""
        engine: Any = self._engine  # Its types know nothing of a buffer, with which a number comes back.
        taken = 0
        try:
            while count := engine.read(len(buffer) - taken, buffer[taken:]):
                taken += count
            self.at_end = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.at_end = True
        except ssl.SSLError as error:
            self.at_end = True
            self._failure = ConnectionResetError(errno.ECONNRESET, reason_of(error))
        return taken

    def _answer_peer(self) -> None:
        """Send what TLS itself has to say, such as a new key.

        A peer that asks for more than it takes, or for nothing else, is cut off.
        """
        if not self._send_encrypted() and self._to_peer.pending > MOST_UNSENT:
            raise ConnectionResetError(errno.ECONNRESET, "the peer does not take what it asked for")
        if self._fruitless > MOST_FRUITLESS:
            raise ConnectionResetError(errno.ECONNRESET, "the peer sends nothing but requests of TLS itself")

    def send(self, data: Bytes) -> int:
        """As a socket's: how much of ``data`` is encrypted and gone.

        What is encrypted but not gone is not counted yet: the next call has to begin with the same bytes, as with
        OpenSSL's own ``SSL_write``. Raises ``OSError``.
        """
        if not self._send_encrypted():
            raise BlockingIOError
        taken, self._owed = self._owed, 0
        while taken < len(data):
            piece = data[taken : taken + _LARGEST_PIECE]
            try:
                self._engine.write(piece)
            except ssl.SSLError as error:
                raise ConnectionResetError(errno.ECONNRESET, reason_of(error)) from error
            if not self._send_encrypted():
                self._owed = len(piece)
                break
            taken += len(piece)
        return taken

    @property
    def has_unsent(self) -> bool:
        """Whether something is encrypted and not gone."""
        return bool(self._unsent or self._to_peer.pending)

    def _send_encrypted(self) -> bool:
        """Send what is encrypted; whether all of it is gone. Raises ``OSError``."""
        while self.has_unsent:
            if not self._unsent:
                self._unsent = memoryview(self._to_peer.read())
            try:
                sent = self._stream.socket.send(self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return True

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more will come, and go on reading; again, once it takes more, until it is told.

        Raises ``StreamError``.
        """
        self._end_writing()
        try:
            is_told = self._send_encrypted()
        except OSError as error:
            self._unsent = memoryview(b"")
            self._to_peer.read()
            raise translated(error) from error
        if is_told:
            self._stream.shutdown_write()

    def expire_after(self, seconds: float, now: float = 0.0) -> None:
        self._stream.expire_after(seconds, now)

    def limit_writes(self, seconds: float) -> None:
        self._stream.limit_writes(seconds)

    @property
    def alpn(self) -> str:
        """The protocol that both sides agreed on, or an empty text."""
        return self._engine.selected_alpn_protocol() or ""

    @property
    def version(self) -> str:
        """The version of TLS that is spoken, such as ``TLSv1.3``."""
        return self._engine.version() or ""

    @property
    def peer_certificate(self) -> bytes:
        """The certificate that the peer has shown, in DER, or nothing."""
        return self._engine.getpeercert(binary_form=True) or b""

    @property
    def reader(self) -> Any:
        return self._stream.reader

    @property
    def writer(self) -> Any:
        return self._stream.writer

    def stop_watching(self) -> None:
        self._stream.stop_watching()

    def wait_readable(self) -> None:
        self._stream.wait_readable()

    def wait_writable(self) -> None:
        self._stream.wait_writable()

    def watch(self, callback: Callable[[], object] | None) -> None:
        self._stream.watch(callback)

    def interrupt(self, error: DestonError) -> None:
        self._stream.interrupt(error)

    @property
    def has_been_quiet(self) -> bool:
        return False  # What the hub has seen may be TLS's own.

    def is_broken(self) -> bool:
        return self._stream.is_broken()

    def send_at_once(self, data: Bytes) -> int:
        return 0  # What is encrypted has to be sent, whenever that is.

    def has_ended(self) -> bool:
        return self._stream.is_ending()  # What is left is mostly the notice of the end.

    def reset_when_closed(self) -> None:
        self._is_reset = True
        self._stream.reset_when_closed()

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
        """Close; a notice is sent if the socket takes it at once, and none if the peer is to see a reset."""
        if not self._is_reset:
            self._end_writing()
            if self._stream.send_at_once(self._unsent) == len(self._unsent):
                self._stream.send_at_once(self._to_peer.read())
        self._stream.close()

    def _end_writing(self) -> None:
        if not self._has_ended_writing:
            self._has_ended_writing = True
            with suppress(ssl.SSLError):  # It wants the peer's notice, too, which comes when it comes.
                self._engine.unwrap()

    def abort(self) -> None:
        self._is_reset = True
        self._stream.abort()
