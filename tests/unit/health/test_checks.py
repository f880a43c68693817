"""Checks against servers that answer well, badly, late or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import gevent
import pytest

from deston import __version__
from deston.address import Address
from deston.balancer.server import Server
from deston.config.model import CheckType, TlsConfig
from deston.errors import OutOfDescriptors
from deston.health.checks import BODY_LIMIT, HttpCheck, make_check
from deston.health.probes import CheckResult, TcpCheck, UdpCheck
from deston.health.wire import Wire
from tests.unit.health import builders, peers
from tests.unit.health.conftest import NAME, Certificate

OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def server(peer: peers.Peer, tls: bool = False) -> Server:
    return builders.server("a", peer.address, tls=tls)


def ask(peer: peers.Peer, **settings: Any) -> CheckResult:
    """Make one HTTP check of a peer, with these settings."""
    return HttpCheck(builders.health(type=CheckType.HTTP, **settings), builders.TLS)(server(peer))


def ask_tls(peer: peers.Peer, settings: TlsConfig) -> CheckResult:
    """Make one HTTPS check of a peer, with these settings of TLS."""
    return HttpCheck(builders.health(type=CheckType.HTTP), settings)(server(peer, tls=True))


def has_ended(check_threads: int) -> bool:
    """Whether no more native threads are busy with checks than before."""
    return len(gevent.get_hub().threadpool) <= check_threads


@pytest.mark.parametrize(
    ("kind", "made"), [("tcp", TcpCheck), ("udp", UdpCheck), ("http", HttpCheck), ("none", type(None))]
)
def test_each_type_has_its_check(kind: str, made: type) -> None:
    """The type of the settings chooses the check, and ``none`` has none."""
    assert isinstance(make_check(builders.health(type=CheckType(kind)), builders.TLS), made)


def test_a_name_that_is_not_resolved_is_down() -> None:
    """A server without an endpoint cannot be asked."""
    named = builders.server("a", Address("name.invalid", 80))
    for kind in ("tcp", "http", "udp"):
        check = make_check(builders.health(type=CheckType(kind), send=b"?"), builders.TLS)
        assert check is not None
        result = check(named)
        assert (result.ok, result.reason) == (False, "name is not resolved")


# HTTP: what is asked


def test_http_request() -> None:
    """Method, path, Host and a User-Agent that names Deston are sent, and nothing is to be kept alive."""
    with peers.AnswersWith(204) as peer:
        result = ask(peer, method="HEAD", path="/healthz?deep=1", host="app.example")
    assert (result.ok, result.reason) == (True, "status 204")
    line, *fields = peer.requests[0].rstrip().split("\r\n")
    assert line == "HEAD /healthz?deep=1 HTTP/1.1"
    assert sorted(fields) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Connection: close",
        "Host: app.example",
        f"User-Agent: Deston/{__version__} (health check)",
    ]


def test_http_host_is_the_servers_address() -> None:
    """Without a host of its own a check names the address of the server."""
    with peers.AnswersWith() as peer:
        ask(peer)
    assert f"\r\nHost: {peer.address}\r\n" in peer.requests[0]


def test_http_connects_to_the_endpoint_of_a_name() -> None:
    """A named server is reached at its endpoint and asked by its name."""
    with peers.AnswersWith() as peer:
        named = builders.server("a", Address("app.example", 8000))
        named.endpoint = peer.address
        assert HttpCheck(builders.health(), builders.TLS)(named).ok
    assert "\r\nHost: app.example:8000\r\n" in peer.requests[0]


def test_http_over_a_unix_socket(tmp_path: Path) -> None:
    """A server at a unix socket can be asked by HTTP."""
    with peers.AnswersWith(path=tmp_path / "server.sock") as peer:
        assert ask(peer).reason == "status 200"
    assert "\r\nHost: localhost\r\n" in peer.requests[0]


def test_http_over_ipv6() -> None:
    """An IPv6 server can be asked, and is named in brackets."""
    with peers.AnswersWith(host="::1") as peer:
        assert ask(peer).ok
    assert f"\r\nHost: [::1]:{peer.address.port}\r\n" in peer.requests[0]


def test_http_is_a_fresh_connection_without_memory() -> None:
    """Each check connects anew and sends no cookie that it was given."""
    with peers.AnswersWith(fields="Set-Cookie: seen=1; Path=/\r\n") as peer:
        check = HttpCheck(builders.health(), builders.TLS)
        assert all(check(server(peer)).ok for _ in range(2))
    assert peer.connections == 2
    assert not any("cookie" in head.lower() for head in peer.requests)


def test_http_ignores_the_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check reaches its server directly, whatever the environment says."""
    with peers.RefusesConnections() as proxy, peers.AnswersWith() as peer:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://{proxy.address}")
        monkeypatch.setenv("no_proxy", "")
        assert ask(peer).ok


# HTTP: what is answered


@pytest.mark.parametrize(
    ("status", "expected", "ok", "reason"),
    [
        (200, ((200, 399),), True, "status 200"),
        (302, ((200, 399),), True, "status 302"),
        (404, ((200, 399),), False, "status 404, expected 200-399"),
        (503, ((200, 399),), False, "status 503, expected 200-399"),
        (418, ((200, 299), (418, 418)), True, "status 418"),
        (300, ((200, 299), (418, 418)), False, "status 300, expected 200-299, 418"),
    ],
)
def test_http_status(status: int, expected: tuple[tuple[int, int], ...], ok: bool, reason: str) -> None:
    """A status within one of the ranges is up."""
    with peers.AnswersWith(status) as peer:
        result = ask(peer, expect_status=expected)
    assert (result.ok, result.reason) == (ok, reason)


def test_http_follows_no_redirect() -> None:
    """A redirect is an answer, not a way to another server."""
    with (
        peers.AnswersWith(500) as other,
        peers.AnswersWith(302, fields=f"Location: http://{other.address}/\r\n") as peer,
    ):
        assert ask(peer).reason == "status 302"
    assert other.connections == 0


@pytest.mark.parametrize(
    ("body", "ok", "reason"),
    [
        (b'{"status": "ok"}', True, "status 200"),
        (b'{"status": "bad"}', False, "body does not match"),
        (b"", False, "body does not match"),
        (b"\xff\xfe ok: gr\xc3\xbcn", True, "status 200"),
        (b"a" * (BODY_LIMIT - 2) + b"ok", True, "status 200"),
        (b"a" * BODY_LIMIT + b"ok", False, "body does not match"),
    ],
)
def test_http_body(body: bytes, ok: bool, reason: str) -> None:
    """The pattern is to be found anywhere in the first 64 KiB of the body, whatever bytes are around it."""
    with peers.AnswersWith(body=body) as peer:
        result = ask(peer, expect_body=r'"ok"|ok$|ok: grün')
    assert (result.ok, result.reason) == (ok, reason)


def test_http_chunked_body() -> None:
    """A body in chunks is put together before it is looked at."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n5\r\n well\r\n0\r\n\r\n"
    with peers.AnswersRaw(answer) as peer:
        assert ask(peer, expect_body="^all well$").ok


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answer is not HTTP"),
        (b"HTTP/1.1 20x OK\r\n\r\n", "answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n", "answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort", "answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "body does not match"),
    ],
)
def test_http_nonsense(answer: bytes, reason: str) -> None:
    """What is not HTTP, or ends too early, is down, in plain words."""
    with peers.AnswersRaw(answer) as peer:
        result = ask(peer, expect_body="never")
    assert not result.ok
    assert result.reason == reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (peers.RefusesConnections, "connection refused"),
        (peers.ResetsAfterAccept, "connection reset"),
        (peers.ClosesAfterAccept, "closed without an answer"),
        (peers.NeverAnswers, "timed out after 0.2s"),
        (peers.AcceptsNothing, "timed out after 0.2s"),
    ],
)
def test_http_trouble(kind: type[peers.Peer], reason: str) -> None:
    """Every way of not answering has its plain reason."""
    with kind() as peer:
        result = ask(peer, timeout=0.2)
    assert (result.ok, result.reason) == (False, reason)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX: ", OK_HEAD])
def test_http_trickle_is_cut_off(start: bytes) -> None:
    """A server that sends a byte now and then, in the head or in the body, gets no more than the timeout."""
    before = len(gevent.get_hub().threadpool)
    with peers.TricklesBytes(start) as peer:
        result = ask(peer, timeout=0.3, expect_body="never")
        assert (result.ok, result.reason) == (False, "timed out after 0.3s")
        builders.wait_for(peer.cut_off.is_set, "the end of the connection")
        builders.wait_for(lambda: has_ended(before), "the end of the thread")


def test_http_body_is_not_waited_for_without_a_pattern() -> None:
    """Where only the status counts, a body that never ends does no harm."""
    with peers.TricklesBytes(OK_HEAD) as peer:
        assert ask(peer, timeout=5.0).reason == "status 200"


def test_http_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this process has no descriptor left, an HTTP check has no result either."""

    def no_descriptor(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Wire, "open", no_descriptor)
    with pytest.raises(OutOfDescriptors, match="too many open files"):
        HttpCheck(builders.health(), builders.TLS)(builders.server())


def test_a_server_that_hangs_does_not_hold_up_another() -> None:
    """Without gevent's patches checks run in threads: one that hangs leaves the hub to the others."""
    with peers.NeverAnswers() as silent, peers.AnswersWith() as peer:
        hanging = gevent.spawn(ask, silent, timeout=builders.DEADLINE_S)
        try:
            builders.wait_for(lambda: silent.connections == 1, "the first check")
            assert ask(peer).ok
            assert not hanging.ready()
        finally:
            hanging.kill()


def test_a_check_that_is_killed_lets_go_of_its_server() -> None:
    """Whoever stops waiting for a check ends its connection and its thread."""
    before = len(gevent.get_hub().threadpool)
    with peers.NeverAnswers() as peer:
        hanging = gevent.spawn(ask, peer, timeout=builders.DEADLINE_S)
        builders.wait_for(lambda: peer.connections == 1, "the check")
        hanging.kill()
        builders.wait_for(lambda: has_ended(before), "the end of the thread")


# TLS


def trusting(certificate: Certificate, **changes: Any) -> TlsConfig:
    return builders.tls(ca=str(certificate.certificate), server_name=NAME, **changes)


def test_tls_with_its_authority_and_name(certificate: Certificate) -> None:
    """A certificate of the given authority for the given name is good, and the name is asked for."""
    with peers.AnswersTls(certificate.certificate, certificate.key) as peer:
        assert ask_tls(peer, trusting(certificate)).reason == "status 200"
    assert peer.server_names == [NAME]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ca": ""}, "certificate verify failed: self"),
        ({"server_name": "other.test"}, "certificate verify failed: Hostname mismatch"),
        ({"server_name": ""}, "certificate verify failed: IP address mismatch"),
    ],
)
def test_tls_that_cannot_be_verified(certificate: Certificate, changes: dict[str, str], reason: str) -> None:
    """An unknown authority or another name is down, and the reason says which."""
    settings = {"ca": str(certificate.certificate), "server_name": NAME, **changes}
    with peers.AnswersTls(certificate.certificate, certificate.key) as peer:
        result = ask_tls(peer, builders.tls(**settings))
    assert not result.ok
    assert result.reason.startswith(reason)


def test_tls_without_verification(certificate: Certificate) -> None:
    """Where the operator turned verification off, any certificate will do."""
    with peers.AnswersTls(certificate.certificate, certificate.key) as peer:
        assert ask_tls(peer, builders.tls(verify=False)).ok


def test_tls_with_a_client_certificate(certificate: Certificate) -> None:
    """A server that wants a certificate gets the pool's, and refuses without."""
    own = {"client_certificate": str(certificate.certificate), "client_key": str(certificate.key)}
    with peers.AnswersTls(certificate.certificate, certificate.key, client_ca=certificate.certificate) as peer:
        assert ask_tls(peer, trusting(certificate, **own)).ok
        assert not ask_tls(peer, trusting(certificate)).ok


def test_tls_to_a_server_that_speaks_none(certificate: Certificate) -> None:
    """A plain HTTP server is no TLS server."""
    with peers.TricklesBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer:
        result = ask_tls(peer, trusting(certificate))
    assert not result.ok
    assert result.reason.startswith("TLS failed")


def test_tls_handshake_is_cut_off(certificate: Certificate) -> None:
    """A server that never shakes hands is late, too."""
    with peers.NeverAnswers() as peer:
        check = HttpCheck(builders.health(timeout=0.2), trusting(certificate))
        assert check(server(peer, tls=True)).reason == "timed out after 0.2s"


def test_tls_settings_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file of an authority is named as what it is."""
    with peers.RefusesConnections() as peer:
        result = ask_tls(peer, builders.tls(ca=str(tmp_path / "missing.pem")))
    assert result.reason == f"{tmp_path}/missing.pem: the certificate cannot be read: No such file or directory"
