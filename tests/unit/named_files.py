"""A configuration that names files, for the tests of those who look at them before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.errors import StartError
from tests.tls_peers import make_certificate

_CONFIG = """
[listeners]
    [[secure]]
    bind = 127.0.0.1:8443
    protocol = {protocol}
    tls = terminate
    tls_certificate = server.test.pem
    tls_key = {key}
    access_log = {log}
    {rule}
    pool = app
[pools]
    [[app]]
    algorithm = {policy}
    tls_ca = {ca}
        [[[servers]]]
        a = tls://127.0.0.1:3000
"""
_GOOD = {"key": "server.test.key", "ca": "server.test.pem", "log": "access.log", "policy": "random", "rule": ""}

#: What is wrong, and what the sentence about it has to name: nothing where nothing is wrong.
WRONG = [
    ({}, ""),
    ({"key": "missing.key"}, "missing.key"),
    ({"ca": "missing.pem"}, "missing.pem"),
    ({"log": "missing/access.log"}, "missing/access.log: the access log of secure"),
    ({"policy": "nomod:fact"}, "nomod:fact"),
]


def judge(
    folder: Path, protocol: Protocol, wrong: dict[str, str], told: str, require: Callable[[Config], None]
) -> None:
    """Have a configuration looked at that is good but for what is ``wrong``."""
    make_certificate(folder)
    file = folder / "deston.conf"
    file.write_text(_CONFIG.format(**{"protocol": protocol.value, **_GOOD, **wrong}), encoding="utf-8")
    config = load(str(file), protocol)
    if not told:
        require(config)
        return
    with pytest.raises(StartError, match=told):
        require(config)
