"""The files that a configuration names, looked at before anything runs on it.

What lives here: reading every certificate that TCP listeners and their pools need, and opening every log.
What must not: keeping any of them; each worker has its own.
Invariant: what a command starts with, or reloads, names no file that cannot be used.
"""

from __future__ import annotations

from deston.access.sinks import make_sink
from deston.config.model import L4_PROTOCOLS, Config, LogSink, LogTarget, TlsMode
from deston.errors import StartError
from deston.net.termination import Termination
from deston.net.tls import client_context


def require_files(config: Config) -> None:
    """Raise ``StartError`` for the first certificate, key or log that cannot be used."""
    for listener in config.listeners_of(*L4_PROTOCOLS):
        if listener.tls.mode is TlsMode.TERMINATE:
            Termination(listener.tls)
        if listener.access_log.sink is LogSink.FILE:
            _require_log(listener.access_log, listener.name)
    for pool in config.pools:
        if any(server.tls for server in pool.servers):
            client_context(pool.tls)


def _require_log(target: LogTarget, listener: str) -> None:
    sink = make_sink(target, "")
    try:
        sink.write([])
    except OSError as error:
        raise StartError(f"{target.file}: the access log of {listener} cannot be written: {error.strerror}") from error
    finally:
        sink.close()
