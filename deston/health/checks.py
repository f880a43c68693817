"""The checks: one question to one server, answered within its timeout.

What lives here: ``http`` checks, the choice of a check, and the translation of what can go wrong into plain reasons.
What must not: when to check, what follows from an answer, and names (``server.endpoint`` is resolved already).
Invariant: a check returns a ``CheckResult`` within its timeout whatever the server does; only ``OutOfDescriptors``
leaves it as an error, because that says nothing about the server.

requests and urllib3 are imported by this module alone, so that it can be imported after gevent's patches.
"""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
from collections.abc import Callable
from typing import Any

import gevent
import gevent.monkey
import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from deston import __version__
from deston.balancer.server import Server
from deston.config.model import CheckType, HealthConfig, TlsConfig
from deston.errors import OutOfDescriptors, StartError
from deston.health.probes import Check, CheckResult, TcpCheck, UdpCheck, Verdict, timed
from deston.health.wire import Wire
from deston.health.words import causes, explain, plain, ranges
from deston.net.dial import OUT_OF_DESCRIPTORS, Dialer, dial
from deston.net.tls import client_context

# Enough for what a health page says; a pattern is searched for no further.
BODY_LIMIT = 65536
USER_AGENT = f"Deston/{__version__} (health check)"


def make_check(health: HealthConfig, tls: TlsConfig, dialer: Dialer = dial) -> Check | None:
    """The check that a pool's settings ask for, for all of its servers; None for type ``none``."""
    if health.type is CheckType.TCP:
        return TcpCheck(health, dialer)
    if health.type is CheckType.UDP:
        return UdpCheck(health)
    if health.type is CheckType.HTTP:
        return HttpCheck(health, tls)
    return None


class HttpCheck:
    """A server is up if it answers one request with an expected status and, if asked for, an expected body.

    No redirect is followed, no cookie kept, no proxy of the environment used, and the connection is a fresh one.
    """

    def __init__(self, health: HealthConfig, tls: TlsConfig) -> None:
        self._health = health
        self._tls = tls
        self._pattern = re.compile(health.expect_body) if health.expect_body else None

    def __call__(self, server: Server) -> CheckResult:
        """Ask once. Raises ``OutOfDescriptors``."""
        return timed(lambda: self._bounded(server))

    def _bounded(self, server: Server) -> Verdict:
        """Ask in a greenlet or thread of its own, which is cut off when the time is over.

        A timeout of requests holds for each read, so that a server that trickles would never be late.
        """
        if server.endpoint is None:
            return Verdict(False, "name is not resolved")
        wire = Wire(server.endpoint, self._health.timeout)
        task = _spawn(_outcome, lambda: self._ask(server, wire))
        try:
            outcome = task.get(timeout=self._health.timeout)
        except gevent.Timeout:
            return Verdict(False, f"timed out after {self._health.timeout:g}s")
        finally:
            wire.cut()
        if isinstance(outcome, Exception):
            raise outcome
        verdict: Verdict = outcome
        return verdict

    def _ask(self, server: Server, wire: Wire) -> Verdict:
        try:
            if server.tls:
                wire.secure(self._context, self._server_name(server))
            response = _Adapter(wire).send(self._request(server), stream=True, timeout=self._health.timeout)
            with contextlib.closing(response):
                return self._judge(response)
        except StartError as error:  # Of the files that TLS needs; it names the one.
            return Verdict(False, str(error))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            _raise_if_ours(error)
            return Verdict(False, explain(error, self._health.timeout))

    def _request(self, server: Server) -> requests.PreparedRequest:
        host = self._health.host or server.named.authority
        headers = {
            "Host": host,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        # Where to connect, and whether by TLS, is the wire's matter: of this URL only the path is sent.
        return requests.Request(self._health.method, f"http://server{self._health.path}", headers=headers).prepare()

    def _judge(self, response: requests.Response) -> Verdict:
        status = response.status_code
        if not any(low <= status <= high for low, high in self._health.expect_status):
            return Verdict(False, f"status {status}, expected {ranges(self._health.expect_status)}")
        if self._pattern is not None:
            body = response.raw.read(BODY_LIMIT, decode_content=False)
            if not self._pattern.search(body.decode("utf-8", "replace")):
                return Verdict(False, "body does not match")
        return Verdict(True, f"status {status}")

    def _server_name(self, server: Server) -> str:
        return self._tls.server_name or server.named.host or "localhost"

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        return client_context(self._tls)


def _spawn(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function that blocks its socket calls: in a greenlet where gevent patched them, else in a thread."""
    if gevent.monkey.is_module_patched("socket"):
        return gevent.spawn(function, *arguments)
    return gevent.get_hub().threadpool.spawn(function, *arguments)


def _outcome(function: Callable[[], Verdict]) -> Verdict | Exception:
    """What a function returns or raises, as a value: gevent prints an error that leaves a greenlet or a thread."""
    try:
        return function()
    except Exception as error:
        return error


def _raise_if_ours(error: BaseException) -> None:
    """Raise ``OutOfDescriptors`` if that is what is behind an error."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in OUT_OF_DESCRIPTORS:
            raise OutOfDescriptors(plain(cause.strerror or str(cause))) from error


class _Connection(HTTPConnection):
    """A connection of urllib3 over a wire."""

    def __init__(self, *arguments: Any, wire: Wire, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._wire = wire

    def connect(self) -> None:
        self.sock = self._wire.open()


class _ConnectionPool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Sends one request over a wire; without a session there are no cookies, redirects or proxies."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return _ConnectionPool("server", wire=self._wire)
