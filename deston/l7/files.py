"""What a configuration of HTTP listeners names outside of itself, looked at before anything runs on it.

What lives here: reading every certificate, page and secret, opening every log, making every policy.
What must not: keeping any of them; each worker has its own. Applications: only a worker may load them.
Invariant: what a process starts with, or reloads, names nothing that cannot be used.
"""

from __future__ import annotations

from deston.access.sinks import require_log
from deston.balancer.policies import make_policy
from deston.config.model import Config, Protocol
from deston.l7.handshake import Handshakes
from deston.l7.proxy import affinities, tls_contexts
from deston.l7.site import require_pages


def require_files(config: Config) -> None:
    """Raise ``StartError`` for the first certificate, page, log, secret or policy that cannot be used."""
    tls_contexts(config)
    affinities(config)
    for pool in config.pools:
        make_policy(pool)
    listeners = config.listeners_of(Protocol.HTTP)
    for listener in listeners:
        require_pages(listener, config.routes)
        require_log(listener.access_log, listener.name)
    Handshakes(listeners, speaks_http2=False)
