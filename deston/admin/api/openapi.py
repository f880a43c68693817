"""The OpenAPI document, made of the table of routes.

What lives here: what the table says, in the form of OpenAPI 3.1.
What must not: anything about a single route.
Invariant: it describes what is served, tokens as they are set among it.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from deston import __version__
from deston.admin.api.answers import PROBLEM
from deston.admin.api.guard import Role
from deston.admin.api.problems import PROBLEM_TYPE
from deston.admin.api.shapes import NAME
from deston.admin.api.table import Route

Document = dict[str, Any]
_SAVE: Document = {
    "name": "save",
    "in": "query",
    "description": "Write it into the configuration file instead.",
    "schema": {"type": "boolean"},
}


def document(routes: Iterable[Route], with_token: bool) -> Document:
    """The whole document; ``with_token`` is whether a token is asked for."""
    paths: Document = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, with_token)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deston", "version": __version__, "summary": "See and change what a load balancer does."},
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, with_token: bool) -> Document:
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {str(status): _response(status) for status in _refusals(route, with_token)},
    }
    kind = route.answer if isinstance(route.answer, str) else "application/json"
    schema: Document = {"type": "string"} if isinstance(route.answer, str) else route.answer
    operation["responses"][str(route.status)] = {"description": "Done.", "content": {kind: {"schema": schema}}}
    parameters: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": NAME} for name in route.parameters
    ]
    if route.may_save:
        parameters.append(_SAVE)
    for name, schema in route.query["properties"].items() if route.query is not None else ():
        parameters.append({"name": name, "in": "query", "schema": schema})
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    if with_token and route.role is not Role.NOBODY:
        operation["security"] = [{"token": []}]
    return operation


def _refusals(route: Route, with_token: bool) -> list[int]:
    if route.role is Role.NOBODY:
        return []
    statuses = [403, 503]
    if with_token:
        statuses.append(401)
    if route.parameters:
        statuses.append(404)
    if route.role is Role.WRITE:
        statuses.append(409)
    if route.may_save:
        statuses.append(400)
    if route.query is not None:
        statuses += [400, 404]
    if route.body is not None:
        statuses += [400, 413, 415]
        if route.name == "explain":
            statuses.append(404)
    return sorted(set(statuses))


def _response(status: int) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM_TYPE: {"schema": schema}}}
