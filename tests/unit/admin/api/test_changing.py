from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from deston.admin.operator import Operator
from tests.unit.config.texts import GOOD, changed

APP = "/api/v1/pools/app"


def sent(client: FlaskClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The status and the JSON of the answer."""
    response = client.open(path, method=method, json=body)
    return response.status_code, response.get_json(force=True)


def servers(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/status").get_json()["pools"]["app"]["servers"]
    return found


def test_a_server_comes_changes_and_goes(client: FlaskClient, file: Path) -> None:
    """What the commands do, by requests; the store has it."""
    new = {"name": "c", "address": "10.0.0.7:3000", "weight": 2, "max_connections": 5, "backup": True}
    response = client.post(f"{APP}/servers", json=new)
    assert (response.status_code, response.headers["Location"]) == (201, f"{APP}/servers/c")
    assert response.get_json() == {"done": "app/c at 10.0.0.7:3000 was added", "pool": "app", "server": "c"}
    assert (servers(client)["c"]["weight"], servers(client)["c"]["backup"]) == (2, True)
    assert sent(client, "PATCH", f"{APP}/servers/c", {"state": "drain", "weight": 0})[0] == 200
    assert (servers(client)["c"]["admin"], servers(client)["c"]["weight"]) == ("drain", 0)
    assert len(Operator(str(file)).state.changes) == 3
    assert sent(client, "DELETE", f"{APP}/servers/c")[0] == 200
    assert "c" not in servers(client)


def test_what_was_changed_can_be_dropped(client: FlaskClient) -> None:
    """Of a server that was removed as of the whole pool."""
    client.delete(f"{APP}/servers/a")
    assert sent(client, "POST", f"{APP}/servers/a/reset", {})[0] == 200
    assert "a" in servers(client)
    client.patch(APP, json={"algorithm": "first"})
    assert client.get(APP).get_json()["pools"]["app"]["algorithm"] == "first"
    assert sent(client, "POST", f"{APP}/reset", {})[1]["done"] == "pool app is as the file says"
    assert client.get(APP).get_json()["changes"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/api/v1/pools/ap/reset", {}, 404, "there is no pool 'ap' (did you mean 'app'?)"),
        ("POST", f"{APP}/reset", {}, 409, "nothing was changed of pool app"),
        ("POST", f"{APP}/servers/a/reset", {}, 409, "nothing was changed of app/a"),
        ("POST", f"{APP}/servers/z/reset", {}, 404, "pool app has no server 'z' (there are: a, b)"),
        ("PATCH", f"{APP}/servers/z", {"weight": 1}, 404, "pool app has no server 'z' (there are: a, b)"),
        ("DELETE", f"{APP}/servers/z", None, 404, "pool app has no server 'z' (there are: a, b)"),
        ("POST", f"{APP}/servers", {"name": "a", "address": "x:1"}, 409, "pool app has a server a already"),
        ("POST", f"{APP}/servers", {"name": "c", "address": "x"}, 400, "the server cannot be added"),
        ("PATCH", APP, {"algorithm": "header_hash"}, 409,
         "header_hash needs a hash_key, which pool app does not have in the file"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    client: FlaskClient, method: str, path: str, body: Any, status: int, sentence: str
) -> None:
    """404 for what there is not, 409 for what cannot be now, 400 for what is no address."""
    found, told = sent(client, method, path, body)
    assert (found, told["detail"]) == (status, sentence)


def test_the_last_server_stays(client: FlaskClient) -> None:
    """As with the command."""
    assert sent(client, "DELETE", f"{APP}/servers/a")[0] == 200
    assert sent(client, "DELETE", f"{APP}/servers/b")[0] == 409


def test_a_broken_file_is_not_reloaded(client: FlaskClient, file: Path) -> None:
    """Its problems are told, what was good is still shown, and a mended one is taken up."""
    assert sent(client, "POST", "/api/v1/reload", {})[0] == 202
    file.write_text(changed(GOOD, "round_robin", "roundrobbin"))
    status, told = sent(client, "POST", "/api/v1/reload", {})
    assert (status, told["errors"][0]["key"]) == (409, "pools.app.algorithm")
    assert client.get("/api/v1/status").get_json()["pools"]["app"]["algorithm"] == "round_robin"
    file.write_text(changed(GOOD, "round_robin", "random"))
    assert client.get("/api/v1/status").get_json()["pools"]["app"]["algorithm"] == "random"
