"""Affinity: a client stays with its server by a signed cookie.

What lives here: the secret, the value of the cookie, and whose it is.
What must not: choosing a server, and whether it can still serve (``balancer``).
Invariant: a value tells nobody which server it stands for, and only who has the secret can make one.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import Final

from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.config.http_rules import SameSite
from deston.config.model import GlobalConfig, PoolConfig
from deston.errors import StartError
from deston.l7.fields import Field, Named
from deston.l7.query import cookie, without_cookie

SHORTEST_SECRET: Final = 16
# As much of a SHA-256 as nobody guesses.
_TOKEN_BYTES: Final = 18
_LARGEST_SECRET: Final = 4096


def read_secret(config: GlobalConfig) -> bytes:
    """The secret that signs cookies, from its file; made in ``run_dir`` where none is named. Raises ``StartError``."""
    file = config.secret_file or os.path.join(config.run_dir, "secret")
    try:
        if not config.secret_file:
            _make_secret(file)
        with open(file, "rb") as stream:
            secret = stream.read(_LARGEST_SECRET).strip()
    except OSError as error:
        hint = "" if config.secret_file else " (it signs the cookies of affinity_cookie; secret_file names another)"
        raise StartError(f"{file}: the secret cannot be read or made: {error.strerror}{hint}") from error
    if len(secret) < SHORTEST_SECRET:
        raise StartError(f"{file}: a secret has at least {SHORTEST_SECRET} bytes")
    return secret


def _make_secret(file: str) -> None:
    """Make a secret where there is none, whole at once: another process may do the same."""
    if os.path.exists(file):
        return
    os.makedirs(os.path.dirname(file), exist_ok=True)
    own = f"{file}.{os.getpid()}"
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secrets.token_urlsafe(32).encode() + b"\n")
    finally:
        os.close(descriptor)
    try:
        os.link(own, file)
    except FileExistsError:
        pass  # Another process was quicker.
    finally:
        os.unlink(own)


class Affinity:
    """The cookies of one pool."""

    __slots__ = ("_config", "_name", "_secret", "_servers", "_tokens")

    def __init__(self, config: PoolConfig, secret: bytes) -> None:
        self._config = config
        self._name = config.affinity_cookie.encode()
        self._secret = secret
        self._servers: Sequence[Server] = ()
        self._tokens: dict[bytes, Server] = {}

    def server(self, pool: Pool, named: Named) -> Server | None:
        """The server of the pool whose client it is that sent these fields, whatever its state."""
        lines = named.get(b"cookie")
        if lines is None:
            return None
        token = cookie(lines, self._name)
        return self._known(pool).get(token) if token else None

    def _known(self, pool: Pool) -> dict[bytes, Server]:
        if self._servers is not pool.servers:
            tokens = {self._token(server): server for server in pool.servers}
            self._servers, self._tokens = pool.servers, tokens
        return self._tokens

    def _token(self, server: Server) -> bytes:
        told = f"{self._config.name}\0{server.name}".encode()
        digest = hmac.digest(self._secret, told, "sha256")
        return base64.urlsafe_b64encode(digest[:_TOKEN_BYTES])

    def without(self, fields: list[Field]) -> list[Field]:
        """The fields of a request as a server gets them: without the cookie, which is none of its business."""
        kept = []
        for name, value in fields:
            if name.lower() == b"cookie" and self._name in value:
                value = without_cookie(value, self._name)
                if not value:
                    continue
            kept.append((name, value))
        return kept

    def set_cookie(self, server: Server, is_secured: bool) -> Field:
        """The field that makes a client one of this server's; ``is_secured`` is whether it speaks https."""
        config = self._config
        value = b"%b=%b; Path=/; HttpOnly; SameSite=%b" % (
            self._name,
            self._token(server),
            config.affinity_same_site.value.capitalize().encode(),
        )
        # Browsers refuse SameSite=None without Secure.
        if is_secured or config.affinity_same_site is SameSite.NONE:
            value += b"; Secure"
        if config.affinity_lifetime:
            value += b"; Max-Age=%d" % max(1, round(config.affinity_lifetime))
        return b"Set-Cookie", value
