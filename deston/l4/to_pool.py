"""The way from one listener to one pool.

What lives here: the limits of time of its connections, and how a connection to one of the pool's servers is opened:
the dial, the PROXY protocol header, the TLS handshake.
What must not: choosing the server, and trying another one.
Invariant: what ``open`` returns is ready for the client's bytes, and what it raises has left nothing open.
"""

from __future__ import annotations

import os
from ssl import SSLContext

from deston.address import Address
from deston.balancer.server import Server
from deston.config.model import ListenerConfig, PoolConfig, SendProxyProtocol
from deston.errors import ConnectError
from deston.l4.client import Client
from deston.net.dial import Dialer
from deston.net.proxy_protocol import (
    TLV_ALPN,
    TLV_AUTHORITY,
    TLV_UNIQUE_ID,
    Tlv,
    proxy_header_v1,
    proxy_header_v2,
)
from deston.net.relay import Limits, Side
from deston.net.stream import NEVER, Stream
from deston.net.tls import client_context, secure

# As many bytes of chance as a UUID has.
_UNIQUE_ID_BYTES = 16


class ToPool:
    """How the connections of a listener to a pool are opened, and how long they may last."""

    def __init__(self, listener: ListenerConfig, pool: PoolConfig, dial: Dialer) -> None:
        self.limits = _limits(listener, pool)
        self._pool = pool
        self._dial = dial
        self._contexts: dict[str, SSLContext] = {}
        self._is_plain = pool.send_proxy_protocol is SendProxyProtocol.OFF

    def open(self, server: Server, client: Client) -> Side:
        """A connection to a server, at which the client was introduced where the pool wants it.

        Raises ``ConnectError`` and its kinds, and ``StartError`` for a certificate that cannot be used.
        """
        pool = self._pool
        endpoint = server.endpoint_or_fail()
        context = self._context_for(client.alpn) if server.tls else None
        stream = self._dial(endpoint, pool.connect_timeout, pool.source_address)
        if not self._is_plain:
            self._introduce(client, stream, endpoint)
        if context is None:
            return stream
        name = pool.tls.server_name or server.named.host
        return secure(stream, endpoint, context, name, pool.handshake_timeout)

    def _introduce(self, client: Client, stream: Stream, endpoint: Address) -> None:
        header = _header(self._pool.send_proxy_protocol, client)
        # The buffer of a socket that was just connected takes more than any header has.
        if stream.send_at_once(header) < len(header):
            stream.close()
            raise ConnectError(f"{endpoint}: it does not take the PROXY protocol header")

    def _context_for(self, alpn: str) -> SSLContext:
        """A context that offers the protocol on which TLS with the client agreed: the client's bytes are of that one.

        There are no more of them than the listener's ``tls_alpn`` has.
        """
        context = self._contexts.get(alpn)
        if context is None:
            context = self._contexts[alpn] = client_context(self._pool.tls)
            if alpn:
                context.set_alpn_protocols([alpn])
        return context


def _header(version: SendProxyProtocol, client: Client) -> bytes:
    if version is SendProxyProtocol.V1:
        return proxy_header_v1(client.source, client.destination)
    if not client.unique_id:
        client.unique_id = os.urandom(_UNIQUE_ID_BYTES).hex().encode()
    tlvs: list[Tlv] = [(TLV_UNIQUE_ID, client.unique_id)]
    if client.server_name:
        tlvs.append((TLV_AUTHORITY, client.server_name.encode()))
    if client.alpn:
        tlvs.append((TLV_ALPN, client.alpn.encode()))
    return proxy_header_v2(client.source, client.destination, tlvs)


def _limits(listener: ListenerConfig, pool: PoolConfig) -> Limits:
    lifetimes = [one for one in (listener.max_lifetime, pool.max_lifetime) if one]
    return Limits(
        idle=listener.client_timeout,
        half_closed=pool.half_close_timeout,
        client_idle=listener.client_idle_timeout or NEVER,
        server_idle=pool.server_idle_timeout or NEVER,
        lifetime=min(lifetimes, default=NEVER),
    )
