"""Peers that speak TLS, and the certificates that they show.

What lives here: what ``peers.py`` has for plain connections, secured; openssl makes the certificates.
What must not: assertions.
Invariant: see ``peers.py``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deston.address import Address
from tests.peers import LOOPBACK, READ_SIZE, Peer

NAME = "server.test"


@dataclass(frozen=True)
class Certificate:
    """A certificate that signed itself, and its key, each a file in the form PEM."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, name: str = NAME, address: str = "127.0.0.1") -> Certificate:
    """A throw-away certificate for a name and an address, made by openssl in ``folder``."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:{address}"]
    # Python 3.13 is strict: a certificate that serves as its own authority has to say that it may sign.
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    command += ["-out", str(made.certificate), "-keyout", str(made.key)]
    subprocess.run(command, check=True, capture_output=True)
    return made


class TlsServer(Peer):
    """Speaks TLS and then does what it was told: a function of the secured connection, an echo by default.

    It asks for a client's certificate if ``client_ca`` is given. ``server_names`` are those that clients named, and
    ``failures`` what was wrong with handshakes.
    """

    def __init__(
        self,
        certificate: Certificate,
        behaviour: Callable[[ssl.SSLSocket], None] | None = None,
        client_ca: Path | None = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        at: Address = LOOPBACK,
    ) -> None:
        super().__init__(at)
        self.server_names: list[str | None] = []
        self.failures: list[str] = []
        self.notices = 0
        self._behaviour = behaviour or self._echo
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = newest
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._context.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
        if client_ca:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)

    def offer(self, *protocols: str) -> None:
        """Choose among these what a client has, the first first; without it, what clients offer is not answered."""
        self._context.set_alpn_protocols(list(protocols))

    def serve(self, connection: socket.socket) -> None:
        try:
            secured = self._context.wrap_socket(
                connection, server_side=True, suppress_ragged_eofs=False, do_handshake_on_connect=False
            )
        except OSError as error:
            self.failures.append(str(error))
            return
        with secured, self._kept(connection, secured):
            try:
                secured.do_handshake()
            except (ssl.SSLError, OSError) as error:
                self.failures.append(str(error))
                return
            self._behaviour(secured)

    @contextlib.contextmanager
    def _kept(self, plain: socket.socket, secured: ssl.SSLSocket) -> Iterator[None]:
        """Let ``stop`` find the secured socket, which has taken the descriptor over."""
        with self._lock:
            self._open.discard(plain)
            self._open.add(secured)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(secured)

    def _echo(self, secured: ssl.SSLSocket) -> None:
        while data := secured.recv(READ_SIZE):
            secured.sendall(data)
        self.notices += 1  # An end without a notice would have been an error.
