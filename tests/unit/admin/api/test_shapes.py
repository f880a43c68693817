from __future__ import annotations

from typing import Any

import pytest

from deston.admin.api import shapes

SERVER = {"name": "c", "address": "10.0.0.7:3000"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (shapes.ADD_SERVER, SERVER),
        (shapes.ADD_SERVER, {**SERVER, "weight": 0, "max_connections": 5, "backup": True}),
        (shapes.ADD_SERVER, {**SERVER, "address": "https://[2001:db8::1]:8443"}),
        (shapes.CHANGE_SERVER, {"state": "drain"}),
        (shapes.CHANGE_SERVER, {"weight": 65535}),
        (shapes.EXPLAIN, {"method": "GET", "url": "http://x/", "headers": {"X-A": ""}}),
        (shapes.NOTHING, {}),
    ],
)
def test_what_fits_has_no_mistakes(schema: shapes.Schema, value: Any) -> None:
    """A body as it should be."""
    assert list(shapes.mistakes(schema, value)) == []


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        (shapes.NOTHING, [], [("", "it must be an object")]),
        (shapes.NOTHING, {"a": 1}, [("a", "there is no such key (there are: none)")]),
        (shapes.CHANGE_SERVER, {}, [("", "it needs one of state, weight")]),
        (shapes.CHANGE_SERVER, {"weight": True}, [("weight", "it must be a whole number")]),
        (shapes.CHANGE_SERVER, {"weight": -1}, [("weight", "it must be from 0 to 65535")]),
        (shapes.CHANGE_SERVER, {"state": "off"}, [("state", "it must be one of ready, drain, maint")]),
        (shapes.ADD_SERVER, {"name": "c"}, [("address", "it is missing")]),
        (shapes.ADD_SERVER, {**SERVER, "name": ""}, [("name", "it must have from 1 to 80 characters")]),
        (shapes.ADD_SERVER, {**SERVER, "name": "c\n"}, [("name", "it must match ^[A-Za-z0-9_.-]+$")]),
        (shapes.ADD_SERVER, {**SERVER, "backup": 1}, [("backup", "it must be true or false")]),
        (
            shapes.EXPLAIN,
            {"method": "GET", "url": "http://x/", "headers": {"X-A": 1}},
            [("headers.X-A", "it must be a text")],
        ),
    ],
)
def test_each_mistake_is_told_with_its_key(schema: shapes.Schema, value: Any, found: list[tuple[str, str]]) -> None:
    """Whoever sent it sees which key, and what it must be."""
    assert list(shapes.mistakes(schema, value)) == found


@pytest.mark.parametrize("address", ["wsgi:os:system", "127.0.0.1:1,weight=5", "127.0.0.1:1, state=drain", "a b:1"])
def test_an_address_brings_neither_code_nor_options(address: str) -> None:
    """What a client of the API adds is a server elsewhere, and nothing besides."""
    assert [key for key, _ in shapes.mistakes(shapes.ADD_SERVER, {**SERVER, "address": address})] == ["address"]
