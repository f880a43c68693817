"""gunicorn's access log, fed by our own worker."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from deston.config.model import Protocol
from deston.l7.body import RequestBody
from deston.l7.gunicorn_log import GunicornLog, _environ
from deston.l7.request import Request, Response
from tests.builders import make_listener

FORMAT = '%(h)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(U)s %(q)s %({x-id}i)s %({server}o)s %(m)s %(H)s'


def test_a_line_is_what_gunicorn_says(tmp_path: Path) -> None:
    """The fields of its own format, and those that a format can name."""
    file = tmp_path / "access.log"
    cfg = Config()
    settings: dict[str, Any] = {
        "accesslog": str(file),
        "access_log_format": FORMAT,
    }
    for name, value in settings.items():
        cfg.set(name, value)
    logger = Logger(cfg)
    fields = [(b"User-Agent", b"curl"), (b"Referer", b"http://r.test/"), (b"X-Id", b"7")]
    listener = make_listener(Protocol.HTTP, "web")
    request = Request(listener, b"GET", b"/a?b=c", fields, RequestBody(None, 0), "192.0.2.7", "http", 1)
    response = Response(200, b"OK", [(b"Server", b"nginx")], 5, lambda: b"", lambda: None)
    GunicornLog(logger)(request, response, 5, 0.25)
    for handler in logger.access_log.handlers:
        handler.close()
    expected = '192.0.2.7 "GET /a?b=c HTTP/1.1" 200 5 "http://r.test/" "curl" /a b=c 7 nginx GET HTTP/1.1\n'
    assert file.read_text() == expected


@pytest.mark.parametrize(
    ("authorization", "kept"),
    [(b"Basic YWRtaW46eA==", True), (b"Basic " + base64.b64encode(b"x\n10.0.0.1 - admin:"), False)],
)
def test_a_user_cannot_forge_a_line(authorization: bytes, kept: bool) -> None:
    """gunicorn decodes the name of the user into the line."""
    fields = [(b"Authorization", authorization)]
    listener = make_listener(Protocol.HTTP, "web")
    request = Request(listener, b"GET", b"/", fields, RequestBody(None, 0), "192.0.2.7", "http", 1)
    assert ("HTTP_AUTHORIZATION" in _environ(request)) is kept
