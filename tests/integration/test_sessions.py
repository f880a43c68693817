"""`deston sessions` over the workers of both commands: what is open is told, and ended by its id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from deston.address import Address
from deston.config.load import load
from deston.sessions.sockets import connect as connect_to
from deston.sessions.sockets import places
from tests.datagram_peers import DatagramServer
from tests.integration.commands import L4, L7, Command, start
from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.processes import BIN, DEADLINE_S, Finished, Processes, run, wait_until
from tests.integration.servers import start_redis
from tests.integration.test_admin import start_admin
from tests.integration.test_udp import udp
from tests.integration.test_upgrade import ASK, SWITCH
from tests.integration.wire import ScriptedServer, Wire, connect, reserved_port

GET = b"GET /slow?x=1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n"


@dataclass(frozen=True)
class Site:
    """Both commands on one file, in front of a Redis, a datagram server, and a server that the test speaks for."""

    file: Path
    l4: Command
    l7: Command
    scripted: ScriptedServer

    def deston(self, *words: str) -> Finished:
        return run([f"{BIN}/deston", *words, "--config", str(self.file)])

    def sessions(self, *words: str) -> list[dict[str, Any]]:
        done = self.deston("sessions", "--json", *words)
        assert (done.status, done.err) == (0, "")
        told = json.loads(done.out)
        assert told["unanswered"] == []
        found: list[dict[str, Any]] = told["sessions"]
        return found

    def one(self, *words: str) -> dict[str, Any]:
        """The only session of these options."""
        (found,) = self.sessions(*words)
        return found

    def active(self) -> int:
        pools = json.loads(self.deston("status", "--json").out)["pools"].values()
        return sum(server["active"] for pool in pools for server in pool["servers"].values())

    def end(self, session: dict[str, Any]) -> None:
        """End one: it is said, and done; a second time there is none."""
        done = self.deston("sessions", "end", session["id"])
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(f"{session['id']} ({session['kind']} of ")
        wait_until(lambda: self.active() == 0, "the lease's end")
        again = self.deston("sessions", "end", session["id"])
        assert again == (1, "", f"there is no session {session['id']} any more: it has ended\n")

    def log(self, name: str) -> str:
        """The last line of an access log."""
        file = self.file.parent / name
        wait_until(lambda: file.exists() and file.read_text().endswith("\n"), "a whole line of the log")
        return file.read_text().splitlines()[-1]


def start_site(processes: Processes, folder: Path, scripted: ScriptedServer, redis: Address, dns: Address) -> Site:
    start_redis(processes, folder, redis)
    listeners = {
        "raw": tcp("redis", access_log="raw.log"),
        "dns": udp(pool="dns", responses="any", access_log="dns.log"),
        "web": http("app", access_log="web.log", access_log_format="text"),
    }
    pools = {"redis": pool({"r": redis}), "dns": pool({"d": dns}), "app": pool({"a": scripted.address})}
    file = write_config(folder, listeners, pools=pools, global_={"workers": 2})
    return Site(file, start(L4, processes, file), start(L7, processes, file), scripted)


@pytest.fixture(scope="module")
def site(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests, each of which leaves nothing open."""
    with ScriptedServer() as scripted, DatagramServer() as dns, reserved_port() as redis:
        made = start_site(module_processes, tmp_path_factory.mktemp("sessions"), scripted, redis, dns.address)
        wait_until(lambda: len(places(load(str(made.file)))) == 4, "four workers that answer")
        yield made


def test_a_tcp_connection(site: Site) -> None:
    """Redis goes on with others; this client is cut off."""
    with connect(site.l4.address_of("raw")) as client, connect(site.l4.address_of("raw")) as other:
        for one in (client, other):
            one.send(b"PING\r\n")
            assert one.read_until(b"\r\n") == b"+PONG\r\n"
        port = client.socket.getsockname()[1]
        found = site.one("--client", f"127.0.0.1:{port}")
        assert (found["kind"], found["listener"], found["pool"], found["server"]) == ("tcp", "raw", "redis", "r")
        assert (found["bytes_in"], found["bytes_out"]) == (6, 7)
        assert len(site.sessions("--pool", "redis")) == 2
        assert site.deston("sessions", "end", found["id"], "--json").status == 0
        assert client.was_reset()
        other.send(b"PING\r\n")
        assert other.read_until(b"\r\n") == b"+PONG\r\n"
        site.end(site.one("--pool", "redis", "--server", "r"))
        assert other.was_reset()
    wait_until(lambda: " KD " in site.log("raw.log"), "the log")
    site.l4.running.wait_for(
        rf"deston.sessions: an operator ended {found['id']} \(tcp of 127.0.0.1:{port} with redis/r\)"
    )


def test_a_udp_session(site: Site) -> None:
    """The client's next datagram begins another one."""
    address = site.l4.address_of("dns")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.connect((address.host, address.port))
        client.send(b"hello")
        assert client.recv(100) == b"hello"
        first = site.one("--listener", "dns")
        assert (first["kind"], first["bytes_in"], first["bytes_out"]) == ("udp", 5, 5)
        site.end(first)
        wait_until(lambda: " KD " in site.log("dns.log"), "the log")
        client.send(b"again")
        assert client.recv(100) == b"again"
        second = site.one("--listener", "dns")
        assert second["id"] != first["id"]
        site.end(second)


@contextlib.contextmanager
def asking(command: Command, server: ScriptedServer, data: bytes) -> Iterator[tuple[Wire, Wire]]:
    """A client that has asked for something, and the server's side of it."""
    with connect(command.address) as client:
        client.send(data)
        with server.accept() as accepted:
            accepted.read_head()
            yield client, accepted


def test_an_exchange(site: Site) -> None:
    """Of which the server has said nothing: its client is cut off, and it sees that, too."""
    with asking(site.l7, site.scripted, GET) as (client, accepted):
        found = site.one("--pool", "app")
        assert (found["kind"], found["listener"], found["server"]) == ("http", "web", "a")
        assert found["about"] == "GET /slow?x=1"
        assert found["client"] == f"127.0.0.1:{client.socket.getsockname()[1]}"
        site.end(found)
        assert client.was_reset()
        assert accepted.was_reset()
    wait_until(lambda: " KD " in site.log("web.log"), "the log")


def test_a_response_on_its_way(site: Site) -> None:
    """What was sent of it counts, in the list and in the log."""
    with asking(site.l7, site.scripted, GET) as (client, accepted):
        accepted.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 300_000)
        client.read_head()
        wait_until(lambda: site.one("--pool", "app")["bytes_out"] == 300_000, "the bytes")
        site.end(site.one("--pool", "app"))
        assert client.was_reset()
        assert accepted.read_all() == b""
    wait_until(lambda: '" 200 300000 "' in site.log("web.log"), "the log")


def test_a_tunnel(site: Site) -> None:
    """Both of its sides are cut."""
    with asking(site.l7, site.scripted, ASK) as (client, accepted):
        accepted.send(SWITCH)
        client.read_head()
        client.echoes_through(accepted)
        found = site.one("--pool", "app")
        assert (found["kind"], found["about"]) == ("tunnel", "websocket GET /chat")
        assert (found["bytes_in"], found["bytes_out"]) == (6, 9)
        site.end(found)
        assert client.was_reset()
        assert accepted.was_reset()
    wait_until(lambda: " KD " in site.log("web.log"), "the log")


def test_a_kept_connection(site: Site) -> None:
    """Is told where it is asked for, and can be ended; its id is not that of the exchange before."""
    with asking(site.l7, site.scripted, GET) as (client, accepted):
        exchange = site.one("--pool", "app")
        accepted.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        assert client.read_until(b"ok").endswith(b"ok")
        wait_until(lambda: site.sessions() == [], "nothing under way")
        found = site.one("--all")
        assert found["kind"] == "idle"
        assert site.deston("sessions", "end", exchange["id"]).status == 1
        assert site.one("--all")["id"] == found["id"]
        site.end(found)
        with contextlib.suppress(ConnectionResetError):
            assert client.read_all() == b""


def test_many_are_ended_at_once(site: Site) -> None:
    """By what they have in common, over all workers."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(site.l4.address_of("raw"))) for _ in range(30)]
        for one in clients:
            one.send(b"PING\r\n")
            assert one.read_until(b"\r\n") == b"+PONG\r\n"
        assert {one["id"].partition("-")[0] for one in site.sessions()} <= {str(one) for one in site.l4.workers}
        table = site.deston("sessions", "--limit", "10", "--sort", "server").out.splitlines()
        assert len(table) == 12
        assert table[-1] == "under way: 30, 10 of them shown; --limit shows more"
        done = site.deston("sessions", "end", "--pool", "redis", "--client", "127.0.0.1")
        assert done == (0, "30 sessions were ended\n", "")
        assert all(one.was_reset() for one in clients)
    wait_until(lambda: site.active() == 0, "nothing under way")


def test_who_cannot_ask_disturbs_nobody(site: Site) -> None:
    """Garbage, silence, and a client that reads nothing, more of them than are answered at one time."""
    with contextlib.ExitStack() as stack:
        for place in places(load(str(site.file))):
            for said in (b"\x00\xff\n", b"GET / HTTP/1.1\r\n\r\n", b"", b'[false, ["","","","",false], ""]\n'):
                one = stack.enter_context(connect_to(place, DEADLINE_S))
                one.sendall(said)
        assert site.sessions() == []
        with asking(site.l7, site.scripted, GET) as (client, accepted):
            accepted.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            assert client.read_until(b"ok").endswith(b"ok")


def test_a_process_that_was_stopped(site: Site) -> None:
    """Is named; what is asked of it is not done when it goes on, after nobody waits any more."""
    with connect(site.l4.address_of("raw")) as client:
        client.send(b"PING\r\n")
        assert client.read_until(b"\r\n") == b"+PONG\r\n"
        found = site.one("--pool", "redis")
        process = int(found["id"].partition("-")[0])
        os.kill(process, signal.SIGSTOP)
        try:
            done = site.deston("sessions")
            assert done.status == 0
            assert f"process {process} is not in it: it did not answer within 3s" in done.out
            done = site.deston("sessions", "end", found["id"])
            assert (done.status, done.out) == (1, "")
            assert f"process {process}: it did not answer within 3s, so nothing was ended there" in done.err
        finally:
            os.kill(process, signal.SIGCONT)
        assert site.one("--pool", "redis")["id"] == found["id"]
        client.send(b"PING\r\n")
        assert client.read_until(b"\r\n") == b"+PONG\r\n"
        site.end(found)


def test_by_requests(site: Site, processes: Processes) -> None:
    """The API lists and ends, too."""
    _, place = start_admin(processes, _with_any_port(site.file))
    with asking(site.l7, site.scripted, GET) as (client, _):
        told = requests.get(f"{place}api/v1/sessions?pool=app&sort=server", timeout=DEADLINE_S).json()
        (found,) = told["sessions"]
        assert (told["total"], found["about"]) == (1, "GET /slow?x=1")
        done = requests.delete(f"{place}api/v1/sessions/{found['id']}", timeout=DEADLINE_S)
        assert (done.status_code, done.json()["id"]) == (200, found["id"])
        assert client.was_reset()
        assert requests.delete(f"{place}api/v1/sessions/{found['id']}", timeout=DEADLINE_S).status_code == 404


def _with_any_port(file: Path) -> Path:
    text = file.read_text()
    if "[admin]" not in text:
        file.write_text(f"[admin]\nbind = 127.0.0.1:0\n{text}")
    return file


@pytest.mark.parametrize(
    "data", [GET, ASK, GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n")]
)
def test_under_the_stock_worker(data: bytes, processes: Processes, tmp_path: Path, scripted: ScriptedServer) -> None:
    """An exchange, a tunnel, and a request whose body does not come."""
    listeners = {"web": http(access_log="web.log", access_log_format="text")}
    file = write_config(tmp_path, listeners, pools={"app": pool({"a": scripted.address})})
    command = start(L7, processes, file, options=["-k", "gevent"])
    site = Site(file, command, command, scripted)
    wait_until(lambda: places(load(str(file))), "a worker that answers")
    with connect(command.address) as client, contextlib.ExitStack() as stack:
        client.send(data)
        if not data.startswith(b"POST"):
            accepted = stack.enter_context(scripted.accept())
            accepted.read_head()
            if data == ASK:
                accepted.send(SWITCH)
                client.read_head()
        wait_until(lambda: site.sessions(), "the request")
        site.end(site.one())
        assert client.was_reset()
    wait_until(lambda: " KD " in site.log("web.log"), "the log")


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def test_in_threads(processes: Processes, tmp_path: Path, scripted: ScriptedServer) -> None:
    """What is under way is told, and cannot be ended."""
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": scripted.address})})
    command = start(L7, processes, file, options=["-k", "gthread", "--threads", "4"])
    site = Site(file, command, command, scripted)
    with asking(command, scripted, GET) as (client, accepted):
        found = site.one()
        done = site.deston("sessions", "end", found["id"])
        assert done == (1, "", "a request that is served by a thread cannot be ended from outside\n")
        accepted.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        assert client.read_until(b"ok").endswith(b"ok")
        wait_until(lambda: site.sessions() == [], "nothing under way")


def test_workers_that_are_gone_leave_no_socket(processes: Processes, tmp_path: Path, scripted: ScriptedServer) -> None:
    """Neither those that stopped, nor those that were killed."""
    file = write_config(tmp_path, {"raw": tcp()}, pools={"app": pool({"a": scripted.address})})
    command = start(L4, processes, file)
    (place,) = _when_there(file, 1)
    os.kill(place.process, signal.SIGKILL)
    wait_until(lambda: places(load(str(file)))[-1:] not in ([], [place]), "the socket of another worker")
    assert run([f"{BIN}/deston", "sessions", "--config", str(file)]).out.splitlines()[1:] == ["under way: 0"]
    assert place not in places(load(str(file)))
    command.running.send(signal.SIGTERM)
    assert command.running.wait() == 0
    assert places(load(str(file))) == []


def _when_there(file: Path, count: int) -> list[Any]:
    wait_until(lambda: len(places(load(str(file)))) == count, f"{count} sockets")
    return places(load(str(file)))
