"""Types of TLS and of the PROXY protocol.

What lives here: those types of ``spec.ini``.
What must not: certificates themselves; they are read when a process starts.
Invariant: see ``base.py``.
"""

from __future__ import annotations

from deston.config.checks.base import of_one, read_member
from deston.config.model import SendProxyProtocol, TlsMode, TlsVersion


@of_one
def check_tls_mode(text: str) -> TlsMode:
    return read_member(text, TlsMode, "way of TLS")


@of_one
def check_tls_version(text: str) -> TlsVersion:
    return read_member(text, TlsVersion, "version of TLS")


@of_one
def check_send_proxy_protocol(text: str) -> SendProxyProtocol:
    return read_member(text, SendProxyProtocol, "version of the PROXY protocol")
