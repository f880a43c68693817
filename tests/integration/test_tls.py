"""TLS on TCP listeners, with real clients and servers: openssl, curl and nginx."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.commands import L4, Command, argv_of, start
from tests.integration.configs import Tree, pool, tcp, write_config
from tests.integration.processes import Processes, run, wait_until
from tests.integration.servers import Certificate, Nginx, find_program
from tests.integration.wire import connect
from tests.tls_peers import TlsServer, make_certificate

NAMES = ("one.test", "two.test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for each of two names."""
    folder = tmp_path_factory.mktemp("tls")
    for name in NAMES:
        make_certificate(folder, name)
    return folder


@pytest.fixture(scope="module")
def command(module_processes: Processes, folder: Path, nginx: Nginx, abc: dict[str, Address]) -> Command:
    """Listeners of every kind, on one file."""
    certificates: Tree = {
        "tls": "terminate",
        "tls_certificate": ", ".join(f"{name}.pem" for name in NAMES),
        "tls_key": ", ".join(f"{name}.key" for name in NAMES),
    }
    listeners = {
        "secure": tcp("plain", **certificates),
        "modern": tcp("plain", **certificates, tls_min_version="1.3", tls_alpn="http/1.1"),
        "known": tcp("plain", **certificates, tls_client_ca="one.test.pem"),
        "through": tcp("nginx", tls="passthrough", handshake_timeout="300ms"),
        "again": tcp("again", **certificates),
    }
    pools = {
        "plain": pool({"a": abc["a"]}),
        "two": pool({"b": abc["b"]}),
        "nginx": pool({"nginx": nginx.https}),
        "again": pool({"nginx": f"tls://{nginx.https}"}, tls_verify="no"),
    }
    routes = {"two": {"listener": "secure", "sni": "two.test", "pool": "two"}}
    return start(L4, module_processes, write_config(folder, listeners, pools=pools, routes=routes))


def curl(command: Command, listener: str, name: str, *options: str) -> tuple[int, str]:
    """What curl gets from a listener under a name: its status, and the body or what is wrong."""
    port = command.address_of(listener).port
    place = ["--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/"]
    done = run([find_program("curl"), "-sS", *options, *place])
    return done.status, (done.out or done.err).strip()


@pytest.mark.parametrize(("name", "server"), [("one.test", "a"), ("two.test", "b")])
def test_several_certificates(command: Command, folder: Path, name: str, server: str) -> None:
    """Each name has its certificate, which curl verifies, and may have its route."""
    assert curl(command, "secure", name, "--cacert", f"{folder}/{name}.pem") == (0, server)


def test_openssl_s_client(command: Command, folder: Path) -> None:
    """The oldest version and the protocols are as the file says."""
    place = ["-connect", str(command.address_of("modern")), "-servername", "one.test"]
    words = [find_program("openssl"), "s_client", *place, "-CAfile", f"{folder}/one.test.pem", "-alpn", "h2,http/1.1"]
    done = run(words)
    assert "Verify return code: 0 (ok)" in done.out
    assert "ALPN protocol: http/1.1" in done.out
    assert "TLSv1.3" in done.out
    assert run([*words, "-tls1_2"]).status != 0


def test_clients_with_certificates(command: Command, folder: Path) -> None:
    """A client without one is refused; one with a certificate of the authority is served."""
    trusted = ["--cacert", f"{folder}/one.test.pem"]
    assert curl(command, "known", "one.test", *trusted)[0] != 0
    shown = ["--cert", f"{folder}/one.test.pem", "--key", f"{folder}/one.test.key"]
    assert curl(command, "known", "one.test", *trusted, *shown) == (0, "a")


def test_passthrough(command: Command, certificate: Certificate, nginx: Nginx) -> None:
    """The certificate that the client verifies is the server's own."""
    (nginx.content / "index.html").write_text("from nginx")
    assert curl(command, "through", "localhost", "--cacert", str(certificate.authority)) == (0, "from nginx")


def test_tls_on_both_sides(command: Command, folder: Path, nginx: Nginx) -> None:
    """What was decrypted for the listener is encrypted for the server; a large body arrives whole."""
    (nginx.content / "bulk").write_bytes(os.urandom(1 << 22))
    port = command.address_of("again").port
    target = folder / "bulk"
    words = ["curl", "-sS", "--cacert", f"{folder}/one.test.pem", "--resolve", f"one.test:{port}:127.0.0.1"]
    assert run([*words, "-o", str(target), f"https://one.test:{port}/bulk"]).status == 0
    assert target.read_bytes() == (nginx.content / "bulk").read_bytes()


@pytest.mark.parametrize("hello", [b"", b"\x16", b"\x16\x03\x01\x40\x00" + bytes(100), b"GET / HTTP/1.1\r\n\r\n"])
def test_a_client_hello_that_is_none(command: Command, hello: bytes) -> None:
    """Broken, oversized, or never completed: the client is closed within its time, and others are served."""
    with connect(command.address_of("through")) as wire:
        if hello:
            wire.send(hello)
        wire.was_reset()
    assert curl(command, "through", "localhost", "-k")[0] == 0


def test_verification_is_the_default(processes: Processes, tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for gets no connection; with its authority named, it does."""
    with TlsServer(make_certificate(tmp_path, "localhost")) as server:
        for is_trusted in (False, True):
            options: Tree = {"tls_ca": "localhost.pem"} if is_trusted else {}
            pools = {"app": pool({"a": f"tls://{server.address}"}, **options)}
            command = start(L4, processes, write_config(tmp_path, {"tcp": tcp()}, pools=pools))
            with connect(command.address) as wire:
                if is_trusted:
                    wire.send(b"hello")
                    assert wire.read_until(b"hello") == b"hello"
                else:
                    wire.was_reset()
                    command.running.wait_for("the certificate cannot be trusted: self-signed certificate")


@pytest.fixture
def renewed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a certificate that may be renewed, and the next one in ``next``."""
    make_certificate(tmp_path, "one.test")
    (tmp_path / "next").mkdir()
    make_certificate(tmp_path / "next", "one.test")
    return tmp_path  # type: ignore[return-value]


def test_a_renewed_certificate_is_taken_up(processes: Processes, renewed: Path, abc: dict[str, Address]) -> None:
    """New connections get it without a reload, and a connection that is open goes on."""
    listener = tcp(tls="terminate", tls_certificate="one.test.pem", tls_key="one.test.key")
    command = start(L4, processes, write_config(renewed, {"tcp": listener}, pools={"app": pool({"a": abc["a"]})}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(renewed / "one.test.pem")
    raw = socket.create_connection((command.address.host, command.address.port))
    with context.wrap_socket(raw, server_hostname="one.test") as lasting:
        trusted = ["--cacert", f"{renewed}/next/one.test.pem"]
        assert curl(command, "tcp", "one.test", *trusted)[0] != 0
        for name in ("one.test.pem", "one.test.key"):
            shutil.copy(renewed / "next" / name, renewed / f"{name}.new")
            os.replace(renewed / f"{name}.new", renewed / name)
        wait_until(lambda: curl(command, "tcp", "one.test", *trusted) == (0, "a"), "the new certificate")
        lasting.sendall(b"GET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n")
        assert lasting.recv(12) == b"HTTP/1.1 200"


def test_a_certificate_that_cannot_be_used(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """The command does not start, and says in a sentence which file is wrong."""
    listener = tcp(tls="terminate", tls_certificate="missing.pem")
    file = write_config(tmp_path, {"tcp": listener}, pools={"app": pool({"a": abc["a"]})})
    words, environment = argv_of(L4, file)
    done = run(words, environment)
    assert done.status == 1
    assert done.err == f"{tmp_path}/missing.pem: the certificate cannot be read: No such file or directory\n"
