"""The certificates of a file, looked at before anything runs on it.

What lives here: reading every certificate that TCP listeners and their pools need.
What must not: keeping any of them; each worker reads its own.
Invariant: what a command starts with, or reloads, has no certificate that cannot be used.
"""

from __future__ import annotations

from deston.config.model import Config, Protocol, TlsMode
from deston.net.termination import Termination
from deston.net.tls import client_context


def require_certificates(config: Config) -> None:
    """Raise ``StartError`` for the first file with a certificate or key that cannot be used."""
    for listener in config.listeners_of(Protocol.TCP):
        if listener.tls.mode is TlsMode.TERMINATE:
            Termination(listener.tls)
    for pool in config.pools:
        if any(server.tls for server in pool.servers):
            client_context(pool.tls)
