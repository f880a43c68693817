"""Tests for deston.l7.opening."""

from __future__ import annotations

from deston.l7.opening import Opening
from tests.builders import make_pool, make_server_config


def test_the_head_of_a_request() -> None:
    """Host comes first, then the other lines as they are."""
    pool = make_pool(make_server_config())
    opening = Opening(pool, b"GET", b"/a?b", b"example.com", b"Accept: */*\r\nX: y\r\n")
    expected = b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nX: y\r\n\r\n"
    assert opening.to(pool.servers[0]) == expected
