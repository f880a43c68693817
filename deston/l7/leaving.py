"""A client that leaves while its response is due.

What lives here: telling one that has left from one that has merely ended its side, and waking the exchange.
What must not: what becomes of the exchange (``exchange``).
Invariant: once it was ended, a watch wakes nobody: the server's connection may be another exchange's by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gevent import spawn_later

from deston.errors import ClientGone
from deston.l7.http1 import GO_AHEAD
from deston.net.byte_stream import ByteStream
from deston.waiting import Interruptible

# A client that still reads passes over it (RFC 9110 section 15.2); the machine of one that does not answers with a
# reset. Nothing less would do: TCP cannot tell a close from the end of one direction, and a client may end that early.
PROBE: Final = GO_AHEAD
# When the answer to it is looked for, in seconds after one another: a machine nearby, and one far away.
LOOKS: Final[Sequence[float]] = (0.05, 0.25, 1.0)


class ClientWatch:
    """Cancels what a server does for a client, once that has left.

    ``may_probe`` is whether the client takes interim responses, and none of the final one was sent.
    """

    __slots__ = ("_client", "_is_over", "_may_probe", "_server")

    def __init__(self, client: ByteStream, server: Interruptible, may_probe: bool) -> None:
        self._client = client
        self._server = server
        self._may_probe = may_probe
        self._is_over = False
        client.watch(self._look)

    def response_begins(self) -> None:
        """No interim response may be sent any more."""
        self._may_probe = False

    def end(self) -> None:
        """Watch no more."""
        self._is_over = True
        self._client.watch(None)

    def _look(self) -> None:
        """The client has spoken, or ended; runs in the hub."""
        ended = self._client.has_ended()
        # From here on it would only tell the same again: that its next request is there, or the end.
        self._client.watch(None)
        if not ended:
            return
        if self._may_probe and self._client.send_at_once(PROBE):
            self._look_later(0)
        else:
            self._cancel()

    def _look_later(self, number: int) -> None:
        if number < len(LOOKS):
            spawn_later(LOOKS[number], self._look_again, number)

    def _look_again(self, number: int) -> None:
        if self._is_over:
            return
        if self._client.is_broken():
            self._cancel()
        else:
            self._look_later(number + 1)

    def _cancel(self) -> None:
        if not self._is_over:
            self._server.interrupt(ClientGone("the client left before its response was there"))


class NoWatch:
    """Looks for no client: its connection is not known."""

    def end(self) -> None:
        """There is nothing to end."""


NO_WATCH: Final = NoWatch()
