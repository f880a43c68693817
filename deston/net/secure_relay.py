"""The relay's way where a side speaks TLS.

What lives here: what is different from ``relay.Direction``.
What must not: TLS itself (``tls_stream.py``).
Invariant: that of ``relay.py``; nothing stays in a TLS engine that no watcher would tell of.
"""

from __future__ import annotations

from contextlib import suppress

from deston.errors import StreamError
from deston.net.relay import Direction, Relay, Side
from deston.net.tls_stream import TlsStream


class SecureDirection(Direction):
    """One way of a relay of which at least one side speaks TLS."""

    __slots__ = ()

    def __init__(self, relay: Relay, source: Side, target: Side) -> None:
        super().__init__(relay, source, target)
        if isinstance(source, TlsStream):
            self._receive = source.receive
        if isinstance(target, TlsStream):
            self._send = target.send

    def start(self) -> None:
        """Begin; with the last of its handshake, a peer may have sent its first bytes."""
        super().start()
        if not (self.is_blocked or self.ended):
            self.on_readable()

    def on_readable(self) -> None:
        super().on_readable()
        if isinstance(self.source, TlsStream) and self.source.at_end and not (self.ended or self.is_blocked):
            super().on_readable()

    def on_writable(self) -> None:
        super().on_writable()
        if not (self.ended or self.is_blocked):
            self.on_readable()

    def _end(self) -> None:
        super()._end()
        target = self.target
        if isinstance(target, TlsStream) and target.has_unsent and self.relay.ending is None:
            target.writer.start(self._say_goodbye)

    def _say_goodbye(self) -> None:
        """Tell a target of the end that took nothing when it was due; runs in the hub."""
        target = self.target
        with suppress(StreamError):
            target.shutdown_write()
        if isinstance(target, TlsStream) and not target.has_unsent:
            target.writer.stop()
