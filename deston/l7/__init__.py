"""HTTP listeners: ``deston.l7:app`` is the WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["app"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve one request, as PEP 3333 says.

    A plain function, so that servers find it that look into the module's dictionary (uWSGI), and importing this
    package imports nothing else: its pure modules stay free of gevent.
    """
    from deston.l7.wsgi import application

    return application(environ, start_response)
