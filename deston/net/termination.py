"""TLS with clients: the certificates of a listener.

What lives here: a context for each certificate, the choice among them by name, and taking up changed files.
What must not: what a secured stream does (``tls_stream.py``), reading the name (``client_hello.py``).
Invariant: there is always a complete set of contexts; one that was given to a handshake stays as it was.
"""

from __future__ import annotations

import logging
import os
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from deston.config.model import ListenerTlsConfig, TlsVersion
from deston.errors import StartError
from deston.net.tls import load, load_pair, show_truncation

log = logging.getLogger("deston.tls")

_VERSIONS = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}

# What tells that a file was changed: the time, the size and the file itself.
Stamp = tuple[int, int, int] | None


class Termination:
    """What a listener shows its clients. Raises ``StartError`` for a file that cannot be used."""

    def __init__(self, config: ListenerTlsConfig) -> None:
        self.config = config
        self._stamps = self._look()
        self._by_name = self._load()

    def context_for(self, server_name: str) -> ssl.SSLContext:
        """The context of the certificate for a name in lower case: its own, that of a wildcard, or the first."""
        by_name = self._by_name
        context = by_name.get(server_name) or by_name.get(f"*.{server_name.partition('.')[2]}")
        return context or by_name[""]

    def refresh(self) -> None:
        """Take up files that have changed; those that cannot be used change nothing. For every second or so."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._by_name = self._load()
        except StartError as error:
            log.error("the changed certificates cannot be used, the old ones stay: %s", error)
        else:
            log.info("certificates were taken up anew: %s", ", ".join(self.config.certificates))

    def _look(self) -> list[Stamp]:
        config = self.config
        files = [*config.certificates, *config.keys, *([config.client_ca] if config.client_ca else [])]
        return [_stamp(file) for file in files]

    def _load(self) -> dict[str, ssl.SSLContext]:
        """The contexts by the names of their certificates; the first stands also for the empty name."""
        found: dict[str, ssl.SSLContext] = {}
        keys = self.config.keys or ("",) * len(self.config.certificates)
        for certificate, key in zip(self.config.certificates, keys, strict=True):
            context = _server_context(self.config, certificate, key)
            for name in ("", *_names(certificate)):
                found.setdefault(name, context)
        return found

    def __repr__(self) -> str:
        return f"<Termination {', '.join(filter(None, self._by_name))}>"


def _server_context(config: ListenerTlsConfig, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    show_truncation(context)
    load_pair(context, certificate, key)
    if config.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        load(lambda: context.load_verify_locations(config.client_ca), config.client_ca)
    if config.alpn:
        context.set_alpn_protocols(list(config.alpn))
    return context


def _names(file: str) -> list[str]:
    """The names that the first certificate of a file is for: its alternative names or, without any, its common one."""
    try:
        with open(file, "rb") as source:
            certificate = x509.load_pem_x509_certificates(source.read())[0]
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (OSError, ValueError) as error:
        raise StartError(f"{file}: the names in the certificate cannot be read: {error}") from error
    return [name.lower() for name in names]


def _stamp(file: str) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
