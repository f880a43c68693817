"""What an operator uses: the command ``deston``, and ``deston.admin:app``, the JSON API and the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["app"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve one request, as PEP 3333 says; nothing is opened or read before the first one."""
    from deston.admin.api.application import application

    return application(environ, start_response)
