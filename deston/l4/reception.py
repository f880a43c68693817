"""The reception of a client: all that comes before a server is chosen.

What lives here: the order in which a listener asks who the client is, whether it is let in, and what it wants.
What must not: each of these by itself (``admission``, ``preface``, ``net.proxy_protocol``, ``net.client_hello``,
``net.termination``, ``sni``), servers.
Invariant: nothing of a client is read before its peer's address is known to be welcome, and all that is read is within
one deadline.
"""

from __future__ import annotations

from collections.abc import Iterable

from deston.config.http_rules import RouteConfig
from deston.config.model import ListenerConfig, TlsMode
from deston.errors import NoRoute, PrefaceTimeout, ReadTimeout, StreamError, WriteTimeout
from deston.l4.admission import Admission
from deston.l4.client import Client
from deston.l4.refusals import Refusal, Refused
from deston.l4.sni import SniRouter
from deston.limits import HostCounts
from deston.net.client_hello import LONGEST_CLIENT_HELLO, ClientHello, parse_client_hello
from deston.net.preface import Preface
from deston.net.proxy_protocol import LONGEST_HEADER, TLV_UNIQUE_ID, parse_proxy_header
from deston.net.termination import Termination
from deston.net.tls_stream import TlsStream
from deston.networks import Networks


class Reception:
    """What one listener asks of its clients. Raises ``StartError`` for a certificate that cannot be used."""

    def __init__(
        self, config: ListenerConfig, routes: Iterable[RouteConfig] = (), counts: HostCounts | None = None
    ) -> None:
        self.admission = Admission(config, counts=counts)
        self.configure(config, routes)

    def configure(self, config: ListenerConfig, routes: Iterable[RouteConfig] = ()) -> None:
        """Take over what a reload changed; after a ``StartError`` everything is as it was."""
        termination = Termination(config.tls) if config.tls.mode is TlsMode.TERMINATE else None
        self.config = config
        self.termination = termination
        self.admission.configure(config)
        self._trusted = Networks(config.trusted_proxies)
        self._router = SniRouter(routes)
        #: Whether nothing is asked of anyone.
        self.is_plain = (
            self.admission.is_trivial and not config.accept_proxy_protocol and config.tls.mode is TlsMode.OFF
        )

    def receive(self, client: Client) -> str:
        """Ask a client everything, and say which pool it is for; waits ``handshake_timeout`` at most.

        Raises ``Refused``, ``NoRoute``, ``ProtocolError`` and its kinds, ``PrefaceTimeout``, ``ClientGone`` and the
        errors of streams.
        """
        config = self.config
        preface = Preface(client.stream, config.handshake_timeout)
        if config.accept_proxy_protocol:
            self._read_proxy_header(client, preface)
        self._admit(client)
        if config.tls.mode is TlsMode.OFF:
            client.ahead = preface.rest
            preface.end()
            return config.pool
        hello = preface.look(parse_client_hello, LONGEST_CLIENT_HELLO)
        client.server_name = hello.server_name
        pool = self._pool_for(hello)
        if self.termination is None:
            client.ahead = preface.rest
        else:
            self._shake_hands(client, preface, self.termination)
        preface.end()
        return pool

    def leave(self, client: Client) -> None:
        """Count the end of a client's connection, however far it came."""
        if client.is_admitted:
            client.is_admitted = False
            self.admission.leave(client.host)

    def _read_proxy_header(self, client: Client, preface: Preface) -> None:
        if client.host and client.host not in self._trusted:
            raise Refused(Refusal.NOT_A_PROXY)
        header = preface.take(parse_proxy_header, LONGEST_HEADER)
        if header.source is not None and header.destination is not None:
            client.is_behind(header.source, header.destination)
        client.unique_id = dict(header.tlvs).get(TLV_UNIQUE_ID, b"")

    def _admit(self, client: Client) -> None:
        refusal = self.admission.admit(client.host)
        if refusal is not None:
            raise Refused(refusal)
        client.is_admitted = bool(client.host)

    def _pool_for(self, hello: ClientHello) -> str:
        pool = self._router.pool_for(self.config.name, hello.server_name, hello.alpn) or self.config.pool
        if not pool:
            raise NoRoute(f"no route takes the name {hello.server_name or '(none)'}")
        return pool

    def _shake_hands(self, client: Client, preface: Preface, termination: Termination) -> None:
        tls = TlsStream(client.stream, termination.context_for(client.server_name), is_server=True)
        tls.begin_with(preface.rest)
        try:
            tls.shake_hands()
        except (ReadTimeout, WriteTimeout):
            raise PrefaceTimeout("the TLS handshake was not complete in time") from None
        except StreamError as error:
            raise Refused(Refusal.TLS, f"TLS handshake: {error}") from error
        client.side = tls
        client.alpn = tls.alpn

    def __repr__(self) -> str:
        return f"<Reception of {self.config.name}>"
