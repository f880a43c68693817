"""Which route takes a request, and what is left of its path."""

from __future__ import annotations

import ipaddress
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.config.http_rules import Condition, RouteConfig
from deston.l7.rewriting import Prefixes
from deston.l7.routing import MOST_HOSTS, Facts, Router, host_without_port
from tests.properties import unhurried
from tests.unit.l7.builders import make_route

ROUTES = (
    make_route("all"),
    make_route("static", path="/static/"),
    make_route("v1", path="/v1"),
    make_route("v1-deep", path="/v1/deep"),
    make_route("host", hosts=("a.example.com",)),
    make_route("host-v1", hosts=("a.example.com",), path="/v1"),
    make_route("wild", hosts=("*.example.com",)),
    make_route("wild-deep", hosts=("*.deep.example.com",)),
    make_route("wild-long", hosts=("*.one.test",), path="/long"),
    make_route("exact-short", hosts=("a.one.test",)),
    make_route("two", hosts=("one.test", "*.two.test"), path="/only"),
)


def matched(host: str, path: str, routes: tuple[RouteConfig, ...] = ROUTES) -> str:
    found = Router(routes).match(host, path)
    return found.name if found else ""


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        # No host pattern takes it: the longest path.
        ("other.test", "/", "all"),
        ("", "/", "all"),
        ("other.test", "/v1", "v1"),
        ("other.test", "/v1/", "v1"),
        ("other.test", "/v1/x", "v1"),
        ("other.test", "/v1?x=/v1/deep", "v1"),
        ("other.test", "/v1/deep", "v1-deep"),
        ("other.test", "/v1/deep/er?x", "v1-deep"),
        # Whole segments only.
        ("other.test", "/v10", "all"),
        ("other.test", "/v1/deeper", "v1"),
        ("other.test", "/static", "all"),
        ("other.test", "/static/", "static"),
        ("other.test", "/static/x", "static"),
        # As it came: nothing is decoded, folded or case-blind in a path.
        ("other.test", "/V1", "all"),
        ("other.test", "//v1", "all"),
        ("other.test", "/%76%31", "all"),
        # An exact host before any path of others.
        ("a.example.com", "/", "host"),
        ("a.example.com", "/v1/x", "host-v1"),
        ("a.example.com", "/static/", "host"),
        ("a.one.test", "/long", "exact-short"),
        ("b.one.test", "/long", "wild-long"),
        # The longest wildcard.
        ("b.example.com", "/v1", "wild"),
        ("c.b.example.com", "/", "wild"),
        ("x.deep.example.com", "/", "wild-deep"),
        ("y.x.deep.example.com", "/", "wild-deep"),
        ("deep.example.com", "/", "wild"),
        # A wildcard is no name itself, nor half of one.
        ("example.com", "/", "all"),
        (".example.com", "/", "all"),
        ("notexample.com", "/", "all"),
        ("example.com.other.test", "/", "all"),
        # A route with several hosts.
        ("one.test", "/only", "two"),
        ("x.two.test", "/only/x", "two"),
        ("two.test", "/only", "all"),
        ("one.test", "/other", "all"),
        # OPTIONS for the server as a whole.
        ("other.test", "*", "all"),
        ("a.example.com", "*", "host"),
    ],
)
def test_which_route_takes_it(host: str, path: str, expected: str) -> None:
    """The most specific host wins, then the longest path, by whole segments."""
    assert matched(host, path) == expected


def test_no_route_takes_it() -> None:
    """A request that no route takes has none."""
    assert matched("a.test", "/", ()) == ""
    assert matched("a.test", "/", (make_route(hosts=("b.test",)),)) == ""
    assert matched("a.test", "*", (make_route(path="/v1"),)) == ""


segments = st.lists(st.sampled_from(["v1", "v10", "x", ""]), max_size=3)
paths = segments.map(lambda parts: "/" + "/".join(parts))
hosts = st.sampled_from(["a.test", "b.a.test", "c.b.a.test", "*.test", "*.a.test", "*.b.a.test", ""])
route_lists = st.lists(st.tuples(hosts, paths), unique=True, max_size=8)


@unhurried
@given(route_lists, st.randoms(use_true_random=False), hosts, paths)
def test_the_order_in_the_file_makes_no_difference(
    wanted: list[tuple[str, str]], rng: object, host: str, path: str
) -> None:
    """However the routes are ordered, the same one takes a request."""
    routes = [
        make_route(f"{pattern}{prefix}", hosts=(pattern,) if pattern else (), path=prefix) for pattern, prefix in wanted
    ]
    before = matched(host, path, tuple(routes))
    rng.shuffle(routes)  # type: ignore[attr-defined]
    assert matched(host, path, tuple(routes)) == before


@unhurried
@given(route_lists, hosts, paths)
def test_the_route_found_is_one_that_takes_it(wanted: list[tuple[str, str]], host: str, path: str) -> None:
    """The rules of precedence, said once more in the simplest way, find the same route."""

    def takes(pattern: str, prefix: str) -> bool:
        below = host.endswith(pattern[1:]) and host != pattern[1:] if pattern.startswith("*.") else host == pattern
        parts, wanted_parts = path.split("/"), prefix.rstrip("/").split("/")
        inside = parts[: len(wanted_parts)] == wanted_parts and (path.startswith(prefix))
        return (not pattern or below) and inside

    taking = [one for one in wanted if takes(*one)]
    best = max(taking, key=lambda one: (one[0] != "" and one[0][0] != "*", len(one[0]), len(one[1])), default=("", ""))
    routes = tuple(make_route(f"{one[0]}{one[1]}", hosts=(one[0],) if one[0] else (), path=one[1]) for one in wanted)
    assert matched(host, path, routes) == "".join(best)


@pytest.mark.parametrize(
    ("target", "prefix", "expected"),
    [
        (b"/v1/x", "/v1", b"/x"),
        (b"/v1/x", "/v1/", b"/x"),
        (b"/v1", "/v1", b"/"),
        (b"/v1/", "/v1", b"/"),
        (b"/v1?a=b", "/v1", b"/?a=b"),
        (b"/v1?a=b", "/v1/", b"/?a=b"),
        (b"/v1//x", "/v1", b"//x"),
        (b"/v1/v1/x", "/v1", b"/v1/x"),
        (b"/v1/%2Fx%20?a=/v1", "/v1", b"/%2Fx%20?a=/v1"),
        (b"/v10/x", "/v1", b"/v10/x"),
        (b"/other", "/v1", b"/other"),
        (b"/x", "/", b"/x"),
        (b"/x", "", b"/x"),
        (b"*", "/v1", b"*"),
        (b"/\xff/x", "/\xff", b"/x"),
    ],
)
def test_a_prefix_is_stripped(target: bytes, prefix: str, expected: bytes) -> None:
    """A prefix goes by whole segments, the rest stays byte for byte and begins with a slash."""
    assert Prefixes.of(make_route(strip_prefix=prefix)).to_server(target) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"example.com", "example.com"),
        (b"EXAMPLE.com:8080", "example.com"),
        (b"example.com:", "example.com"),
        (b"example.com.", "example.com"),
        (b"example.com.:80", "example.com"),
        (b"[2001:DB8::1]", "[2001:db8::1]"),
        (b"[::1]:8080", "[::1]"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"", ""),
        (b":80", ""),
    ],
)
def test_the_host_without_its_port(host: bytes, expected: str) -> None:
    """Port, case and a trailing dot make no other host."""
    assert host_without_port(host) == expected


# --- the order of routes, whatever they are

hosts = st.sampled_from([(), ("a.test",), ("*.test",), ("a.test", "b.test"), ("*.a.test",)])
conditions = st.fixed_dictionaries(
    {
        "hosts": hosts,
        "path": st.sampled_from(["/", "/a", "/a/b"]),
        "path_exact": st.sampled_from(["", "", "/a", "/a/b"]),
        "path_regex": st.sampled_from(["", "", "/a", "/[ab]/.*"]),
        "methods": st.sampled_from([(), (), ("GET",), ("POST",)]),
        "headers": st.sampled_from([(), (), (Condition("x"),), (Condition("x", "1"), Condition("y"))]),
        "queries": st.sampled_from([(), (), (Condition("q", "1"),)]),
        "clients": st.sampled_from([(), (), (ipaddress.ip_network("10.0.0.0/8"),)]),
        "listener": st.sampled_from(["", "", "web"]),
    }
)
requests = st.tuples(
    st.sampled_from(["a.test", "b.test", "x.a.test", "other"]),
    st.sampled_from(["/", "/a", "/a/b", "/a?q=1", "/b/x", "/ab"]),
    st.builds(
        Facts,
        st.sampled_from([b"GET", b"HEAD", b"POST"]),
        st.sampled_from([{}, {b"x": [b"1"]}, {b"x": [b"2"], b"y": [b""]}]),
        st.sampled_from(["10.0.0.1", "192.0.2.1", ""]),
        st.sampled_from(["web", "other"]),
    ),
)


@given(st.lists(conditions, max_size=6), requests, st.randoms())
@unhurried
def test_no_other_route_that_fits_is_more_specific(
    drawn: list[dict[str, Any]], request: tuple[str, str, Facts], chance: random.Random
) -> None:
    """Of the routes that take a request by themselves, the one that wins is as specific as any; order decides ties."""
    routes = [make_route(f"r{number}", **one) for number, one in enumerate(drawn)]
    found = Router(routes).match(*request)
    alone = [route for route in routes if Router([route]).match(*request)]
    if found is None:
        assert not alone
        return
    assert found in alone
    for rival in alone:
        assert Router([rival, found]).match(*request) is not rival or Router([found, rival]).match(*request) is found
    # Those that are not equal are found in any order of the file.
    shuffled = list(routes)
    chance.shuffle(shuffled)
    again = Router(shuffled).match(*request)
    assert again is not None
    if again is not found:
        assert Router([again, found]).match(*request) is again
        assert Router([found, again]).match(*request) is found


def test_a_client_can_name_any_number_of_hosts() -> None:
    """What is remembered of hosts is bounded, and right."""
    router = Router([make_route("a", hosts=("a.test",)), make_route("rest")])
    for number in range(3 * MOST_HOSTS):
        found = router.match(f"{number}.test", "/")
        assert found is not None
        assert found.name == "rest"
    assert len(router._by_host) <= MOST_HOSTS
    assert getattr(router.match("a.test", "/"), "name", "") == "a"


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/?v=2", "two"), ("/?v=1&v=2", "two"), ("/?v=%32", "two"), ("/?v=22", "some"), ("/?v", "some"), ("/", "none")],
)
def test_queries(target: str, expected: str) -> None:
    routes = [
        make_route("two", queries=(Condition("v", "^2$", True), Condition("v"))),
        make_route("some", queries=(Condition("v"),)),
        make_route("none"),
    ]
    assert getattr(Router(routes).match("", target, Facts()), "name", "") == expected
