"""The table of routes."""

from __future__ import annotations

import re

from deston.admin.routes import route_lines
from deston.config.http_rules import Condition, FixedResponse, PoolShare, Redirect
from tests.unit.l7.builders import make_config, make_route


def test_the_order_is_that_of_requests() -> None:
    """The most specific first, and at last what no route takes."""
    routes = (
        make_route("rest", pools=(PoolShare("app", 9), PoolShare("canary"))),
        make_route("beta", headers=(Condition("x-beta"), Condition("x-user", "^a", True)), methods=("GET", "POST")),
        make_route("old", hosts=("a.test",), path_exact="/old", redirect=Redirect(301, path="/new"), pools=()),
        make_route("images", hosts=("*.test",), path_regex="/[a-z]+", queries=(Condition("q", "1"),)),
        make_route("down", listener="web", respond=FixedResponse(503)),
        make_route("api", path="/api"),
    )
    lines = route_lines(make_config(routes=routes))
    assert [re.split(r" {2,}", line) for line in lines] == [
        ["listener", "host", "path", "further conditions", "route", "leads to"],
        ["web", "any", "/", "down", "status 503"],
        ["any", "a.test", "= /old", "old", "redirect 301"],
        ["any", "*.test", "~ /[a-z]+", "?q=1", "images", "pool app"],
        ["any", "any", "/api", "api", "pool app"],
        ["any", "any", "/", "GET/POST, x-beta, x-user: ~^a", "beta", "pool app"],
        ["any", "any", "/", "rest", "pools app=9, canary=1"],
        ["web", "any", "/", "-", "pool app"],
    ]
    assert len({line.index("path") for line in lines[:1]} | {line.index("/") for line in lines[1:2]}) == 1
