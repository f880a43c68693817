"""The files of the dashboard.

What lives here: which there are, and serving them.
What must not: anything in them.
Invariant: only files of the folder as it was packaged are served; they hold nothing secret, so nobody is asked for a
token before a page is there that can ask for it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flask import Flask, Response, request

FOLDER = Path(__file__).resolve().parents[1] / "dashboard"
PAGE = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def add_files(app: Flask) -> None:
    """Serve the page at ``/``, and what it loads below ``/dashboard/``."""
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            name = path.relative_to(FOLDER).as_posix()
            rule = "/" if name == PAGE else f"/dashboard/{name}"
            view = partial(_serve, path)
            app.add_url_rule(
                rule, f"file:{name}".replace(".", "-"), view, methods=["GET"], provide_automatic_options=False
            )


def _serve(path: Path) -> Response:
    response = Response(path.read_bytes(), content_type=_TYPES[path.suffix])
    # It is asked each time whether it is still the same: an upgrade is seen at once.
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request.environ)
    return response
