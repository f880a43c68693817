"""The PROXY protocol with the proxies that speak it: nginx, HAProxy and curl, before Deston and behind it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.commands import L4, start
from tests.integration.configs import pool, tcp, write_config
from tests.integration.processes import Processes, run
from tests.integration.servers import find_program, wait_to_listen
from tests.integration.wire import connect, reserved_port

TRUSTING = {"accept_proxy_protocol": "yes", "trusted_proxies": "127.0.0.0/8"}

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {server} proxy_protocol;
        location / {{ return 200 "$proxy_protocol_addr"; }}
    }}
}}
stream {{
    server {{ listen {front}; proxy_pass {deston}; proxy_protocol on; }}
}}
"""

HAPROXY = """
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    mode tcp
listen front
    bind {front}
    server deston {deston} send-proxy-v2
frontend server
    mode http
    bind {server} accept-proxy
    http-request return status 200 content-type text/plain lf-string %[src]
"""


@pytest.fixture
def places() -> Iterator[tuple[Address, Address, Address]]:
    """Where a proxy in front, Deston and a server are to listen."""
    with reserved_port() as front, reserved_port() as deston, reserved_port() as server:
        yield front, deston, server


def start_peer(processes: Processes, folder: Path, peer: str, places: tuple[Address, Address, Address]) -> None:
    """A peer that is both the proxy in front, and the server behind, which answers with the client's address."""
    front, deston, server = places
    text = (NGINX if peer == "nginx" else HAPROXY).format(folder=folder, front=front, deston=deston, server=server)
    file = folder / f"{peer}.conf"
    file.write_text(text)
    program = find_program(peer)
    words = [program, "-p", str(folder), "-e", "stderr", "-c"] if peer == "nginx" else [program, "-db", "-f"]
    running = processes.start(peer, [*words, str(file)])
    for address in (front, server):
        wait_to_listen(running, address)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("peer", ["nginx", "haproxy"])
def test_through_a_chain(
    processes: Processes, tmp_path: Path, places: tuple[Address, Address, Address], peer: str, version: str
) -> None:
    """A peer tells Deston of the client, Deston tells a peer of it, and that one knows the client's address."""
    start_peer(processes, tmp_path, peer, places)
    front, deston, server = places
    pools = {"app": pool({"a": server}, send_proxy_protocol=version)}
    start(L4, processes, write_config(tmp_path, {"tcp": tcp(bind=deston, **TRUSTING)}, pools=pools))
    with connect(front, "127.0.0.66") as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n")
        assert wire.read_all().endswith(b"127.0.0.66")


def test_curl_in_front(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """`curl --haproxy-protocol` is served; without the header, it is refused, and the account says how many were."""
    command = start(
        L4, processes, write_config(tmp_path, {"tcp": tcp(**TRUSTING)}, pools={"app": pool({"a": abc["a"]})})
    )
    url = f"http://{command.address}/"
    done = run([find_program("curl"), "-sS", "--haproxy-protocol", url])
    assert (done.status, done.out.strip()) == (0, "a")
    assert run(["curl", "-sS", url]).status != 0
    command.running.send(signal.SIGTERM)
    assert command.running.wait() == 0
    assert "tcp: refused: bad PROXY header or ClientHello 1" in command.running.output


def test_a_stranger_is_refused(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """A peer outside `trusted_proxies` is refused, whatever it says; TERM's account counts it."""
    listener = tcp(accept_proxy_protocol="yes", trusted_proxies="192.0.2.0/24")
    command = start(L4, processes, write_config(tmp_path, {"tcp": listener}, pools={"app": pool({"a": abc["a"]})}))
    with connect(command.address) as wire:
        wire.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n")
        wire.was_reset()
    command.running.send(signal.SIGTERM)
    assert command.running.wait() == 0
    assert "tcp: refused: not a trusted proxy 1" in command.running.output
