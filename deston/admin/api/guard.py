"""Who may do what with the API.

What lives here: tokens and their roles, and what is refused because a browser was led here by another site.
What must not: Flask; what it judges is an environ as PEP 3333 has it.
Invariant: without a token only this machine is served, under a name of its own; no answer depends on how much of a
token was right, nor does the time that it takes.
"""

from __future__ import annotations

import enum
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any

from deston.address import AddressError, is_literal, parse_address
from deston.config.model import AdminConfig
from deston.errors import AdminRefusal

Environ = Mapping[str, Any]

# What a browser says of a request that the page itself made, or that a person typed.
_OWN_SITE = ("same-origin", "none")
_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED")


class Role(enum.Enum):
    """What a route asks for."""

    NOBODY = "nobody"  # Whoever comes.
    READ = "read"
    WRITE = "write"


class Guard:
    """Judges requests by the ``[admin]`` section that the process began with."""

    def __init__(self, admin: AdminConfig) -> None:
        self._bind = admin.bind
        self._write = admin.token.encode()
        self._read = admin.read_token.encode()

    @property
    def asks_for_token(self) -> bool:
        """Whether a token is set."""
        return bool(self._write)

    def judge(self, environ: Environ, role: Role, changes: bool) -> None:
        """Let a request pass; ``changes`` is whether its method is no mere question.

        Raises ``AdminRefusal``: 401 without a token that is known, 403 for one that may not do it, for another site's
        page, and for whoever is not of this machine where no token is set.
        """
        if role is not Role.NOBODY and not self.asks_for_token:
            self._require_this_machine(environ)
        if changes:
            _require_own_site(environ)
        if role is not Role.NOBODY and self.asks_for_token:
            self._require_token(environ, role)

    def require_own_name(self, environ: Environ) -> None:
        """Without a token, refuse a name that is not this machine's: a page elsewhere may have had it resolved to here.

        Raises ``AdminRefusal``.
        """
        if not self.asks_for_token and not self._is_own_name(str(environ.get("HTTP_HOST", ""))):
            raise AdminRefusal(403, "the Host field names another machine; [admin] token lets clients use any name")

    def _is_own_name(self, authority: str) -> bool:
        try:
            host = parse_address(authority, default_port=80).host
        except AddressError:
            return False
        if host in ("localhost", self._bind.host):
            return True
        return is_literal(host) and ipaddress.ip_address(host).is_loopback

    def _require_this_machine(self, environ: Environ) -> None:
        peer = str(environ.get("REMOTE_ADDR") or "")
        # A unix socket has no address.
        near = not is_literal(peer) or ipaddress.ip_address(peer).is_loopback
        if not near or any(name in environ for name in _PROXIED):
            raise AdminRefusal(403, "without [admin] token, only clients of this machine are served, and no proxies")

    def _require_token(self, environ: Environ, role: Role) -> None:
        scheme, _, shown = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        given = shown.strip().encode("latin-1", "replace")
        may_write = hmac.compare_digest(given, self._write)
        may_read = hmac.compare_digest(given, self._read) and bool(self._read)
        if scheme.lower() != "bearer" or not (may_write or may_read):
            raise AdminRefusal(401, "a token is needed: Authorization: Bearer TOKEN")
        if role is Role.WRITE and not may_write:
            raise AdminRefusal(403, "this token may only read")


def _require_own_site(environ: Environ) -> None:
    """Refuse what a page of another site has a browser send."""
    origin = environ.get("HTTP_ORIGIN")
    own = origin is None or str(origin).partition("://")[2] == environ.get("HTTP_HOST", "")
    if not own or environ.get("HTTP_SEC_FETCH_SITE", "none") not in _OWN_SITE:
        raise AdminRefusal(403, "a page of another site sent this")
