"""Rules about TLS on listeners.

What lives here: which keys belong together.
What must not: the files themselves; they are read when a process starts.
Invariant: see ``consistency.py``.
"""

from __future__ import annotations

from deston.config.model import Protocol, TlsMode
from deston.config.report import Report, Rule, Tree
from deston.config.values import named_sections

# Of an http listener alone: a tcp listener has handshakes of other kinds, too.
_HTTP_TLS_KEYS = ("http2", "handshake_timeout")
_TERMINATION_KEYS = ("tls_certificate", "tls_key", "tls_client_ca", "tls_min_version", "tls_alpn")


def _check_listeners(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        mode, is_http = listener["tls"], listener["protocol"] is Protocol.HTTP
        path = ("listeners", name)
        if mode is TlsMode.PASSTHROUGH and is_http:
            report.add((*path, "tls"), "an http listener cannot read what it passes through: off or terminate")
        if mode is TlsMode.TERMINATE:
            _check_termination(listener, path, report)
        elif mode is not None:
            for key in (*_TERMINATION_KEYS, *(_HTTP_TLS_KEYS if is_http else ())):
                if key in (given.get("listeners") or {}).get(name, {}):
                    report.add((*path, key), "a listener heeds this key with tls = terminate alone")


def _check_termination(listener: Tree, path: tuple[str, ...], report: Report) -> None:
    certificates, keys = listener["tls_certificate"], listener["tls_key"]
    if certificates == ():
        report.add((*path, "tls_certificate"), "a listener that terminates TLS needs a certificate")
    elif certificates and keys and len(certificates) != len(keys):
        counts = f"{len(certificates)} in tls_certificate, {len(keys)} here"
        report.add((*path, "tls_key"), f"each certificate has one key, in the same order ({counts})")


TLS_RULES: tuple[Rule, ...] = (_check_listeners,)
