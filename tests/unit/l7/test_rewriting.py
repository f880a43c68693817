"""Prefixes there and back, redirects, and what a server says of itself in the client's terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.config.http_rules import Redirect
from deston.l7.rewriting import Origin, Prefixes, cookie_for_client, location_for_client, redirect_location
from tests.unit.l7.builders import make_route

CLIENT = Origin(b"https", b"www.example.com")
SERVER = Origin(b"http", b"10.0.0.7:3000")


@pytest.mark.parametrize(
    ("route", "target", "expected"),
    [
        ({"strip_prefix": "/v1"}, b"/v1/x?y", b"/x?y"),
        ({"strip_prefix": "/v1"}, b"/v1", b"/"),
        ({"strip_prefix": "/v1"}, b"/v1?x", b"/?x"),
        ({"strip_prefix": "/v1"}, b"/v10", b"/v10"),
        ({"path": "/old", "replace_prefix": "/new"}, b"/old/x", b"/new/x"),
        ({"path": "/old", "replace_prefix": "/new"}, b"/old", b"/new"),
        ({"path": "/old", "replace_prefix": "/new"}, b"/old?x", b"/new?x"),
        ({"path": "/old/", "replace_prefix": "/"}, b"/old/x", b"/x"),
        ({"path": "/old/", "replace_prefix": "/new/"}, b"/old/x", b"/new/x"),
        ({"add_prefix": "/app"}, b"/x", b"/app/x"),
        ({"add_prefix": "/app/"}, b"/", b"/app/"),
        ({"strip_prefix": "/v1", "add_prefix": "/app"}, b"/v1/x", b"/app/x"),
        ({"path": "/old", "replace_prefix": "/new", "add_prefix": "/app"}, b"/old/x", b"/app/new/x"),
        ({"strip_prefix": "/v1"}, b"*", b"*"),
        ({}, b"/%2f//x", b"/%2f//x"),
    ],
)
def test_prefixes(route: dict[str, str], target: bytes, expected: bytes) -> None:
    """Whole segments, byte for byte, and a slash in front."""
    assert Prefixes.of(make_route(**route)).to_server(target) == expected


segments = st.lists(st.sampled_from([b"a", b"b%2F", b"", b"~x"]), min_size=1, max_size=4)


@given(segments, st.sampled_from(["", "/v1", "/v1/w"]), st.sampled_from(["", "/app", "/app/x"]))
def test_there_and_back(rest: list[bytes], client: str, server: str) -> None:
    """What the server calls a path and what the client calls it lead to one another."""
    prefixes = Prefixes(client.encode(), server.encode())
    target = client.encode() + b"/" + b"/".join(rest)
    assert prefixes.to_client(prefixes.to_server(target)) == target


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"/app/x?y", b"/v1/x?y"),
        (b"/other", b"/other"),
        (b"http://10.0.0.7:3000/app/x#y", b"https://www.example.com/v1/x#y"),
        (b"HTTP://10.0.0.7:3000/", b"https://www.example.com/"),
        (b"http://10.0.0.7:3000", b"https://www.example.com"),
        (b"https://10.0.0.7:3000/app/x", b"https://10.0.0.7:3000/app/x"),
        (b"http://elsewhere.test/app/x", b"http://elsewhere.test/app/x"),
        (b"//elsewhere.test/app", b"//elsewhere.test/app"),
        (b"relative", b"relative"),
        (b"", b""),
    ],
)
def test_a_location_is_told_in_the_clients_terms(value: bytes, expected: bytes) -> None:
    assert location_for_client(value, SERVER, CLIENT, Prefixes(b"/v1", b"/app")) == expected


def test_a_default_port_makes_no_difference() -> None:
    server = Origin(b"http", b"app.test:80")
    assert location_for_client(b"http://APP.test/x", server, CLIENT, Prefixes(b"", b"")) == b"https://www.example.com/x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a=b; Path=/app; HttpOnly", b"a=b; Path=/v1; HttpOnly"),
        (b"a=b;path=/app/x", b"a=b;path=/v1/x"),
        (b"a=b; Path=/", b"a=b; Path=/"),
        (b"a=b; Domain=10.0.0.7; Path=/app/", b"a=b; Domain=www.example.com; Path=/v1/"),
        (b"a=b; Domain=.10.0.0.7", b"a=b; Domain=www.example.com"),
        (b"a=b; Domain=elsewhere.test", b"a=b; Domain=elsewhere.test"),
        (b"path=/app", b"path=/app"),
    ],
)
def test_a_cookie_is_told_in_the_clients_terms(value: bytes, expected: bytes) -> None:
    assert cookie_for_client(value, SERVER, CLIENT, Prefixes(b"/v1", b"/app")) == expected


@pytest.mark.parametrize(
    ("redirect", "path", "target", "expected"),
    [
        (Redirect(scheme="https"), "", b"/x?y", b"https://a.test/x?y"),
        (Redirect(host="b.test"), "", b"/x", b"http://b.test/x"),
        (Redirect(path="/new"), "/new", b"/old?y=1", b"http://a.test:8080/new?y=1"),
        (Redirect(path="/new?z"), "/new?z", b"/old?y=1", b"http://a.test:8080/new?z"),
        (Redirect(scheme="https", host="b.test:8443", path="/n"), "/n", b"/", b"https://b.test:8443/n"),
        (Redirect(scheme="https"), "", b"//evil.test/", b"https://a.test//evil.test/"),
    ],
)
def test_where_a_redirect_leads(redirect: Redirect, path: str, target: bytes, expected: bytes) -> None:
    """What is left out stays; a port belongs to its scheme; the query is kept unless there is another."""
    assert redirect_location(redirect, path, target, Origin(b"http", b"a.test:8080")) == expected


def test_a_redirect_without_a_host_stays_here() -> None:
    """A client of HTTP/1.0 that named no host is sent to no other by two slashes."""
    assert redirect_location(Redirect(path="%(path)s/"), "//evil.test/", b"/", Origin(b"http", b"")) == b"/evil.test/"
