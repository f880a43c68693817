"""How the target and the host of a request are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.errors import BadRequest
from deston.l7.fields import Field, by_name
from deston.l7.request import LARGEST_KEY, read_target
from tests.properties import unhurried
from tests.unit.l7.builders import make_request


def read(target: bytes = b"/", *hosts: bytes, method: bytes = b"GET", minor_version: int = 1) -> tuple[bytes, bytes]:
    fields: list[Field] = [(b"Host", host) for host in hosts]
    request = make_request(method=method, target=target, fields=fields, minor_version=minor_version)
    return read_target(request, by_name(fields))


@pytest.mark.parametrize(
    ("method", "target", "host", "expected"),
    [
        (b"GET", b"/", b"a.test", (b"/", b"a.test")),
        (b"GET", b"/%2F//x%20y?a=b&c", b"a.test:8080", (b"/%2F//x%20y?a=b&c", b"a.test:8080")),
        (b"GET", b"//a//", b"a.test", (b"//a//", b"a.test")),
        (b"GET", b"/../%2e%2e/.", b"a.test", (b"/../%2e%2e/.", b"a.test")),
        (b"GET", b"/\xff", b"a.test", (b"/\xff", b"a.test")),
        (b"GET", b"/?http://b.test/", b"a.test", (b"/?http://b.test/", b"a.test")),
        (b"get!", b"/", b"a.test", (b"/", b"a.test")),
        (b"GET", b"/", b"", (b"/", b"")),
        (b"GET", b"/", b"A.Test", (b"/", b"A.Test")),
        (b"GET", b"/", b"[2001:db8::1]:8080", (b"/", b"[2001:db8::1]:8080")),
        (b"GET", b"/", b"sub_domain.a.test", (b"/", b"sub_domain.a.test")),
        # The absolute form, which proxies get.
        (b"GET", b"http://a.test/x?y", b"a.test", (b"/x?y", b"a.test")),
        (b"GET", b"HTTPS://A.test/x", b"a.TEST", (b"/x", b"a.TEST")),
        (b"GET", b"http://a.test", b"a.test", (b"/", b"a.test")),
        (b"GET", b"http://a.test?y", b"a.test", (b"/?y", b"a.test")),
        (b"GET", b"http://a.test:81/", b"a.test:81", (b"/", b"a.test:81")),
        # The server as a whole, in both of its forms.
        (b"OPTIONS", b"*", b"a.test", (b"*", b"a.test")),
        (b"OPTIONS", b"http://a.test", b"a.test", (b"*", b"a.test")),
        (b"OPTIONS", b"http://a.test/", b"a.test", (b"/", b"a.test")),
        (b"OPTIONS", b"/", b"a.test", (b"/", b"a.test")),
    ],
)
def test_the_target_and_the_host(method: bytes, target: bytes, host: bytes, expected: tuple[bytes, bytes]) -> None:
    """Path and query go on byte for byte as they came; an absolute target gives up its host."""
    assert read(target, host, method=method) == expected


def test_a_target_is_remembered_with_its_method() -> None:
    """And a long one, which is not, is read all the same."""
    for _ in range(2):
        assert read(b"*", b"a.test", method=b"OPTIONS") == (b"*", b"a.test")
        with pytest.raises(BadRequest):
            read(b"*", b"a.test")
        long = b"/" + b"a" * LARGEST_KEY
        assert read(long, b"a.test") == (long, b"a.test")
        with pytest.raises(BadRequest):
            read(long + b" ", b"a.test")


@pytest.mark.parametrize(
    "target",
    [b"", b"x", b"*", b"a.test", b"a.test:80", b"?x", b"ftp://a.test/", b"/a b", b"/a\tb", b"/a\0b", b"/a\r\nX: y"]
    + [b"/a#b", b"/\x7f", b"http://", b"http:///x", b"http://?x", b"http://a.test/ x", b"http://u@a.test/", b"/\n"],
)
def test_a_malformed_target_is_refused(target: bytes) -> None:
    """What is no target of RFC 9112 section 3.2, or could end a line, goes to no server."""
    with pytest.raises(BadRequest):
        read(target, b"a.test")


@pytest.mark.parametrize("method", [b"", b"GET ", b"G ET", b"GET\r\nX", b"GET\0", b"GET:", b"(GET)", b"G\xc4T"])
def test_a_malformed_method_is_refused(method: bytes) -> None:
    """A method is a token, of any name."""
    with pytest.raises(BadRequest):
        read(b"/", b"a.test", method=method)


@pytest.mark.parametrize("target", [b"a.test:443", b"/", b"http://a.test/", b"*"])
def test_connect_is_refused(target: bytes) -> None:
    """Nobody gets a tunnel through a reverse proxy, however they ask."""
    with pytest.raises(BadRequest):
        read(target, b"a.test", method=b"CONNECT")


@pytest.mark.parametrize(
    "host",
    [b"a b", b"a/b", b"a.test/", b"u@a.test", b"a\tb", b"a\0", b"a,b", b"a:b", b"a:80:80", b"[::1", b"::1", b"[::1]x"]
    + [b"[::1].", b"[a.test]", b"x[::1]", b"a#b", b"a?b", b"a\\b", b'a"b', b"<a>", b"\xc3\xa4.test", b"a\r\nX: y"],
)
def test_a_malformed_host_is_refused(host: bytes) -> None:
    """A Host is a name or address with at most a port (RFC 9110 section 7.2)."""
    with pytest.raises(BadRequest):
        read(b"/", host)


@pytest.mark.parametrize("hosts", [(), (b"a.test", b"a.test"), (b"a.test", b"b.test")])
def test_exactly_one_host(hosts: tuple[bytes, ...]) -> None:
    """A Host that is missing or repeated is refused (RFC 9112 section 3.2)."""
    with pytest.raises(BadRequest, match="exactly one"):
        read(b"/", *hosts)


@pytest.mark.parametrize("target", [b"http://b.test/", b"http://a.test:80/", b"http://a.test.x/"])
def test_a_host_unlike_the_target_is_refused(target: bytes) -> None:
    """Two names for one server are one too many."""
    with pytest.raises(BadRequest, match="not that of the target"):
        read(target, b"a.test")


def test_an_old_client_needs_no_host() -> None:
    """HTTP/1.0 knows no Host; the host of an absolute target serves instead, and two are too many all the same."""
    assert read(b"/x", minor_version=0) == (b"/x", b"")
    assert read(b"http://a.test/x", minor_version=0) == (b"/x", b"a.test")
    assert read(b"/x", b"a.test", minor_version=0) == (b"/x", b"a.test")
    with pytest.raises(BadRequest):
        read(b"/x", b"a.test", b"a.test", minor_version=0)


@unhurried
@given(st.binary(), st.binary(), st.binary())
def test_nothing_else_comes_out(method: bytes, target: bytes, host: bytes) -> None:
    """Whatever bytes come, they are refused or are a target and a host that end no line and hold no blank."""
    try:
        found, name = read(target, host, method=method)
    except BadRequest:
        return
    assert not set(b"\r\n\0 ") & set(method + found + name)
    assert found.startswith(b"/") or found == b"*"
    assert name == host
