from __future__ import annotations

from flask.testing import FlaskClient

from deston.admin.api.guard import Role
from deston.admin.api.openapi import document
from deston.admin.api.table import ROUTES


def test_every_route_is_described(client: FlaskClient) -> None:
    """What is served is what is described, by the same table."""
    told = client.get("/api/v1/openapi.json").get_json()
    assert told["openapi"].startswith("3.1.")
    described = {(method.upper(), path) for path, of in told["paths"].items() for method in of}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_tokens_are_described_where_they_are_set() -> None:
    """With a token each route but the open ones says so."""
    for with_token in (True, False):
        paths = document(ROUTES, with_token)["paths"]
        secured = {route.name for route in ROUTES if "security" in paths[route.path][route.method.lower()]}
        assert secured == {route.name for route in ROUTES if with_token and route.role is not Role.NOBODY}


def test_names_are_unique() -> None:
    """Clients are generated from them."""
    assert len({route.name for route in ROUTES}) == len(ROUTES)
