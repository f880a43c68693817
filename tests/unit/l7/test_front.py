"""Requests of a connection that is older than the rules of its listener."""

from __future__ import annotations

from deston.config.model import Protocol
from deston.l7.front import Front
from deston.l7.proxy import Proxy
from tests.builders import make_listener
from tests.unit.l7.builders import Servers, make_config, make_registry, make_request, response
from tests.unit.l7.test_exchange import read_all


def test_each_request_gets_the_rules_of_today() -> None:
    """Of a listener that is there no more, those that it had."""
    config = make_config()
    front = Front(Proxy(make_registry(config), config, Servers(a=[[response(b"a")]] * 3)))
    old, now = (make_listener(Protocol.HTTP, "web", pool="app", max_body_size=size) for size in (1, 2))
    gone = make_listener(Protocol.HTTP, "gone", pool="app")
    first, second, third = (make_request(listener=listener) for listener in (old, old, gone))
    read_all(front.forward(first))
    front.current = {"web": now}
    read_all(front.forward(second))
    read_all(front.forward(third))
    assert [first.listener, second.listener, third.listener] == [old, now, gone]
    assert second.listener is now
