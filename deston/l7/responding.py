"""PEP 3333's side of a response: from one of ours to what a WSGI server iterates over.

What lives here: the head, the body piece by piece, and how a client is cut off.
What must not: the request, and what a proxy does (``proxy``).
Invariant: a response that breaks off never looks whole, as far as the server lets us; its record ends once.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from deston.errors import ClientGone, DestonError, StreamError
from deston.l7.environ import Environ
from deston.l7.fields import Field, Fields
from deston.l7.gunicorn_client import GunicornClient
from deston.l7.record import Record
from deston.l7.request import Response, Tunnel

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

# PEP 3333 forbids an application these, by the list of RFC 2616 with its misprint for Trailer; the others on it went
# with the hop-by-hop fields.
_NOT_FOR_APPLICATIONS = frozenset({b"proxy-authenticate", b"proxy-authorization", b"trailers"})


class ClientCut(ConnectionResetError):
    """Tells the WSGI server to cut the client off: its response cannot be completed.

    A kind of ``ConnectionResetError``, because servers end the connection on that without a traceback.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ECONNRESET, reason)


def after_tunnel(response: Response, tunnel: Tunnel, client: GunicornClient, record: Record | None) -> Exception:
    """Carry what a client had upgraded, and say with what the WSGI server is then told to end the connection."""
    ended: BaseException | None = None
    try:
        client.carry(response, tunnel)
    except StreamError as error:
        ended = error
        client.reset()
        return ClientCut(str(error))
    except BaseException as error:  # Such as an operator's word, or the end of a drain.
        ended = error
        client.reset()
        raise
    finally:
        response.close()
        if record is not None:
            record.end(0, ended)
    # gunicorn's word for the end of a connection: nothing is left to send, or to complain of.
    return StopIteration()


def respond(
    response: Response,
    environ: Environ,
    start_response: StartResponse,
    client: GunicornClient,
    record: Record | None,
    refuse: Callable[[DestonError], Response],
) -> Iterable[bytes]:
    has_body = environ["REQUEST_METHOD"] != "HEAD"
    first = b""
    if response.whole is None and has_body and response.is_at_hand():
        try:
            # PEP 3333 lets no server send the head before the first piece; until then another answer can be given.
            first = response.read()
        except DestonError as error:
            response.close()
            response = refuse(error)
            if record is not None:
                record.failed_late(response.status)
    try:
        if response.last:
            _close_after(start_response)
        start_response(f"{response.status} {response.reason.decode('latin-1')}", _wsgi_fields(response, client))
        client.keep_origin(start_response, response)
    except BaseException:
        response.close()
        raise
    if response.whole is not None or not has_body:
        response.close()
        whole = bytes(response.whole) if response.whole and has_body else b""
        if record is not None:
            record.end(len(whole))
        return [whole] if whole else []
    return Body(response, first, client, record)


def _close_after(start_response: StartResponse) -> None:
    """Let the WSGI server close the client's connection after this response, where it lets itself be told.

    gunicorn does: its ``start_response`` is a method of the response that has ``force_close``.
    """
    force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
    if force_close is not None:
        force_close()


def _wsgi_fields(response: Response, client: GunicornClient) -> list[tuple[str, str]]:
    fields = response.fields
    if not isinstance(fields, Fields):
        return _as_texts([*fields, *response.added], client.encoding)
    known: list[tuple[str, str]] | None = fields.kept.get(client.encoding)
    if known is None:
        known = fields.kept[client.encoding] = _as_texts(fields, client.encoding)
    return known + _as_texts(response.added, client.encoding)  # In any case one of its own, for servers may change it.


def _as_texts(fields: Iterable[Field], encoding: str) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode(encoding, "replace"))
        for name, value in fields
        if name.lower() not in _NOT_FOR_APPLICATIONS
    ]


class Body:
    """A response's body as WSGI iterates over it.

    ``first`` is its first piece. Where that has not come yet, an empty one comes before it: gunicorn then sends the
    head, so that a stream of events begins when it begins.
    """

    __slots__ = ("_client", "_error", "_first", "_is_whole", "_record", "_response")

    def __init__(self, response: Response, first: bytes, client: GunicornClient, record: Record | None) -> None:
        self._record = record
        # Where it is not whole and nothing else is known, the client has left.
        self._error: DestonError = ClientGone("the client left within the response")
        self._response = response
        self._first: bytes | None = first
        self._client = client
        self._is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            self._client.sent += len(first)
            return first
        try:
            piece = self._response.read()
        except DestonError as error:
            self._error = error
            raise self._cut(error) from error
        self._client.sent += len(piece)
        if not piece:
            self._is_whole = True
            self._client.send_trailers(self._response.trailers())
            raise StopIteration
        return piece

    def _cut(self, error: DestonError) -> Exception:
        """What cuts the client off: with a reset, where the server lets us at the socket; an end would look whole."""
        return self._client.cut(str(error), ClientCut(str(error)))

    def close(self) -> None:
        """Called by the WSGI server, whether the body was iterated over to its end or not.

        It was not where the client has left, or a drain is over: what the client got may not be taken for all.
        """
        if not self._is_whole:
            self._client.reset()
        try:
            self._response.close()
            self._client.close()
        finally:
            record, self._record = self._record, None
            if record is not None:
                record.end(self._client.sent, None if self._is_whole else self._client.ended or self._error)
