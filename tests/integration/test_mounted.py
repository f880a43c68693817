"""Our application inside another one, under our own settings."""

from __future__ import annotations

import signal
from pathlib import Path

from deston.address import Address
from tests.integration.client import ask
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import BIN, Processes, Running
from tests.integration.wire import reserved_port

SITE = """
from deston.l7 import app as balancer


def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/reports/"):
        return balancer(environ, start_response)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"shop"]
"""


def test_the_other_application_is_asked_for_every_request(
    processes: Processes, tmp_path: Path, abc: dict[str, Address]
) -> None:
    """Our own worker reads only for our own application; here everything goes through WSGI, as ever."""
    (tmp_path / "site_with_reports.py").write_text(SITE)
    with reserved_port() as address:
        file = write_config(tmp_path, {"web": http(bind=address)}, pools={"app": pool({"a": abc["a"]})})
        words = [f"{BIN}/gunicorn", "-c", "python:deston.l7.gunicorn_conf", "--pythonpath", str(tmp_path)]
        environment = {"DESTON_CONFIG": str(file), "GUNICORN_CMD_ARGS": ""}
        running = Running("site", [*words, "site_with_reports:app"], environment, signal.SIGINT)
        processes.add(running)
        running.wait_for("Booting worker")
        assert ask(address, "/").body == b"shop"
        assert ask(address, "/reports/").server == "a"
