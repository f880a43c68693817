from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from deston.admin.api.application import make_app
from deston.admin.api.site import Site
from deston.admin.cli import main
from tests.unit.config.texts import GOOD, changed


def printed(file: Path, *words: str) -> Any:
    """What a command prints as JSON."""
    done = CliRunner().invoke(main, [*words, "--config", str(file)])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_status_and_pool_are_those_of_the_command(client: FlaskClient, file: Path) -> None:
    """Whoever scripts one can script the other."""
    assert client.get("/api/v1/status").get_json() == printed(file, "status", "--json")
    assert client.get("/api/v1/pools/app").get_json() == printed(file, "pool", "show", "app", "--json")


def test_the_configuration_is_that_of_the_command(client: FlaskClient, file: Path) -> None:
    """All of it, as it is in effect."""
    told = client.get("/api/v1/config").get_json()
    assert told == printed(file, "config", "dump", "--json")


def test_the_configuration_is_shown_without_secrets(file: Path) -> None:
    """Whoever may read does not learn how to write."""
    file.write_text(changed(GOOD, "[admin]\n", "[admin]\ntoken = hush1\nread_token = hush2\n"), encoding="utf-8")
    client = make_app(Site(str(file))).test_client()
    told = client.get("/api/v1/config", headers={"Authorization": "Bearer hush2"})
    assert told.get_json()["values"]["admin.token"]["value"] == "(hidden)"
    assert "hush" not in told.text


def test_a_request_is_explained(client: FlaskClient, file: Path) -> None:
    """As the command does it."""
    body = {"method": "GET", "url": "http://api.example.com/v1/x", "from": "10.0.0.9", "headers": {"X-A": "1"}}
    told = client.post("/api/v1/explain", json=body).get_json()
    words = ("explain", "GET", body["url"], "--from", "10.0.0.9", "--header", "X-A: 1", "--json")
    assert told == printed(file, *map(str, words))
    assert told["route"] == "api"


@pytest.mark.parametrize(
    ("changes", "status", "key"),
    [
        ({"from": "me"}, 400, "from"),
        ({"url": "http://"}, 400, "url"),
        ({"url": "http://[::1/"}, 400, "url"),
        ({"listener": "db"}, 404, ""),
    ],
)
def test_what_is_no_request_is_refused(client: FlaskClient, changes: dict[str, str], status: int, key: str) -> None:
    """With the key that is wrong."""
    response = client.post("/api/v1/explain", json={"method": "GET", "url": "http://x/", **changes})
    assert response.status_code == status
    assert [one["key"] for one in response.get_json(force=True).get("errors", [])] == ([key] if key else [])


def test_a_text_is_checked(client: FlaskClient) -> None:
    """Every problem with its line; nothing is stored."""
    assert client.post("/api/v1/check", json={"text": GOOD}).get_json() == {"good": True, "problems": []}
    broken = changed(GOOD, "round_robin", "roundrobbin")
    assert client.post("/api/v1/check", json={"text": broken}).get_json() == {
        "good": False,
        "problems": [
            {
                "line": 21,
                "key": "pools.app.algorithm",
                "reason": "unknown policy 'roundrobbin' (did you mean 'round_robin'?)",
            }
        ],
    }
    assert not client.post("/api/v1/check", json={"text": "\0"}).get_json()["good"]


def test_metrics_and_health_are_told(client: FlaskClient) -> None:
    """In the forms that those who ask expect."""
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=0.0.4")
    assert 'deston_server_weight{pool="app",server="b"} 2.0' in response.text
    assert client.get("/healthz").get_json() == {"status": "ok"}
