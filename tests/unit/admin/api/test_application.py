from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from deston.admin.api.application import Application, make_app
from deston.admin.api.guard import Role
from deston.admin.api.shapes import LARGEST_BODY
from deston.admin.api.site import Site
from deston.admin.api.table import ROUTES, Route
from deston.admin.operator import Operator
from deston.config import find
from tests.unit.config.texts import GOOD, changed

SERVERS = "/api/v1/pools/app/servers"


def send(client: FlaskClient, method: str, path: str, body: Any = None, **fields: str) -> TestResponse:
    """Ask with a JSON body."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return client.open(path, method=method, json=body, headers=headers)


def problem(response: TestResponse) -> tuple[int, str]:
    """The status and the sentence of a problem document, which is one in every respect."""
    assert response.mimetype == "application/problem+json"
    told = response.get_json(force=True)
    assert told["status"] == response.status_code
    assert {"type", "title", "detail"} <= set(told)
    return response.status_code, str(told["detail"])


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/status", "/api/v1/nothing", "/metrics"])
def test_every_answer_has_the_security_fields(client: FlaskClient, path: str) -> None:
    """Errors have them, too, and nothing lets another site's page read an answer."""
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert not [name for name, _ in headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/pools/ap", 404),
        ("DELETE", "/api/v1/status", 405),
        ("OPTIONS", "/api/v1/status", 405),
        ("DELETE", f"{SERVERS}/zz", 404),
        ("GET", "/dashboard/../index.html", 404),
    ],
)
def test_what_there_is_not_is_a_problem_document(client: FlaskClient, method: str, path: str, status: int) -> None:
    """Flask's own errors have the form of ours."""
    assert problem(client.open(path, method=method))[0] == status


def test_a_write_needs_json(client: FlaskClient) -> None:
    """A form of another site's page cannot be JSON, so nothing else is taken."""
    assert problem(client.post("/api/v1/reload", data="{}", content_type="text/plain"))[0] == 415
    assert problem(client.post("/api/v1/reload"))[0] == 415


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"\xff", b'{"weight": NaN}', b"[" * 100_000, b'"\\ud800"', b'{"weight": ' + b"9" * 5000 + b"}"],
)
def test_a_body_that_is_none_is_refused(client: FlaskClient, raw: bytes) -> None:
    """Whatever comes, it is the client's mistake and no failure."""
    response = client.patch(f"{SERVERS}/a", data=raw, content_type="application/json")
    assert problem(response)[0] == 400


def test_a_body_is_bounded(client: FlaskClient) -> None:
    """What is larger is refused, whether it tells its length or not."""
    raw = b'{"text": "' + b"x" * LARGEST_BODY + b'"}'
    assert problem(client.post("/api/v1/check", data=raw, content_type="application/json"))[0] == 413
    chunked = client.post(
        "/api/v1/check",
        input_stream=io.BytesIO(raw),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert problem(chunked)[0] == 413


def test_wrong_keys_are_named(client: FlaskClient) -> None:
    """Each key with its reason, all at once."""
    response = send(client, "POST", SERVERS, {"name": "c", "weight": "2"})
    assert problem(response) == (400, "the body cannot be used")
    assert response.get_json(force=True)["errors"] == [
        {"key": "address", "reason": "it is missing"},
        {"key": "weight", "reason": "it must be a whole number"},
    ]


def test_another_sites_page_is_refused(client: FlaskClient) -> None:
    """By its Origin, and by the name under which it was reached."""
    assert problem(send(client, "POST", "/api/v1/reload", {}, Origin="http://evil.example"))[0] == 403
    assert problem(send(client, "GET", "/api/v1/status", Host="evil.example"))[0] == 403
    assert problem(send(client, "GET", "/", Host="evil.example"))[0] == 403
    assert send(client, "GET", "/healthz", Host="evil.example").status_code == 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_asks_for_its_role(file: Path, route: Route) -> None:
    """Where tokens are set, no route is forgotten."""
    file.write_text(changed(GOOD, "[admin]\n", "[admin]\ntoken = w\nread_token = r\n"), encoding="utf-8")
    client = make_app(Site(str(file))).test_client()
    path = route.path.format(pool="app", server="zz", session="1-a")
    refused = 200 if route.role is Role.NOBODY else 401
    assert client.open(path, method=route.method).status_code == refused
    with_read = client.open(path, method=route.method, headers={"Authorization": "Bearer r"})
    assert (with_read.status_code == 403) == (route.role is Role.WRITE)
    challenge = client.open(path, method=route.method).headers.get("WWW-Authenticate")
    assert challenge == (None if refused == 200 else "Bearer")


def test_a_mistake_of_ours_is_a_problem_document(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is logged, and tells the client nothing of the inside."""
    monkeypatch.setattr(Operator, "status", lambda operator: 1 / 0)
    assert problem(client.get("/api/v1/status")) == (500, "Deston has a mistake; its log says more")
    assert "ZeroDivisionError" in caplog.text


def test_it_builds_itself_on_the_first_request(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under any WSGI server; with a configuration that cannot be used it says so until that is mended."""
    good = file.read_text()
    file.write_text("nonsense")
    monkeypatch.setenv(find.VARIABLE, str(file))
    application = Application()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/healthz", "wsgi.url_scheme": "http", "SERVER_NAME": "x"}
    environ |= {"SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "SERVER_PROTOCOL": "HTTP/1.1"}  # type: ignore[dict-item]
    told: list[str] = []

    def start_response(status: str, fields: object, error: object = None) -> None:
        told.append(status)

    assert json.loads(b"".join(application(dict(environ), start_response)))["status"] == 503
    file.write_text(good)
    assert json.loads(b"".join(application(dict(environ), start_response))) == {"status": "ok"}
    assert told == ["503 SERVICE UNAVAILABLE", "200 OK"]
