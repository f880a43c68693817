"""The fields of a response as WSGI takes them."""

from __future__ import annotations

import io
from typing import Any

from deston.l7.fields import Fields
from deston.l7.gunicorn_client import GunicornClient
from deston.l7.request import Response
from deston.l7.responding import respond

SHARED = Fields([(b"Server", b"theirs"), (b"X-A", b"\xc3\xa9"), (b"Trailers", b"x")])


class Writer:
    """What gunicorn writes a response with: ``start_response`` is a method of it."""

    def __init__(self, **environ: Any) -> None:
        self.environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(), **environ}
        self.version = "gunicorn"
        self.fields: list[tuple[str, str]] = []
        self.headers: list[tuple[str, str]] = []

    def start_response(self, status: str, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def default_headers(self) -> None:
        """By this gunicorn's own is known."""


def responded(*added: tuple[bytes, bytes], **environ: Any) -> Writer:
    writer = Writer(**environ)
    client = GunicornClient(writer.environ)
    client._request = object()
    response = Response(200, b"OK", SHARED, 0, whole=b"")
    response.added = added
    respond(response, writer.environ, writer.start_response, client, None, lambda error: response)
    return writer


def test_fields_that_responses_share_are_each_servers_own() -> None:
    """A server may change the list that it was given."""
    for _ in range(2):
        found = responded().fields
        assert found == [("Server", "theirs"), ("X-A", "\xc3\xa9")]
        found.append(("Via", "gunicorn"))


def test_fields_in_another_encoding() -> None:
    """HTTP/2 has its texts in UTF-8."""
    assert responded(**{"gunicorn.http2.send_trailers": list}).fields[1] == ("X-A", "\xe9")
    assert responded().fields[1] == ("X-A", "\xc3\xa9")


def test_fields_of_one_response_alone() -> None:
    """They come behind those that it shares, and go no further."""
    assert responded((b"X-B", b"1")).fields[-1] == ("X-B", "1")
    assert ("X-B", "1") not in responded().fields


def test_the_server_keeps_its_name() -> None:
    """Where gunicorn would say its own; a later one of our own stands for it."""
    assert responded().version == "theirs"
    assert responded((b"Server", b"ours")).version == "ours"
    assert responded(**{"gunicorn.http2.send_trailers": list}).headers == [("Server", "theirs")]
