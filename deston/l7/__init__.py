"""HTTP listeners: ``deston.l7:app`` is the WSGI application.

Nothing is imported until ``app`` is asked for, so that the pure modules of this package stay free of gevent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deston.l7.wsgi import Application

    app: Application

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deston.l7.wsgi import app

    return app
