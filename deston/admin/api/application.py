"""``deston.admin:app``: the API and the dashboard as a WSGI application.

What lives here: building it on the first request, the way of a request to its handler, and what every answer has.
What must not: what a route does (``table``), who may ask (``guard``).
Invariant: importing opens no socket, reads no file and starts nothing; every answer, errors among them, has the
security fields, and every error is a problem document.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from deston.admin.api.call import Call
from deston.admin.api.files import add_files
from deston.admin.api.guard import Guard, Role
from deston.admin.api.openapi import document
from deston.admin.api.problems import PROBLEM_TYPE, document_of, refusal_of
from deston.admin.api.reading import read_body, read_query
from deston.admin.api.shapes import LARGEST_BODY
from deston.admin.api.site import Site
from deston.admin.api.table import ROUTES, V1, Route
from deston.config.find import find_config
from deston.errors import AdminRefusal, DestonError

log = logging.getLogger("deston.admin")

_FIELDS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(site: Site) -> Flask:
    """The application for one configuration."""
    app = Flask("deston.admin", static_folder=None, template_folder=None)
    # One more: a body without a length is cut there in silence, and so is seen to be too large.
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY + 1
    guard = Guard(site.config.admin)
    told = json.dumps(document(ROUTES, guard.asks_for_token)).encode()
    for route in ROUTES:
        _add(app, route.rule, route.name, route.method, _view(route, guard, site))
    _add(app, f"{V1}/openapi.json", "openapi", "GET", lambda: Response(told, mimetype="application/json"))
    add_files(app)
    app.before_request(lambda: _require_own_name(guard))
    app.after_request(_finish)
    app.register_error_handler(DestonError, _refused)
    app.register_error_handler(HTTPException, _refused_by_flask)
    app.register_error_handler(Exception, _failed)
    return app


def _add(app: Flask, rule: str, name: str, method: str, view: Callable[..., Response]) -> None:
    app.add_url_rule(rule, name, view, methods=[method], provide_automatic_options=False)


def _view(route: Route, guard: Guard, site: Site) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        guard.judge(request.environ, route.role, route.method != "GET")
        body = read_body(request, route.body) if route.body is not None else {}
        query = read_query(request, route.query) if route.query is not None else {}
        answer = route.handler(Call(site, path, body, route.may_save and _saves(), query))
        if isinstance(answer, tuple):
            return Response(answer[0], content_type=answer[1])
        if route.role is Role.WRITE:
            log.info("%s: %s", request.remote_addr or "unix", answer["done"])
        response = Response(json.dumps(answer), route.status, mimetype="application/json")
        if route.status == 201:
            response.headers["Location"] = f"{request.path}/{body['name']}"
        return response

    return view


def _saves() -> bool:
    """Whether a change is to be written into the file; raises ``AdminRefusal`` (400)."""
    said = request.args.get("save", "false")
    if said not in ("true", "false"):
        raise AdminRefusal(400, "the request cannot be used", (("save", "it must be true or false"),))
    return said == "true"


def _require_own_name(guard: Guard) -> None:
    if request.path != "/healthz":
        guard.require_own_name(request.environ)


def _finish(response: Response) -> Response:
    for name, value in _FIELDS.items():
        response.headers.setdefault(name, value)
    return response


def _problem(refusal: AdminRefusal) -> Response:
    response = Response(document_of(refusal), refusal.status, content_type=PROBLEM_TYPE)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refused(error: DestonError) -> Response:
    return _problem(refusal_of(error))


def _refused_by_flask(error: HTTPException) -> Response:
    response = _problem(AdminRefusal(error.code or 500, error.description or error.name))
    for name, value in error.get_headers():
        if name in ("Allow", "Location"):
            response.headers[name] = value
    return response


def _failed(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _problem(AdminRefusal(500, "Deston has a mistake; its log says more"))


class Application:
    """Builds itself on the first request, with the configuration that the commands find."""

    def __init__(self) -> None:
        self._app: Flask | None = None
        self._building = threading.Lock()

    def start(self, file: str | None = None) -> Site:
        """Build it for a file; raises ``ConfigError`` and ``StoreError``."""
        site = Site(find_config(file))
        self._app = make_app(site)
        return site

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 says."""
        with self._building:
            if self._app is None:
                try:
                    self.start()
                except DestonError as error:
                    log.error("nothing can be served:\n%s", error)
                    refusal = AdminRefusal(503, "the configuration cannot be used; the log says why")
                    return _finish(_problem(refusal))(environ, start_response)
        assert self._app is not None
        return self._app(environ, start_response)


application = Application()
