"""One request over one connection: sending it, and the head of what the server answers.

What lives here: the order in which request, interim responses and an early answer may come.
What must not: which server and how often (``exchange``), the body of the response (``reading``).
Invariant: nobody is waited for while the other side has something to say: a server may answer, or ask for the body,
before it has all of it.
"""

from __future__ import annotations

from typing import Final

from deston.balancer.server import Server
from deston.errors import BadResponse, StreamEnded, StreamReset
from deston.l7 import http1
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.headers import fit_trailers
from deston.l7.http1 import ResponseHead
from deston.l7.incoming import Incoming
from deston.l7.request import Request
from deston.net.hub import Turn

# Interim responses to one request; each of them may come after a pause of its own.
MOST_INTERIM: Final = 100


def send(
    incoming: Incoming, request: Request, head: bytes, server: Server, timeout: float, now: float
) -> ResponseHead | None:
    """Send a request, which begins with ``head``; the head of the response where that came before all was sent.

    ``timeout`` is how long the server may take nothing, in seconds, ``now`` the time on the monotonic clock. Raises
    ``StreamError``, and what the body raises.
    """
    stream = incoming.stream
    stream.expire_after(timeout, now)
    if request.body is NO_BODY:
        stream.write(head)
        return None
    try:
        return _send_with_body(incoming, request, head, server, timeout)
    except StreamReset:
        # A server may close as soon as it has answered: what it said is still to be read.
        return read_head(incoming, request, timeout)


def _send_with_body(
    incoming: Incoming, request: Request, head: bytes, server: Server, timeout: float
) -> ResponseHead | None:
    stream, body, unsent = incoming.stream, request.body, head
    if request.expects and not body.is_at_hand():
        stream.write(unsent)
        unsent = b""
    turn = Turn()
    while True:
        early = None if unsent else _wait_for_piece(incoming, request, timeout, turn)
        if early is not None:
            return early
        if _send_piece(incoming, request, server, timeout, unsent):
            stream.expire_after(timeout)
            return None
        unsent = b""
        turn.give_way()


def _send_piece(incoming: Incoming, request: Request, server: Server, timeout: float, unsent: bytes = b"") -> bool:
    """Send the next piece of the body behind what is ``unsent``; whether it was the last."""
    stream, body = incoming.stream, request.body
    piece = body.read()
    server.bytes_in += len(piece)
    request.carried.received += len(piece)
    # The client may have taken its time; the server's begins anew with each piece.
    stream.expire_after(timeout)
    stream.write(unsent + _framed(body, piece))
    return not piece or (body.length is not None and body.is_sent)


class Rest:
    """What was not sent of a request when its response began: it goes on between the pieces of the response."""

    __slots__ = ("_incoming", "_is_over", "_request", "_server", "_timeout")

    def __init__(self, incoming: Incoming, request: Request, server: Server, timeout: float) -> None:
        self._incoming = incoming
        self._request = request
        self._server = server
        self._timeout = timeout
        self._is_over = not request.body.can_go_on

    def go_on(self) -> None:
        """Send on until the server says more, or all is sent; raises what the body raises, and ``StreamError``."""
        stream, body = self._incoming.stream, self._request.body
        while not self._is_over and not stream.has_input():
            if body.is_at_hand():
                self._is_over = self._send_piece()
            else:
                body.wait_with(stream)

    def _send_piece(self) -> bool:
        try:
            return _send_piece(self._incoming, self._request, self._server, self._timeout)
        except StreamReset:
            return True  # The server wants no more of it, and may have said why.


def _framed(body: RequestBody, piece: bytes) -> bytes:
    """A piece of the body as it is sent; an empty one ends it."""
    if body.length is not None:
        return piece
    return http1.chunk(piece) if piece else http1.last_chunk(fit_trailers(body.trailers))


def _wait_for_piece(incoming: Incoming, request: Request, timeout: float, turn: Turn) -> ResponseHead | None:
    """Wait until there is more of the body; the head of a final response where that comes before."""
    while True:
        while not incoming.is_empty or incoming.stream.has_input():
            incoming.stream.expire_after(timeout)
            head = _read_one_head(incoming)
            if head.status >= 200:
                return head
            _pass_on(request, head)
            turn.give_way()
        if request.body.is_at_hand():
            return None
        request.body.wait_with(incoming.stream)


def read_head(incoming: Incoming, request: Request, timeout: float) -> ResponseHead:
    """The head of the final response, after which the body follows; interim ones are passed on.

    Each may come within ``timeout`` seconds of the one before. Raises ``StreamError`` or ``BadResponse``.
    """
    while True:
        head = _read_one_head(incoming, bool(request.upgrade))
        if head.status >= 200 or head.status == http1.SWITCHING:
            return head
        _pass_on(request, head)
        incoming.stream.expire_after(timeout)


def _pass_on(request: Request, head: ResponseHead) -> None:
    """Pass an interim response on; a server that says nothing else has failed."""
    request.interims += 1
    if request.interims > MOST_INTERIM:
        raise BadResponse(f"more than {MOST_INTERIM} interim responses")
    request.interim(head)


def _read_one_head(incoming: Incoming, may_switch: bool = False) -> ResponseHead:
    try:
        data = incoming.read_until(http1.END_OF_HEAD, http1.LARGEST_RESPONSE_HEAD, BadResponse)
    except (StreamReset, StreamEnded) as error:
        if incoming.is_empty:
            raise
        raise BadResponse("the server broke off within the head of its response") from error
    head = http1.parse_response_head(data)
    if head.status == http1.SWITCHING and not may_switch:
        raise BadResponse("the server switches protocols, which nobody asked for")
    return head
