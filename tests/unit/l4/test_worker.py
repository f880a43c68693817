"""The reload of a worker: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from deston.config.load import load
from deston.config.model import Protocol
from deston.l4.worker import L4Worker

FILE = """
[global]
store = memory
[listeners]
    [[one]]
    bind = 127.0.0.1:0
    protocol = tcp
    max_connections = {most}
    pool = app
    [[other]]
    bind = 127.0.0.1:0
    protocol = tcp
    pool = app
{more}
[pools]
    [[app]]
    algorithm = {policy}
        [[[servers]]]
        a = 127.0.0.1:1, weight={most}
"""
MISSING = """
    tls = terminate
    tls_certificate = /nowhere.pem
    tls_key = /nowhere.key
"""


def write(folder: Path, most: int = 1, more: str = "", policy: str = "random") -> Path:
    file = folder / "deston.conf"
    file.write_text(FILE.format(most=most, more=more, policy=policy))
    return file


@pytest.fixture
def worker(tmp_path: Path) -> L4Worker:
    """One that has loaded its objects, and listens nowhere."""
    made = L4Worker.__new__(L4Worker)
    made.app = SimpleNamespace(config=load(str(write(tmp_path)), Protocol.TCP), reloads=None)
    made.udp_proxies = []
    made.load_wsgi()
    return made


def state(worker: L4Worker) -> list[object]:
    (server,) = worker.runtime.registry.pool("app").servers
    configs = [proxy.config for proxy in worker.proxies]
    return [worker.app.config, worker.runtime.config, server.weight, *configs]


def test_a_reload_takes_up_the_file(worker: L4Worker, tmp_path: Path) -> None:
    """Listeners and pools, all of them."""
    write(tmp_path, most=5)
    worker._reload()
    config = load(worker.app.config.file, Protocol.TCP)
    assert state(worker) == [config, config, 5, *config.listeners_of(Protocol.TCP)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"more": MISSING}, "/nowhere.pem"),
        ({"policy": "nomod:fact"}, "nomod:fact"),
        ({"policy": "randum"}, "randum"),
        ({"more": "access_log = /nowhere/log"}, "/nowhere/log"),
    ],
)
def test_a_reload_of_what_cannot_be_used_changes_nothing(
    worker: L4Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, str], told: str
) -> None:
    """Neither a listener, nor a pool, nor what later changes are applied to."""
    before = state(worker)
    write(tmp_path, most=5, **change)
    worker._reload()
    assert state(worker) == before
    assert "the old one stays" in caplog.text
    assert told in caplog.text
