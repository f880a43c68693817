"""Servers and listeners that are not plain IPv4: TLS, IPv6, and names."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.client import FAILURES, ask
from tests.integration.commands import BOTH, L4, L7, Command, start, start_both
from tests.integration.configs import Tree, http, pool, tcp, write_config
from tests.integration.named_server import blocks
from tests.integration.processes import BIN, Processes, run, wait_until
from tests.integration.servers import Certificate, Nginx, start_dnsmasq
from tests.integration.wire import reserved_port


@pytest.fixture(scope="module")
def page(nginx: Nginx) -> bytes:
    """What nginx serves as ``/page``."""
    content = b"".join(blocks(100_000))
    (nginx.content / "page").write_bytes(content)
    return content


def test_a_server_with_tls(
    processes: Processes, tmp_path: Path, nginx: Nginx, certificate: Certificate, page: bytes
) -> None:
    """A certificate is verified: with its authority it is 200, with the system's or another name it is not.

    A health check over TLS says why a server is down.
    """
    servers = {"nginx": f"https://{nginx.https}"}
    trusting: Tree = {"tls_ca": certificate.authority}
    checked: Tree = {"type": "http", "path": "/page", "interval": "50ms"}
    pools: Tree = {
        "trusted": pool(servers, **trusting),
        "checked": pool(servers, checked, **trusting),
        "unknown": pool(servers),
        "misnamed": pool(servers, tls_server_name="other.test", **trusting),
        "found_down": pool(servers, checked),
        "unverified": pool(servers, tls_verify="no"),
    }
    routes = {name: {"host": f"{name}.test", "pool": name} for name in pools}
    file = write_config(tmp_path, {"web": http("")}, pools=pools, routes=routes)
    command = start(L7, processes, file)
    answers = {name: ask(command.address, "/page", fields={"Host": f"{name}.test"}) for name in pools}
    for name in ("trusted", "checked", "unverified"):
        assert (answers[name].status, answers[name].body) == (200, page)
    assert all(answers[name].status in (502, 503) for name in ("unknown", "misnamed", "found_down"))
    command.running.wait_for("found_down/nginx .* is down: certificate verify failed")
    assert ask(command.address, "/page", fields={"Host": "found_down.test"}).status == 503


def has_ipv6() -> bool:
    """Whether this machine has the address ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_on_both_sides(processes: Processes, tmp_path: Path, nginx: Nginx, page: bytes) -> None:
    """Listeners and servers may be IPv6: here L7 on [::1] asks L4 on [::1]."""
    with reserved_port("::1") as inner:
        listeners = {"inner": tcp("app", inner), "web": http("v6", "[::1]:0")}
        pools = {"app": pool({"nginx": nginx.http}), "v6": pool({"inner": inner}, {"type": "tcp", "interval": "50ms"})}
        file = write_config(tmp_path, listeners, pools=pools)
        l4, l7 = start_both(processes, file).values()
        assert str(l4.address) == str(inner)
        assert l7.address.is_ipv6
        for address in (l4.address, l7.address):
            answer = ask(address, "/page")
            assert (answer.status, answer.body) == (200, page)


@pytest.mark.parametrize("command", BOTH)
def test_a_server_with_a_name(processes: Processes, tmp_path: Path, abc: dict[str, Address], command: str) -> None:
    """A name is resolved by the monitor, before the first client can want it or soon after."""
    app = pool({"a": f"localhost:{abc['a'].port}"}, {"type": "tcp", "interval": "50ms"})
    front = start(command, processes, write_config(tmp_path, pools={"app": app}))
    # Until then the server is not there, and a client is refused.
    wait_until(lambda: answer_of(front) == b"a\n", "an answer from the server with a name")


def answer_of(front: Command) -> bytes:
    """The body of an answer, empty if there was none."""
    try:
        return ask(front.address).body
    except FAILURES:
        return b""


def test_a_name_that_does_not_resolve_shows(processes: Processes, tmp_path: Path, dead: Address) -> None:
    """In the status of a pool without checks, too: nothing else would tell why nobody is served."""
    pools = {"app": pool({"a": "nowhere.test:80"})}
    file = write_config(tmp_path, {"web": tcp()}, pools=pools, global_={"nameservers": str(dead)})
    start_dnsmasq(processes, dead, "--local=/test/")
    start(L4, processes, file)
    words = [f"{BIN}/deston", "status", "--config", str(file)]
    wait_until(lambda: "name does not resolve: there is no such name" in run(words).out, "the reason")
