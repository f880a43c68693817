"""gunicorn's access log for exchanges that never were WSGI.

What lives here: an exchange in the terms of ``gunicorn.glogging``, so that `--access-logfile` and its formats stay what
they were.
What must not: when to log, and where to.
Invariant: a line says what it would have said under gunicorn's own worker.
"""

from __future__ import annotations

import base64
import datetime
from typing import Any

from deston.l7.fields import Field
from deston.l7.request import Request, Response


class _Logged:
    """A request or response as gunicorn's logger looks at it."""

    def __init__(self, fields: list[Field], status: str = "", sent: int | None = None) -> None:
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
        self.status = status
        self.sent = sent


class GunicornLog:
    """Hands exchanges to gunicorn's logger."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def __call__(self, request: Request, response: Response, sent: int, seconds: float) -> None:
        status = f"{response.status} {response.reason.decode('latin-1')}"
        self._logger.access(
            _Logged(response.fields, status, sent),
            _Logged(request.fields),
            _environ(request),
            datetime.timedelta(seconds=seconds),
        )


def _is_harmless(authorization: bytes) -> bool:
    """Whether the user's name can stand in a line: gunicorn decodes it, and would write a line feed as it is."""
    try:
        user = base64.b64decode(authorization.partition(b" ")[2].strip())
    except ValueError:
        return False
    return user.isascii() and user.decode().isprintable()


def _environ(request: Request) -> dict[str, str]:
    """As much of an environ as the formats of an access log can name."""
    target = request.target.decode("latin-1")
    path, _, query = target.partition("?")
    environ = {
        "REMOTE_ADDR": request.peer,
        "REQUEST_METHOD": request.method.decode("latin-1"),
        "RAW_URI": target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/1.{request.minor_version}",
        "wsgi.url_scheme": request.scheme,
    }
    for name, value in request.fields:
        if name.lower() == b"authorization" and not _is_harmless(value):
            continue
        environ[f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"] = value.decode("latin-1")
    return environ
