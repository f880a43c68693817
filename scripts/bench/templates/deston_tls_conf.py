# Deston's settings, without tickets: a client that resumes a session has no full handshake, and wrk resumes.
from ssl import SSLContext
from typing import Any

from deston.l7.gunicorn_conf import *  # noqa: F403


def ssl_context(config: Any, create_default: Any) -> SSLContext:
    context: SSLContext = create_default()
    context.num_tickets = 0
    return context
