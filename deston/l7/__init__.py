"""HTTP listeners: ``deston.l7:app`` is the WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deston.config.model import Config

__all__ = ["app", "wrap"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve one request, as PEP 3333 says.

    A plain function, so that servers find it that look into the module's dictionary (uWSGI), and importing this
    package imports nothing else: its pure modules stay free of gevent.
    """
    from deston.l7.wsgi import application

    return application(environ, start_response)


def wrap(
    application: Callable[..., Iterable[bytes]],
    config: Config | str | None = None,
    *,
    fallback: str = "application",
    rescue: bool = False,
) -> Callable[..., Iterable[bytes]]:
    """A WSGI application with the pools of a configuration beside it, in the same process.

    A request that a route takes goes to its pool (or is redirected or answered, as the route says). Any other goes to
    ``application``, with ``fallback="application"``; with ``fallback="pool"`` the application is asked first, and what
    it answers with 404 goes to the pool of the listener, as long as the request's body is 64 KiB at most.

    ``config`` is a configuration or the name of its file, by default the one that ``deston.l7:app`` would take. With
    ``rescue``, the application also answers what a route takes while no server of the route's pools can serve.

    Nothing is opened or started before the first request. Raises ``ValueError`` for another ``fallback``.
    """
    from deston.l7.wrap import Wrapped

    return Wrapped(application, config, fallback, rescue)
