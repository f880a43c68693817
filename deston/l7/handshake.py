"""TLS with the clients of HTTP listeners.

What lives here: the certificates of the listeners, the handshake, and what it tells servers of a client.
What must not: contexts and files (``net.termination``), what is spoken afterwards.
Invariant: a client that did not complete its handshake in time is closed, and never reaches HTTP.
"""

from __future__ import annotations

import base64
import dataclasses

from cryptography import x509

from deston.config.model import ListenerConfig, Protocol, TlsMode
from deston.l7.http1 import field_lines
from deston.net.client_hello import LONGEST_CLIENT_HELLO, parse_client_hello
from deston.net.preface import Preface
from deston.net.stream import Stream
from deston.net.termination import Termination
from deston.net.tls_stream import TlsStream

HTTP2, HTTP1 = "h2", "http/1.1"


class Handshakes:
    """The certificates of HTTP listeners. ``speaks_http2`` is whether there is something that can.

    Raises ``StartError`` for a file that cannot be used.
    """

    def __init__(self, listeners: tuple[ListenerConfig, ...], speaks_http2: bool) -> None:
        self._terminations = {
            one.name: Termination(dataclasses.replace(one.tls, alpn=_alpn(one, speaks_http2)))
            for one in listeners
            if is_secured(one)
        }

    def is_for(self, listener: ListenerConfig) -> bool:
        """Whether clients of a listener speak TLS."""
        return listener.name in self._terminations

    def refresh(self) -> None:
        """Take up certificates that have changed; for every second or so."""
        for termination in self._terminations.values():
            termination.refresh()

    def shake_hands(self, stream: Stream, listener: ListenerConfig) -> TlsStream:
        """Secure a client's connection within the listener's time; raises ``StreamError`` or ``BadClientHello``."""
        preface = Preface(stream, listener.handshake_timeout)
        hello = preface.look(parse_client_hello, LONGEST_CLIENT_HELLO)
        context = self._terminations[listener.name].context_for(hello.server_name)
        tls = TlsStream(stream, context, is_server=True)
        tls.begin_with(preface.rest)
        tls.shake_hands()
        preface.end()
        return tls


def is_secured(listener: ListenerConfig) -> bool:
    """Whether clients of an HTTP listener speak TLS."""
    return listener.protocol is Protocol.HTTP and listener.tls.mode is TlsMode.TERMINATE


def _alpn(listener: ListenerConfig, speaks_http2: bool) -> tuple[str, ...]:
    return (HTTP2, HTTP1) if listener.http2 and speaks_http2 else (HTTP1,)


def identity(certificate: bytes) -> bytes:
    """The field lines that tell a server of a client's certificate, which is in DER; none without one.

    RFC 9440 has the certificate itself; the others are what HAProxy and nginx are mostly told to say.
    """
    if not certificate:
        return b""
    subject = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    printable = "".join(character if character.isprintable() else "?" for character in subject)
    return field_lines(
        [
            (b"Client-Cert", b":" + base64.b64encode(certificate) + b":"),
            (b"X-SSL-Client-Verify", b"SUCCESS"),
            (b"X-SSL-Client-DN", printable.encode()),
        ]
    )
