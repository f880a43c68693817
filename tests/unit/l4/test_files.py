"""Files that cannot be used are found before anything runs."""

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
    tls_ca = {ca}
        [[[servers]]]
        a = tls://127.0.0.1:3000
"""


@pytest.mark.parametrize(
    ("key", "ca", "log", "told"),
    [
        ("server.test.key", "server.test.pem", "access.log", ""),
        ("missing.key", "server.test.pem", "off", "missing.key"),
        ("server.test.key", "missing.pem", "off", "missing.pem"),
        ("server.test.key", "server.test.pem", "missing/access.log", "missing/access.log: the access log of secure"),
    ],
)
def test_each_file_is_looked_at(tmp_path: Path, key: str, ca: str, log: str, told: str) -> None:
    """Those of listeners, those of pools and logs; the sentence names the file."""
    make_certificate(tmp_path)
    file = tmp_path / "deston.conf"
    file.write_text(CONFIG.format(key=key, ca=ca, log=log))
    config = load(str(file), Protocol.TCP)
    if not told:
        require_files(config)
        return
    with pytest.raises(StartError, match=told):
        require_files(config)
