"""What cannot be used is found before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.load import load
from deston.config.model import Protocol
from deston.errors import StartError
from deston.l4.files import require_files
from tests.tls_peers import make_certificate

CONFIG = """
[listeners]
    [[secure]]
    bind = 127.0.0.1:8443
    protocol = tcp
    tls = terminate
    tls_certificate = server.test.pem
    tls_key = {key}
    access_log = {log}
    pool = app
[pools]
    [[app]]
    algorithm = {policy}
    tls_ca = {ca}
        [[[servers]]]
        a = tls://127.0.0.1:3000
"""
GOOD = {"key": "server.test.key", "ca": "server.test.pem", "log": "access.log", "policy": "random"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, ""),
        ({"key": "missing.key"}, "missing.key"),
        ({"ca": "missing.pem"}, "missing.pem"),
        ({"log": "missing/access.log"}, "missing/access.log: the access log of secure"),
        ({"policy": "nomod:fact"}, "nomod:fact"),
    ],
)
def test_each_is_looked_at(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    """Those of listeners, those of pools, logs and policies; the sentence names what is wrong."""
    make_certificate(tmp_path)
    file = tmp_path / "deston.conf"
    file.write_text(CONFIG.format(**{**GOOD, **wrong}))
    config = load(str(file), Protocol.TCP)
    if not told:
        require_files(config)
        return
    with pytest.raises(StartError, match=told):
        require_files(config)
