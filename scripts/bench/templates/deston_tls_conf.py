# Deston's settings, without tickets: a client that resumes a session has no full handshake, and wrk resumes.
from ssl import SSLContext

from deston.config.model import ListenerTlsConfig
from deston.l7.gunicorn_conf import *  # noqa: F403
from deston.net import termination

_make = termination._server_context


def _without_tickets(config: ListenerTlsConfig, certificate: str, key: str) -> SSLContext:
    context = _make(config, certificate, key)
    context.num_tickets = 0
    return context


termination._server_context = _without_tickets
