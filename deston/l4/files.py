"""What a configuration names outside of itself, looked at before anything runs on it.

What lives here: reading every certificate that TCP listeners and their pools need, opening every log, making every
policy.
What must not: keeping any of them; each worker has its own.
Invariant: what a command starts with, or reloads, names nothing that cannot be used.
"""

from __future__ import annotations

from deston.access.sinks import require_log
from deston.balancer.policies import make_policy
from deston.config.model import L4_PROTOCOLS, Config, TlsMode
from deston.net.termination import Termination
from deston.net.tls import client_context


def require_files(config: Config) -> None:
    """Raise ``StartError`` for the first certificate, key, log or policy that cannot be used."""
    for listener in config.listeners_of(*L4_PROTOCOLS):
        if listener.tls.mode is TlsMode.TERMINATE:
            Termination(listener.tls)
        require_log(listener.access_log, listener.name)
    for pool in config.pools:
        if any(server.tls for server in pool.servers):
            client_context(pool.tls)
        make_policy(pool)
