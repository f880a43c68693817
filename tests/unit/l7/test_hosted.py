"""A WSGI application as a server: what it is given, what becomes of what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from deston.address import Address
from deston.balancer.pool import Pool
from deston.errors import ApplicationError, BadResponse, DestonError, StartError
from deston.l7 import hosted
from deston.l7.request import Request, Response
from tests.builders import make_pool, make_server_config
from tests.unit.l7.builders import make_body, make_request

HEAD = b"%b /a%%20b?x=1 HTTP/1.1\r\nHost: example.com:8080\r\nX-A: 1\r\nX-A: 2\r\nCookie: a\r\nCookie: b\r\n%b\r\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Response, Pool]]]:
    """Have a function answer a request as the only server of a pool."""
    module = ModuleType("hosted_by_test")
    monkeypatch.setitem(sys.modules, "hosted_by_test", module)
    hosted.find_application.cache_clear()

    def call(application: Any, request: Request | None = None, lines: bytes = b"") -> tuple[Response, Pool]:
        module.app = application  # type: ignore[attr-defined]
        hosted.find_application.cache_clear()
        request = request or make_request()
        pool = make_pool(make_server_config(address=Address(application="hosted_by_test:app")))
        lease = pool.lease("")
        try:
            return hosted.call(lease, request, HEAD % (request.method, lines)), pool
        except DestonError:
            lease.release()
            raise

    yield call
    hosted.find_application.cache_clear()


def body_of(response: Response) -> bytes:
    pieces = []
    while piece := response.read():
        pieces.append(piece)
    response.close()
    return b"".join(pieces)


def says(status: str = "200 OK", *fields: tuple[str, str], pieces: Any = (b"hello",)) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(fields))
        return pieces

    return application


def test_what_it_is_given(run: Any) -> None:
    """The request as a server gets it, decoded as PEP 3333 asks for, with its body."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ, read=environ["wsgi.input"].read())
        start_response("200 OK", [])
        return []

    request = make_request(method=b"POST", body=make_body(b"abc", b"def"), scheme="https")
    response, pool = run(application, request, b"Content-Length: 6\r\nContent-Type: text/x\r\n")
    assert body_of(response) == b""
    assert seen["read"] == b"abcdef"
    wanted = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/a b", "QUERY_STRING": "x=1", "RAW_URI": "/a%20b?x=1",
        "SERVER_NAME": "example.com", "SERVER_PORT": "8080", "CONTENT_LENGTH": "6", "CONTENT_TYPE": "text/x",
        "HTTP_X_A": "1,2", "HTTP_COOKIE": "a; b", "wsgi.url_scheme": "https", "REMOTE_ADDR": "192.0.2.1",
    }  # fmt: skip
    assert {name: seen[name] for name in wanted} == wanted
    assert pool.servers[0].active == 0


def test_a_body_is_read_by_lines_and_pieces(run: Any) -> None:
    read: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        source = environ["wsgi.input"]
        read.extend([source.readline(), source.read(2), *source])
        start_response("200 OK", [])
        return []

    run(application, make_request(method=b"POST", body=make_body(b"one\nt", b"wo\nthree")))
    assert read == [b"one\n", b"tw", b"o\n", b"three"]


def test_what_it_answers(run: Any) -> None:
    """Fields in their order, without those of a connection; Date is added; pieces as they come; the lease ends."""
    fields = (("X-B", "2"), ("Connection", "close"), ("Keep-Alive", "x"), ("Set-Cookie", "a"), ("Set-Cookie", "b"))
    response, pool = run(says("201 Made", *fields, pieces=[b"", b"he", b"", b"llo"]))
    assert (response.status, response.reason, response.length) == (201, b"Made", None)
    assert [name for name, _ in response.fields] == [b"X-B", b"Set-Cookie", b"Set-Cookie", b"Date"]
    assert pool.servers[0].active == 1
    assert body_of(response) == b"hello"
    assert pool.servers[0].active == 0


def test_a_generator_and_write(run: Any) -> None:
    """PEP 3333's odd ways: a head with the first piece, and bytes that are written."""

    def generates(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [("Content-Length", "8")])
        write(b"one ")
        yield b"two "

    response, _ = run(generates)
    assert response.length == 8
    assert body_of(response) == b"one two "


class Closing:
    """Pieces that tell when they were closed."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("method", "status", "fields", "kept"),
    [
        (b"HEAD", "200 OK", (("Content-Length", "5"),), [b"Content-Length"]),
        (b"GET", "204 No Content", (("Content-Length", "5"),), []),
        (b"GET", "304 Not Modified", (("Content-Length", "10"),), [b"Content-Length"]),
    ],
)
def test_what_has_no_body(method: bytes, status: str, fields: Any, kept: list[bytes], run: Any) -> None:
    """Whatever the application gives, nothing is sent that a client would take for its next response."""
    pieces = Closing(b"hello")
    response, pool = run(says(status, *fields, pieces=pieces), make_request(method=method))
    assert (response.length, response.whole, response.read()) == (0, b"", b"")
    assert [name for name, _ in response.fields if name != b"Date"] == kept
    assert pieces.closed == 1
    assert pool.servers[0].active == 0


def test_an_interim_status_is_none(run: Any) -> None:
    for status in ("100 Continue", "101 Switching Protocols"):
        with pytest.raises(BadResponse):
            run(says(status))


def test_a_fault_in_closing_is_the_applications(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Bad(Closing):
        def close(self) -> None:
            raise ValueError("close")

    response, pool = run(says(pieces=Bad(b"hello")))
    assert body_of(response) == b"hello"
    assert pool.servers[0].active == 0
    assert "failed when its response was closed" in caplog.text


def leaves(environ: dict[str, Any], start_response: Any) -> Any:
    sys.exit(3)


def raises(environ: dict[str, Any], start_response: Any) -> Any:
    raise RuntimeError("no")


def starts_late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    yield b"too early"


def starts_twice(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


@pytest.mark.parametrize(
    "application",
    [
        raises,
        leaves,
        starts_late,
        starts_twice,
        says("OK"),
        says("200 OK", pieces=None),
        says("200 OK", pieces=[7]),
        says("200 OK", ("X", 7)),  # type: ignore[arg-type]
        lambda environ: [],
    ],
)
def test_what_fails_before_its_response(application: Any, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log has its traceback, the client nothing of it."""
    with pytest.raises(ApplicationError, match="the application hosted_by_test:app failed"):
        run(application)
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("fields", [(("X", "a\r\nY: b"),), (("X Y", "1"),), (("Content-Length", "x"),)])
def test_a_head_that_is_none(fields: tuple[tuple[str, str], ...], run: Any) -> None:
    with pytest.raises(BadResponse):
        run(says("200 OK", *fields))


@pytest.mark.parametrize("pieces", [(b"begun", RuntimeError("no")), (b"short",)])
def test_what_breaks_off(pieces: Any, run: Any) -> None:
    """A response that fails, or is shorter than it said, never looks whole."""
    closing = Closing(*pieces)
    response, pool = run(says("200 OK", ("Content-Length", "10"), pieces=closing))
    assert response.read() in (b"begun", b"short")
    with pytest.raises(BadResponse):
        response.read()
    response.close()
    assert closing.closed == 1
    assert pool.servers[0].active == 0


def test_too_much_is_cut(run: Any) -> None:
    response, _ = run(says("200 OK", ("Content-Length", "3"), pieces=[b"12345", b"6"]))
    assert response.read() == b"123"


def test_applications_that_cannot_be_found() -> None:
    with pytest.raises(StartError, match="the application no_such:app cannot be loaded: ModuleNotFoundError"):
        hosted.find_application("no_such:app")
    with pytest.raises(StartError, match="cannot be called"):
        hosted.find_application("sys:path")
