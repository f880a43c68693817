"""Where requests come in that an adapter reads by itself.

What lives here: the way from a listener as it was when a connection came to what is configured now.
What must not: who replaces what stands behind it (``wsgi``), rules, pools.
Invariant: a connection may be older than the rules of its listener, and each of its requests gets those of today.
"""

from __future__ import annotations

from deston.config.model import ListenerConfig
from deston.l7.proxy import Proxy
from deston.l7.request import Request, Response


class Front:
    """Hands requests to the proxy. ``current`` are the listeners by name, once they were read again."""

    __slots__ = ("current", "proxy")

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.current: dict[str, ListenerConfig] = {}

    def forward(self, request: Request) -> Response:
        """The response to a request."""
        if self.current:
            request.listener = self.as_now(request.listener)
        return self.proxy.forward(request)

    def as_now(self, listener: ListenerConfig) -> ListenerConfig:
        """A listener as it was configured last."""
        return self.current.get(listener.name, listener)

    def __repr__(self) -> str:
        return f"<Front of {self.proxy!r}>"
