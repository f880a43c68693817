"""gunicorn's settings as they come from a file, and the hooks."""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gunicorn.config import Config as GunicornConfig
from gunicorn.workers.ggevent import GeventWorker

from deston.config.find import find_config
from deston.l7 import app, wsgi
from deston.l7.gunicorn_client import RAW_FIELDS, RAW_REQUEST
from deston.l7.worker import ProxyWorker
from deston.l7.wsgi import Application
from tests.tls_peers import Certificate
from tests.unit.l7.builders import Sentences

ROOT = Path(__file__).resolve().parents[3]
NAME = "deston.l7.gunicorn_conf"

FILE = """
[global]
workers = 3
drain_timeout = 7s
[listeners]
    [[web]]
    bind = 127.0.0.1:0
    protocol = http
    pool = app
    keepalive_timeout = 20s
    backlog = 100
    [[other]]
    bind = "[::1]:0"
    protocol = http
    pool = app
    max_connections = 50
    backlog = 300
    [[local]]
    bind = unix:web.sock
    protocol = http
    pool = app
    backlog = 200
    [[raw]]
    bind = 127.0.0.1:9
    protocol = tcp
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:3000
        [[[health]]]
        type = none
"""

PLAIN = """
[listeners]
    [[web]]
    bind = 127.0.0.1:0
    protocol = http
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:3000
"""

Load = Callable[[str], ModuleType]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deston.conf"
    monkeypatch.setenv("DESTON_CONFIG", str(path))
    return path


@pytest.fixture
def load(file: Path) -> Iterator[Load]:
    """Imports the settings on a file of this text, as a fresh process would."""
    logger = logging.getLogger("deston")
    before = logger.handlers[:], logger.propagate, logger.level

    def load_on(text: str) -> ModuleType:
        file.write_text(text, encoding="utf-8")
        sys.modules.pop(NAME, None)
        return importlib.import_module(NAME)

    yield load_on
    sys.modules.pop(NAME, None)
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])


def test_the_settings_are_those_of_the_file(load: Load, file: Path) -> None:
    """Each http listener is bound, and what gunicorn knows one value of is the largest that is asked for."""
    conf = load(FILE)
    assert conf.bind == ["127.0.0.1:0", "[::1]:0", f"unix:{file.parent}/web.sock"]
    assert (conf.workers, conf.backlog, conf.keepalive) == (3, 300, 20)
    assert conf.worker_connections <= 50
    assert conf.graceful_timeout > 7


def test_gunicorn_knows_every_setting(load: Load) -> None:
    """Whatever the module sets or hooks into is there in this version of gunicorn, and its value is taken."""
    conf = load(FILE)
    known = GunicornConfig()
    for name, value in vars(conf).items():
        if name in known.settings:
            known.set(name, value)
    for name in ("bind", "worker_class", "forwarded_allow_ips", "control_socket_disable", "pre_request", "on_reload"):
        assert name in vars(conf)
        assert name in known.settings


def test_without_a_limit_there_is_the_usual_one(load: Load) -> None:
    """1000 clients for a worker, or as many as descriptors last for."""
    conf = load(FILE.replace("    max_connections = 50\n", ""))
    assert 50 < conf.worker_connections <= 1000


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        ("", 2, "the file is empty"),
        (FILE.replace("pool = app", "pool = ap"), 2, "there is no pool 'ap'"),
        (
            PLAIN.replace("protocol = http", "protocol = tcp"),
            2,
            "its listeners are TCP or UDP: run them with `deston-l4",
        ),
        (FILE.replace("drain_timeout = 7s", "drain_timeout = soon"), 2, "deston.conf:4: global.drain_timeout"),
    ],
)
def test_a_file_that_cannot_be_used_ends_the_start(file: Path, text: str, status: int, sentence: str) -> None:
    """It is said in sentences, never in a traceback, with the exit status for a wrong configuration."""
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", f"import {NAME}"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_ends_the_start(file: Path) -> None:
    """So does a file that is not there."""
    done = subprocess.run([sys.executable, "-c", f"import {NAME}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_that_can_succeed(load: Load) -> None:
    """Before anything is bound, nothing is wrong with listeners that are free."""
    load(FILE).on_starting(None)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("127.0.0.1:0", "192.0.2.1:8080", "192.0.2.1:8080 is not an address of this machine"),
        ("[[app]]\n", "[[app]]\n    tls_ca = /nowhere.pem\n", "/nowhere.pem: "),
    ],
)
def test_what_is_wrong_with_the_machine_ends_the_start(
    load: Load, capsys: pytest.CaptureFixture[str], old: str, new: str, sentence: str
) -> None:
    """An address that cannot be had, a certificate that cannot be read: one sentence, and status 1."""
    conf = load(PLAIN.replace(old, new).replace("a = 127", "a = https://127"))
    with pytest.raises(SystemExit) as caught:
        conf.on_starting(None)
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_reload_reads_the_file_again(load: Load, file: Path, said: Sentences) -> None:
    """The workers to come get what stands in the file now."""
    conf = load(FILE)
    file.write_text(FILE.replace("drain_timeout = 7s", "drain_timeout = 9s"), encoding="utf-8")
    conf.on_reload(Arbiter(conf))
    assert conf._config.global_.drain_timeout == 9.0
    assert said.text == ""


@pytest.mark.parametrize("text", ["", FILE.replace("pool = app", "pool = ap"), FILE + "[[["])
def test_a_reload_with_a_broken_file_keeps_the_old_one(load: Load, file: Path, said: Sentences, text: str) -> None:
    """What is wrong is said, and nothing changes."""
    conf = load(FILE)
    before = conf._config
    file.write_text(text, encoding="utf-8")
    conf.on_reload(None)
    assert conf._config is before
    assert "the old one stays" in said.text
    assert str(file) in said.text


def test_connections_see_that_their_worker_stops() -> None:
    """gunicorn says that a worker is alive no more; they look at a value that is theirs, too."""
    worker = ProxyWorker(0, 0, [], None, 30.0, GunicornConfig(), None)
    worker.tmp.close()
    assert worker.alive
    assert not worker._stopping.is_on
    worker.alive = False
    assert worker._stopping.is_on


@pytest.mark.parametrize(("worker", "is_taken_up"), [(ProxyWorker, True), (GeventWorker, False)])
def test_a_reload_never_leads_to_plain_text(
    load: Load, file: Path, said: Sentences, certificate: Certificate, worker: type, is_taken_up: bool
) -> None:
    """A file that asks for TLS is not taken up where the workers know nothing of it."""
    conf, server = load(FILE), Worker()
    before = conf._config
    server.cfg.set("worker_class", f"{worker.__module__}.{worker.__qualname__}")
    secured = f"tls = terminate\n    tls_certificate = {certificate.certificate}\n    tls_key = {certificate.key}"
    file.write_text(FILE.replace("protocol = http", f"protocol = http\n    {secured}"), encoding="utf-8")
    conf.on_reload(server)
    assert (conf._config is not before) is is_taken_up
    assert ("Deston's own worker alone speaks" in said.text) is not is_taken_up


def test_listeners_that_somebody_else_named_stay(load: Load, file: Path, said: Sentences) -> None:
    """Addresses of gunicorn's command line count more than the file, also at a reload."""
    conf = load(FILE)
    arbiter = Arbiter(conf)
    arbiter.cfg.set("bind", ["127.0.0.1:9"])
    file.write_text(FILE.replace("127.0.0.1:0", "127.0.0.2:0"), encoding="utf-8")
    conf.on_reload(arbiter)
    assert arbiter.cfg.bind == ["127.0.0.1:9"]
    assert said.text == ""


def test_the_number_of_workers_follows_the_file(load: Load, file: Path) -> None:
    """Unless gunicorn was told another one."""
    conf = load(FILE)
    arbiter = Arbiter(conf)
    file.write_text(FILE.replace("workers = 3", "workers = 4"), encoding="utf-8")
    conf.on_reload(arbiter)
    assert (arbiter.num_workers, arbiter.cfg.workers) == (4, 4)


class Arbiter:
    """gunicorn's arbiter, as far as a reload knows it."""

    def __init__(self, conf: Any) -> None:
        self.cfg = GunicornConfig()
        self.cfg.set("bind", conf.bind)
        self.cfg.set("workers", conf.workers)
        self.num_workers = conf.workers
        self.LISTENERS: list[Any] = [object() for _ in conf.bind]


class Worker:
    """gunicorn's worker, and its server, as far as the hooks know them."""

    def __init__(self) -> None:
        self.cfg = GunicornConfig()
        self.SIG_QUEUE: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.early_signals: Any = None
        self.wsgi: Any = app
        self.pid = os.getpid()


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    made = Application()
    monkeypatch.setattr(wsgi, "application", made)
    yield made
    made.stop()


def test_a_worker_builds_the_application_and_stops_it(load: Load, application: Application) -> None:
    """It is there before the first request, from the file that the arbiter has read."""
    conf, worker = load(FILE), Worker()
    conf.post_fork(worker, worker)
    assert application.runtime is None
    conf.post_worker_init(worker)
    assert application.runtime is not None
    assert worker.cfg.graceful_timeout == 7
    conf.worker_exit(worker, worker)


@pytest.mark.parametrize("is_arbiter", [True, False])
def test_a_worker_that_has_left_heeds_no_stop(load: Load, application: Application, is_arbiter: bool) -> None:
    """A second one would interrupt Python's own ending; the arbiter, which says so of a worker that vanished, does."""
    conf, server = load(FILE), Worker()
    server.pid = os.getpid() if is_arbiter else os.getppid()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)}
    try:
        conf.worker_exit(server, server)
        after = {number: signal.getsignal(number) for number in before}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert after == (before if is_arbiter else dict.fromkeys(before, signal.SIG_IGN))


def test_a_stop_that_came_too_early_is_not_lost(load: Load, application: Application) -> None:
    """A signal that the arbiter's handler caught in a new worker is sent once more; others are not."""
    conf, worker = load(FILE), Worker()
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        for number in (signal.SIGHUP, signal.SIGTERM):
            worker.SIG_QUEUE.put_nowait(number)
        conf.post_fork(worker, worker)
        conf.post_worker_init(worker)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


class Request:
    """gunicorn's request, as far as the hook knows it."""

    def __init__(self) -> None:
        self.headers = [("HOST", "a.test")]
        self.body = Application()
        self._expected_100_continue = True


def test_the_fields_of_a_request_are_kept(load: Load) -> None:
    """The application finds them at the body, which is all that the hook and it share."""
    conf, request, worker = load(FILE), Request(), Worker()
    conf.pre_request(worker, request)
    assert getattr(request.body, RAW_FIELDS) is request.headers
    assert (getattr(request.body, RAW_REQUEST), request._expected_100_continue) == (request, False)
    # Where our application is inside another one, that one may be the one to read the body.
    worker.wsgi, request = object(), Request()
    conf.pre_request(worker, request)
    assert getattr(request.body, RAW_FIELDS) is request.headers
    assert request._expected_100_continue


def test_the_settings_of_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout a plain ``gunicorn deston.l7:app`` finds the same settings, on the checkout's file."""
    monkeypatch.delenv("DESTON_CONFIG", raising=False)
    environment = {name: value for name, value in os.environ.items() if name != "DESTON_CONFIG"}
    code = "import runpy; found = runpy.run_path('gunicorn.conf.py'); print(*found['bind'], found['worker_class'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "127.0.0.1:8080 deston.l7.worker.ProxyWorker\n"
    monkeypatch.chdir(ROOT)
    assert find_config(None) == "conf/deston.conf"
