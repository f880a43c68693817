"""The command ``deston admin``.

What lives here: its options, the socket, and serving the application until a signal ends it.
What must not: the application (``deston.admin.api``).
Invariant: TERM and INT end it with status 0; what cannot be served ends in a sentence before anything is bound.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
import gevent
from gevent import monkey, socket
from gevent.pywsgi import Input, WSGIHandler, WSGIServer

from deston import completion, logs
from deston.address import Address
from deston.admin.api.shapes import LARGEST_BODY
from deston.config.find import find_config
from deston.config.log_words import LOG_LEVELS
from deston.errors import StartError
from deston.net.listen import require_bindable

log = logging.getLogger("deston.admin")

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Connections at one time, and how long one may be silent, in seconds: an operator needs few, and nobody else gets many.
_MOST_CONNECTIONS = 512
_SILENCE = 30.0
_BACKLOG = 128
# How much is read of a body that was refused, in bytes.
_MOST_DISCARDED = 8 * LARGEST_BODY


@click.command()
@click.option(
    "--config", "file", metavar="FILE", shell_complete=completion.files,
    help="The configuration; see `deston check --help`.",
)  # fmt: skip
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="Instead of that in the file.")
def admin(file: str | None, log_level: str | None) -> None:
    """Serve the dashboard, the JSON API and the metrics on the address of [admin].

    TERM and INT end it.
    """
    # No connection of this process is secured, and ssl has been imported by now.
    monkey.patch_all(ssl=False)
    from deston.admin.api.application import application

    logs.configure("deston-admin", log_level)
    config = application.start(find_config(file)).config
    logs.follow(config.global_.log_format.value, config.global_.log_level.value)
    bind = config.admin.bind
    require_bindable([bind])
    with _listening(bind) as listener:
        server = _server(listener, application)
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, server.stop)
        log.info("the dashboard and the API are at %s", _place(bind, listener))
        server.serve_forever(stop_timeout=1.0)
    log.info("ends")


class _Rest(Input):
    """What is left of a body: some of it is read, so that the client sees the answer, and not a reset."""

    __slots__ = ("_body",)

    def __init__(self, body: Any) -> None:
        super().__init__(body.rfile, 0)
        self._body = body

    def _discard(self) -> None:
        """pywsgi's name for it, which reads however much comes."""
        left = _MOST_DISCARDED
        while left > 0 and (piece := self._body.read(min(left, 65536))):
            left -= len(piece)


class _Handler(WSGIHandler):
    """Serves one connection, which does not stay silent for ever."""

    def handle(self) -> None:
        self.socket.settimeout(_SILENCE)
        super().handle()

    def get_environ(self) -> dict[str, Any]:
        """As pywsgi's; of a body without a bound, no more than that is read which the application leaves."""
        environ: dict[str, Any] = super().get_environ()
        length = environ.get("CONTENT_LENGTH") or "0"
        if "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self.wsgi_input = _Rest(self.wsgi_input)
        return environ

    def finalize_headers(self) -> None:
        """As pywsgi's; whoever is not served any further is told."""
        super().finalize_headers()
        fields: Any = self.response_headers
        if self.close_connection and not any(name.lower() == b"connection" for name, _ in fields):
            fields.append((b"Connection", b"close"))

    def _handle_client_error(self, error: Exception) -> Any:
        """As pywsgi's, but that a client left or fell silent is no news."""
        if isinstance(error, (TimeoutError, ConnectionError)):
            return None
        return super()._handle_client_error(error)  # type: ignore[misc]

    def log_request(self) -> None:
        """Changes are logged by the application, and questions are too many."""


def _server(listener: socket.socket, application: WSGIApplication) -> WSGIServer:
    return WSGIServer(
        listener,
        application,
        spawn=_MOST_CONNECTIONS,
        handler_class=_Handler,
        log=None,
        error_log=log,
    )


@contextlib.contextmanager
def _listening(bind: Address) -> Iterator[socket.socket]:
    listener = _make_socket(bind)
    try:
        yield listener
    finally:
        listener.close()
        if bind.path:
            with contextlib.suppress(OSError):
                os.unlink(bind.path)


def _make_socket(bind: Address) -> socket.socket:
    family = socket.AF_UNIX if bind.path else socket.AF_INET6 if bind.is_ipv6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if bind.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(bind.path)  # Nobody listens on it: that was asked before.
            listener.bind(bind.path)
            os.chmod(bind.path, 0o600)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((bind.host, bind.port))
        listener.listen(_BACKLOG)
    except OSError as error:  # Somebody was quicker.
        listener.close()
        raise StartError(f"{bind}: {error.strerror or error}") from error
    return listener


def _place(bind: Address, listener: socket.socket) -> str:
    if bind.path:
        return str(bind)
    return f"http://{Address(bind.host, listener.getsockname()[1])}/"
