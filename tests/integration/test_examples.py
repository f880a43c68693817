"""The examples, as the documentation shows them, under every WSGI server that people mount them in."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import ask
from tests.integration.configs import pool, write_config
from tests.integration.processes import BIN, Processes, Running, wait_until
from tests.integration.servers import KillableServer
from tests.integration.wire import is_listened_on, reserved_port

ROOT = Path(__file__).resolve().parents[2]
WAITRESS = "import sys, waitress; waitress.serve(__import__(sys.argv[1], fromlist=['app']).app, listen=sys.argv[2])"
# Its end is not measured: the tracer and greenlets that uWSGI takes down by itself do not go together.
PLAIN = ["env", "--unset=COVERAGE_PROCESS_CONFIG", "--unset=COVERAGE_PROCESS_START"]
GUNICORN = [f"{BIN}/gunicorn", "--no-control-socket", "-c", "/dev/null"]
#: How each server is started, with the application's module and the address to come.
SERVERS = {
    "waitress": [sys.executable, "-W", "ignore", "-c", WAITRESS, "{module}", "{address}"],
    "uwsgi": [*PLAIN, f"{BIN}/uwsgi", "--skip-atexit", "--http-socket", "{address}", "--module", "{module}:app",
              "--enable-threads", "--threads", "4", "--lazy-apps", "--need-app", "--die-on-term",
              "--post-buffering", "8192"],
    "sync": [*GUNICORN, "-b", "{address}", "{module}:app"],
    "gthread": [*GUNICORN, "-b", "{address}", "-k", "gthread", "--threads", "4", "{module}:app"],
    "gevent": [*GUNICORN, "-b", "{address}", "-k", "gevent", "{module}:app"],
    "own worker": [f"{BIN}/gunicorn", "-c", "python:deston.l7.gunicorn_conf", "-b", "{address}", "{module}:app"],
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where examples run: the server that has what moved out, and a configuration that names it."""

    processes: Processes
    config: Path
    server: KillableServer
    address: Address

    def start(self, words: list[str], module: str) -> None:
        words = [word.format(module=module, address=self.address) for word in words]
        environment = {"DESTON_CONFIG": str(self.config), "GUNICORN_CMD_ARGS": "", "PYTHONPATH": str(ROOT)}
        # gunicorn ends at once for INT, even between the last bytes of a response and the end of its own write.
        stop_signal = signal.SIGINT if WAITRESS in words else signal.SIGTERM
        running = self.processes.add(Running(module, words, environment, stop_signal))
        wait_until(lambda: running.has_ended or is_listened_on(self.address), f"{words[0]} on {self.address}")
        assert not running.has_ended, running.output

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        answer = ask(self.address, path, method, body=body)
        return answer.status, answer.body.strip()


@pytest.fixture
def place(tmp_path: Path, processes: Processes) -> Iterator[Place]:
    with reserved_port() as address, reserved_port() as moved:
        server = KillableServer(processes, "a", moved)
        text = (ROOT / "examples" / "shop.conf").read_text()
        text = text.replace("127.0.0.1:8080", str(address)).replace("127.0.0.1:3000", str(moved))
        text = text.replace("        b = 127.0.0.1:3001\n", "")
        text = text.replace("type = http", "interval = 50ms\n        type = http")
        (tmp_path / "shop.conf").write_text(text)
        yield Place(processes, tmp_path / "shop.conf", server, address)


@pytest.mark.parametrize("server", SERVERS)
def test_flask_is_moved_out_route_by_route(server: str, place: Place) -> None:
    """What has a route goes to the pool, by method, too; the rest stays; while the pool is down the old code serves."""
    place.start(SERVERS[server], "examples.flask_shop")
    assert place.get("/") == (200, b"the shop")
    assert place.get("/orders") == (200, b"all orders")
    assert place.get("/reports/today") == (200, b"a")
    assert place.get("/nothing")[0] == 404
    length, _, digest = place.get("/orders", "POST", b"order")[1].partition(b" ")
    assert (length, len(digest)) == (b"5", 64)
    place.server.kill()
    wait_until(lambda: place.get("/reports/today") == (200, b"the shop's own report today"), "the old report")
    place.server.start()
    wait_until(lambda: place.get("/reports/today") == (200, b"a"), "the new report")


@pytest.mark.parametrize("server", SERVERS)
def test_django_is_asked_first(server: str, place: Place) -> None:
    """What Django does not know goes to the pool, with its body; what it knows stays, and so does a large body."""
    text = place.config.read_text()
    place.config.write_text(text[: text.index("[routes]")] + text[text.index("[pools]") :])
    place.start(SERVERS[server], "examples.django_shop")
    assert place.get("/") == (200, b"the new shop")
    assert place.get("/unknown") == (200, b"a")
    assert place.get("/unknown", "POST", b"12345")[1].startswith(b"5 ")
    assert place.get("/basket", "POST", b"12345") == (200, b"a basket of 5 bytes")
    assert place.get("/unknown", "POST", b"x" * 100_000)[0] == 404


@pytest.mark.parametrize("server", ["waitress", "uwsgi", "own worker"])
def test_below_one_path_of_a_site(server: str, place: Place) -> None:
    place.start(SERVERS[server], "examples.mounted")
    assert place.get("/") == (200, b"the shop")
    assert place.get("/reports/x") == (200, b"a")


HOSTED = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("no")
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [])
        def pieces():
            yield b"begun"
            raise RuntimeError("no")
        return pieces()
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Server", "hosted"), ("Connection", "close")])
    said = "%s %s %s %s %d" % (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"],
                               environ["HTTP_X_FORWARDED_FOR"], len(body))
    return [said.encode()]
"""


@pytest.mark.parametrize("worker", ["deston.l7.worker.ProxyWorker", "gevent", "gthread"])
def test_an_application_as_a_server(worker: str, tmp_path: Path, processes: Processes, abc: dict[str, Address]) -> None:
    """It takes turns with other servers, is given what they are given, and its faults are its own."""
    (tmp_path / "legacy_app.py").write_text(HOSTED)
    with reserved_port() as address:
        pools = {
            "app": pool({"a": abc["a"], "legacy": "wsgi:legacy_app:app, weight=1"}),
            "only": pool({"legacy": "wsgi:legacy_app:app, max_connections=5"}),
        }
        routes = {"only": {"host": "only.test", "pool": "only"}}
        listeners = {"web": {"bind": address, "protocol": "http", "pool": "app"}}
        file = write_config(tmp_path, listeners, pools=pools, routes=routes)
        words = [f"{BIN}/gunicorn", "-c", "python:deston.l7.gunicorn_conf", "-k", worker, "deston.l7:app"]
        environment = {"DESTON_CONFIG": str(file), "GUNICORN_CMD_ARGS": "", "PYTHONPATH": str(tmp_path)}
        running = processes.start("l7", words, environment)
        running.may_trace = True  # Those of the application.
        wait_until(lambda: running.has_ended or is_listened_on(address), "l7")
        assert not running.has_ended, running.output
        assert {ask(address, "/").server for _ in range(4)} == {"a", "hosted"}
        only = {"Host": "only.test"}
        answer = ask(address, "/p%2Fq?x=1", "POST", only, b"12345")
        assert answer.body == b"POST /p/q x=1 127.0.0.1 5"
        assert answer.fields["Date"]
        assert ask(address, "/x", "POST", only, iter([b"12", b"345"])).body.endswith(b" 5")
        assert ask(address, "/x", "HEAD", only).body == b""
        assert ask(address, "/fail", fields=only).status == 500
        with pytest.raises(Exception, match=r"IncompleteRead|reset|ended"):
            ask(address, "/late", fields=only)
        assert ask(address, "/x", fields=only).status == 200
