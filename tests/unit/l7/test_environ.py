"""What is read from a WSGI environ, of each kind that servers make."""

from __future__ import annotations

import io
from typing import Any

import pytest

from deston.address import Address
from deston.errors import BadRequest, ClientGone, DestonError, LengthRequired
from deston.l7 import environ
from deston.l7.environ import Environ, Listeners, read_request
from deston.l7.fields import Field
from deston.l7.gunicorn_client import RAW_FIELDS
from deston.l7.http1 import LARGEST_KEPT, MOST_KEPT
from deston.l7.request import Request
from tests.unit.l7.builders import Client, make_listener


class Input:
    """The input of a request, as gunicorn's, with the fields as our hook leaves them there, or without."""

    def __init__(self, data: bytes = b"", fields: list[tuple[str, str]] | None = None) -> None:
        self.read = io.BytesIO(data).read
        if fields is not None:
            setattr(self, RAW_FIELDS, fields)


def make_environ(body: Any = None, **keys: Any) -> Environ:
    """``GET /`` as PEP 3333 asks for it, and nothing beyond that."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "a.test",
        "wsgi.url_scheme": "http",
        "wsgi.input": body or Input(),
        **keys,
    }


def read(body: Any = None, **keys: Any) -> Request:
    return read_request(make_environ(body, **keys), Listeners([make_listener()]))


def read_body(request: Request) -> bytes:
    return b"".join(iter(request.body.read, b""))


def test_the_plain_parts() -> None:
    """Method, scheme, peer and version are those of the environ."""
    found = read(REQUEST_METHOD="MERGE", **{"wsgi.url_scheme": "https"})
    assert (found.method, found.scheme, found.peer, found.minor_version) == (b"MERGE", "https", "192.0.2.1", 1)
    found = read(SERVER_PROTOCOL="HTTP/1.0", REMOTE_ADDR="")
    assert (found.peer, found.minor_version) == ("", 0)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PATH_INFO": "/a/b", "QUERY_STRING": "c=d"}, b"/a/b?c=d"),
        ({"PATH_INFO": "/a b%/\xc3\xa4", "QUERY_STRING": "%20"}, b"/a%20b%25/%C3%A4?%20"),
        ({"PATH_INFO": "/a;b=c,d@e:f!$&'()*+~-._"}, b"/a;b=c,d@e:f!$&'()*+~-._"),
        ({"PATH_INFO": "/a//b"}, b"/a//b"),
        ({"PATH_INFO": ""}, b"/"),
        ({"SCRIPT_NAME": "/mount", "PATH_INFO": "/a"}, b"/mount/a"),
        ({"SCRIPT_NAME": "/mount", "PATH_INFO": ""}, b"/mount"),
        ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb?"}, b"/a%2Fb?"),
        ({"PATH_INFO": "/a/b", "REQUEST_URI": "//a%2Fb"}, b"//a%2Fb"),
        ({"PATH_INFO": "/a", "RAW_URI": "http://b.test/a"}, b"http://b.test/a"),
        ({"PATH_INFO": "/a", "RAW_URI": "", "REQUEST_URI": ""}, b"/a"),
        ({"SCRIPT_NAME": "/mount", "PATH_INFO": "/a", "REQUEST_URI": "/mount/a"}, b"/mount/a"),
        ({"REQUEST_METHOD": "OPTIONS", "RAW_URI": "*"}, b"*"),
    ],
)
def test_the_target(keys: dict[str, str], expected: bytes) -> None:
    """As it came where the server says so, else put together again from its decoded parts."""
    assert read(**keys).target == expected


def test_fields_as_they_came() -> None:
    """With our hook in gunicorn, the order and the repeats of fields are kept; names get their usual case."""
    raw = [("HOST", "a.test"), ("X-B", "1"), ("SET-THING", "2"), ("X-B", "\xff"), ("EXPECT", "100-continue")]
    found = read(Input(fields=raw), HTTP_X_B="1,\xff", HTTP_EXPECT="100-continue")
    assert found.fields == [(b"Host", b"a.test"), (b"X-B", b"1"), (b"Set-Thing", b"2"), (b"X-B", b"\xff")]


def test_what_gunicorn_says_again_is_read_once() -> None:
    """The same fields are one value, in HTTP/2 another one; what a client waits for makes a difference."""
    raw = [("HOST", "a.test"), ("COOKIE", "a=1"), ("COOKIE", "b=2")]
    found = read(Input(fields=list(raw))).fields
    assert read(Input(fields=list(raw))).fields is found
    assert read(Input(fields=[*raw, ("EXPECT", "100-continue")])).fields is not found
    http2 = read(Input(fields=list(raw)), **{"gunicorn.http2.send_trailers": lambda trailers: None}).fields
    assert http2 == [(b"Host", b"a.test"), (b"Cookie", b"a=1; b=2")]
    assert found == [(b"Host", b"a.test"), (b"Cookie", b"a=1"), (b"Cookie", b"b=2")]


def test_what_is_remembered_is_bounded() -> None:
    """In size, and in number."""
    large = [("HOST", "a.test"), ("X-A", "a" * LARGEST_KEPT)]
    assert read(Input(fields=large)).fields is not read(Input(fields=large)).fields
    for number in range(2 * MOST_KEPT):
        read(Input(fields=[("X-A", str(number))]))
        assert len(environ._known) <= MOST_KEPT


def test_fields_from_the_environ() -> None:
    """Without the hook the environ is all there is; its keys become names again."""
    keys = {"HTTP_X_LONG_NAME": "\xe4", "HTTP_EXPECT": "100-continue", "CONTENT_TYPE": "text/plain", "OTHER": "x"}
    found: list[Field] = read(Input(b"ab"), CONTENT_LENGTH="2", **keys).fields
    assert sorted(found) == [
        (b"Content-Length", b"2"),
        (b"Content-Type", b"text/plain"),
        (b"Host", b"a.test"),
        (b"X-Long-Name", b"\xe4"),
    ]


def test_what_a_field_with_underscores_became_is_no_length() -> None:
    """Some servers make HTTP_CONTENT_LENGTH of ``Content_Length``; the body's length is another key."""
    found = read(Input(b"GET /"), HTTP_CONTENT_LENGTH="5", HTTP_CONTENT_TYPE="x")
    assert found.fields == [(b"Host", b"a.test")]
    assert found.body.is_empty


@pytest.mark.parametrize("name", ["X Y", "X:Y", "", "X\r\nY", 'X"', "\xc4"])
def test_a_malformed_name_is_refused(name: str) -> None:
    """A name that is no token, which a lax server let through, goes no further."""
    with pytest.raises(BadRequest):
        read(Input(fields=[(name, "v")]))
    with pytest.raises(BadRequest):
        read(**{f"HTTP_{name}": "v"})


@pytest.mark.parametrize(
    ("keys", "length"),
    [
        ({}, 0),
        ({"CONTENT_LENGTH": ""}, 0),
        ({"CONTENT_LENGTH": "0"}, 0),
        ({"CONTENT_LENGTH": "000"}, 0),
        ({"CONTENT_LENGTH": "4"}, 4),
        ({"CONTENT_LENGTH": "04"}, 4),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, None),
        ({"HTTP_TRANSFER_ENCODING": " Chunked", "wsgi.input_terminated": True}, None),
        ({"HTTP_TRANSFER_ENCODING": ""}, 0),
    ],
)
def test_the_length_of_a_body(keys: dict[str, Any], length: int | None) -> None:
    """As announced, nothing without an announcement, unknown for chunks."""
    found = read(Input(b"body and more"), **keys)
    assert found.body.length == length
    assert read_body(found) == b"body and more"[:length]


@pytest.mark.parametrize("text", ["+4", "-4", "4,4", "4, 4", " 4", "0x4", "4.0", "\xb2", "four", "4 4"])
def test_a_malformed_length_is_refused(text: str) -> None:
    """Nothing but digits is a length."""
    with pytest.raises(BadRequest):
        read(CONTENT_LENGTH=text)


@pytest.mark.parametrize(
    ("coding", "error"),
    [
        ("chunked", LengthRequired),
        ("gzip, chunked", BadRequest),
        ("gzip", BadRequest),
        ("identity", BadRequest),
        ("chunked, chunked", BadRequest),
        ("chunked;a=b", BadRequest),
    ],
)
def test_a_body_without_a_length_that_can_be_found(coding: str, error: type[DestonError]) -> None:
    """Chunks need a server that says where they end, and a coding below them would be lost on the way."""
    with pytest.raises(error):
        read(HTTP_TRANSFER_ENCODING=coding)
    if error is BadRequest:
        with pytest.raises(error):
            read(HTTP_TRANSFER_ENCODING=coding, **{"wsgi.input_terminated": True})


class ParserError(Exception):
    """As gunicorn's errors of a broken chunk, which are of a kind of their own."""


@pytest.mark.parametrize("error", [OSError("reset"), ParserError("chunk"), ValueError("closed")])
def test_a_body_that_cannot_be_read_is_a_client_that_left(error: Exception) -> None:
    """Whatever a WSGI server raises where its client breaks off, it is the client."""
    found = read(Client(b"ab", error), CONTENT_LENGTH="5")
    assert found.body.read() == b"ab"
    with pytest.raises(ClientGone) as caught:
        found.body.read()
    assert caught.value.__cause__ is error


def test_a_kill_is_not_the_client() -> None:
    """What ends a greenlet or a process passes through."""
    found = read(Client(KeyboardInterrupt()), CONTENT_LENGTH="5")
    with pytest.raises(KeyboardInterrupt):
        found.body.read()


LISTENERS = [
    make_listener("first", bind=Address("127.0.0.1", 8080)),
    make_listener("other port", bind=Address("127.0.0.1", 8081)),
    make_listener("same port", bind=Address("127.0.0.2", 8081)),
    make_listener("any", bind=Address("0.0.0.0", 8082)),
    make_listener("six", bind=Address("::1", 8083)),
    make_listener("unix", bind=Address(path="/run/web.sock")),
    make_listener("other unix", bind=Address(path="/run/other.sock")),
]


class Accepted:
    """gunicorn's socket of a client, as far as its own name goes."""

    def __init__(self, name: object) -> None:
        self._name = name

    def getsockname(self) -> object:
        return self._name


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080"}, "first"),
        ({"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8081"}, "other port"),
        ({"SERVER_NAME": "127.0.0.2", "SERVER_PORT": "8081"}, "same port"),
        ({"SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8082"}, "any"),
        ({"SERVER_NAME": "::1", "SERVER_PORT": "8083"}, "six"),
        # Another WSGI server calls itself by the machine's name, or is at an address of its own.
        ({"SERVER_NAME": "machine.test", "SERVER_PORT": "8081"}, "other port"),
        ({"SERVER_NAME": "machine.test", "SERVER_PORT": "8082"}, "any"),
        ({"SERVER_NAME": "machine.test", "SERVER_PORT": "9999"}, "first"),
        ({"SERVER_NAME": "", "SERVER_PORT": ""}, "first"),
        # At a unix socket gunicorn takes name and port from the Host of the client, which chooses no listener.
        ({"REMOTE_ADDR": "", "SERVER_PORT": "8081", "gunicorn.socket": Accepted("/run/web.sock")}, "unix"),
        ({"REMOTE_ADDR": "", "SERVER_PORT": "80", "gunicorn.socket": Accepted("/run/other.sock")}, "other unix"),
        ({"REMOTE_ADDR": "", "SERVER_PORT": "8081", "gunicorn.socket": Accepted("/elsewhere")}, "first"),
        ({"SERVER_PORT": "8081", "gunicorn.socket": Accepted(("127.0.0.1", 8081))}, "other port"),
    ],
)
def test_which_listener_took_it(keys: dict[str, Any], expected: str) -> None:
    """By the path of a unix socket, by address and port, by port, else the first of the file."""
    assert Listeners(LISTENERS).find(make_environ(**keys)).name == expected
