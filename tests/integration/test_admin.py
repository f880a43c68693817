"""`deston admin` as a process: it serves what runs, changes it, and ends when it is told to."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from deston.address import Address
from tests.integration.commands import L4, Command, start
from tests.integration.configs import QUICK_CHECKS, pool, tcp, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Finished, Processes, Running, run, wait_until
from tests.integration.wire import connect, reserved_port

WORDS = [f"{BIN}/deston", "admin", "--config"]


def start_admin(processes: Processes, file: Path) -> tuple[Running, str]:
    """The process, and where it says that it serves."""
    running = processes.start("admin", [*WORDS, str(file)], {"DESTON_CONFIG": ""})
    return running, running.wait_for(r"the API are at (\S+)")[1]


@dataclass(frozen=True)
class Site:
    """`deston-l4` with two servers, and `deston admin` beside it."""

    file: Path
    l4: Command
    admin: Running
    place: str
    spare: Address

    def ask(self, method: str, path: str, body: Any = None, **fields: str) -> requests.Response:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return requests.request(method, f"{self.place}{path}", json=body, headers=headers, timeout=10)

    def server(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "api/v1/status").json()["pools"]["app"]["servers"][name]
        return found

    def served(self) -> set[str]:
        return {json.loads(requests.get(f"http://{self.l4.address}/", timeout=10).text)["server"] for _ in range(8)}


@pytest.fixture(scope="module")
def site(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests that leave it as it was."""
    with EchoServer("a") as a, EchoServer("b") as b, EchoServer("c") as c:
        pools = {"app": pool({"a": a.address, "b": b.address}, QUICK_CHECKS)}
        file = write_config(
            tmp_path_factory.mktemp("admin"), {"raw": tcp()}, pools=pools, admin={"bind": "127.0.0.1:0"}
        )
        l4 = start(L4, module_processes, file)
        site = Site(file, l4, *start_admin(module_processes, file), c.address)
        wait_until(lambda: site.server("a")["health"] == site.server("b")["health"] == "up", "both up")
        yield site


def test_what_is_changed_by_a_request_counts_in_the_workers(site: Site) -> None:
    """Drain, add and reset, as the commands do it."""
    assert site.ask("PATCH", "api/v1/pools/app/servers/a", {"state": "drain"}).status_code == 200
    wait_until(lambda: site.served() == {"b"}, "only b")
    new = {"name": "c", "address": str(site.spare)}
    assert site.ask("POST", "api/v1/pools/app/servers", new).status_code == 201
    wait_until(lambda: site.served() == {"b", "c"}, "b and c")
    assert site.ask("POST", "api/v1/pools/app/reset", {}).status_code == 200
    wait_until(lambda: site.served() == {"a", "b"}, "a and b")
    assert site.ask("POST", "api/v1/reload", {}).status_code == 202


def test_what_it_tells_is_what_the_command_prints(site: Site) -> None:
    """The same JSON, and the same figures for Prometheus."""
    requests.get(f"http://{site.l4.address}/", timeout=10)
    ages = {"check"}

    def still(value: Any) -> Any:
        """Without what passes by itself."""
        if isinstance(value, dict):
            return {name: still(one) for name, one in value.items() if name not in ages}
        return value

    def printed() -> Any:
        return json.loads(run([f"{BIN}/deston", "status", "--json", "--config", str(site.file)]).out)

    wait_until(lambda: still(site.ask("GET", "api/v1/status").json()) == still(printed()), "the same status")
    total, text = site.server("a")["total"], site.ask("GET", "metrics").text
    assert f'deston_server_requests_total{{pool="app",server="a"}} {total:.1f}' in text

    def is_told_of_listeners(way: str) -> bool:
        """Workers tell of them once a second, of servers at once; one that was removed is not told of any more."""
        lines = site.ask("GET", "metrics").text.splitlines()
        samples = [line.split() for line in lines if f"_{way}_bytes_total{{" in line]
        by_server = sum(float(value) for name, value in samples if name.startswith("deston_server_"))
        (by_listener,) = [float(value) for name, value in samples if name.startswith("deston_listener_")]
        return 0 < by_server <= by_listener

    for way in ("received", "sent"):
        wait_until(partial(is_told_of_listeners, way), f"the bytes that listeners {way}")


def test_another_sites_page_gets_nothing(site: Site) -> None:
    """Neither by a name that was made to lead here, nor by a form that is sent here."""
    assert site.ask("GET", "api/v1/status", Host="evil.example").status_code == 403
    assert site.ask("POST", "api/v1/reload", {}, Origin="http://evil.example").status_code == 403


def test_a_large_body_is_refused_and_the_next_request_served(site: Site) -> None:
    """With a length, and in chunks that come to more than may come."""
    json_body = {"Content-Type": "application/json"}
    with requests.Session() as session:
        for raw in (b"x" * 2_000_000, (b"x" * 100_000 for _ in range(20))):
            response = session.post(f"{site.place}api/v1/check", data=raw, headers=json_body, timeout=10)
            assert response.status_code == 413
            assert session.get(f"{site.place}healthz", timeout=10).status_code == 200


def test_a_body_without_end_is_not_read_for_ever(site: Site) -> None:
    """A client that sends on after it was refused is cut off."""
    host, port = site.place.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        head = f"POST /api/v1/check HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        client.sendall(f"{head}Content-Length: 4000000000\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 200_000_000)
    assert site.ask("GET", "healthz").status_code == 200


def test_a_change_is_saved_by_a_request(site: Site) -> None:
    """With ``?save=true`` it goes into the file, and is no change at run time."""
    before = site.file.read_text()
    done = site.ask("PATCH", "api/v1/pools/app/servers/a?save=true", {"weight": 7})
    assert (done.status_code, done.json()["done"]) == (200, "app/a has the weight 7")
    assert "weight=7" in site.file.read_text()
    assert site.ask("GET", "api/v1/status").json()["changes"] == []
    assert site.ask("PATCH", "api/v1/pools/app/servers/a?save=maybe", {"weight": 7}).status_code == 400
    assert site.ask("DELETE", "api/v1/pools/app/servers/a?save=true").status_code == 200
    assert site.ask("GET", "api/v1/pools").json()["pools"]["app"]["servers"] == ["b"]
    assert site.ask("DELETE", "api/v1/pools/app/servers/b?save=true").status_code == 409
    site.file.write_text(before)
    assert site.ask("POST", "api/v1/reload", {}).status_code == 202
    wait_until(lambda: site.served() == {"a", "b"}, "a and b")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: int, processes: Processes, tmp_path: Path) -> None:
    """Cleanly, with a client that is still connected."""
    file = write_config(tmp_path, {"raw": tcp()}, pools={"app": pool({"a": "127.0.0.1:1"})}, admin={"bind": "unix:x"})
    running = processes.start("admin", [*WORDS, str(file)])
    running.wait_for("the API are at unix:")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "x"))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        running.send(number)
        assert running.wait() == 0
    assert not (tmp_path / "x").exists()


def ended(folder: Path, **admin: Any) -> Finished:
    """What becomes of a process that cannot serve."""
    file = write_config(folder, {"raw": tcp()}, pools={"app": pool({"a": "127.0.0.1:1"})}, admin=admin)
    return run([*WORDS, str(file)])


def test_an_address_in_use_is_told(tmp_path: Path) -> None:
    """In one sentence, with exit status 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "{}:{}".format(*taken.getsockname())
        done = ended(tmp_path, bind=address)
    assert done == (1, "", f"{address} is in use by another process\n")


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    """An address that others reach without a token, with exit status 2."""
    done = ended(tmp_path, bind="0.0.0.0:0")
    assert (done.status, done.out) == (2, "")
    assert "a token is required, because 0.0.0.0:0 can be reached from elsewhere" in done.err


def test_a_token_is_asked_for(processes: Processes, tmp_path: Path) -> None:
    """One may read, the other may write; a proxy's name will do."""
    admin = {"bind": "127.0.0.1:0", "token": "w", "read_token": "r"}
    file = write_config(tmp_path, {"raw": tcp()}, pools={"app": pool({"a": "127.0.0.1:1"})}, admin=admin)
    place = start_admin(processes, file)[1]

    def asked(method: str, token: str = "") -> int:
        headers = {"Host": "lb.example", **({"Authorization": f"Bearer {token}"} if token else {})}
        body: Any = {} if method == "POST" else None
        path = "status" if body is None else "reload"
        return requests.request(method, f"{place}api/v1/{path}", json=body, headers=headers, timeout=10).status_code

    assert [asked("GET"), asked("GET", "x"), asked("GET", "r"), asked("GET", "w")] == [401, 401, 200, 200]
    assert [asked("POST"), asked("POST", "r"), asked("POST", "w")] == [401, 403, 202]


def test_a_client_that_speaks_no_http_leaves_no_trace(site: Site) -> None:
    """It gets an error, and the process goes on."""
    with reserved_port():
        host, _, port = site.place.removeprefix("http://").rstrip("/").partition(":")
        with connect(Address(host, int(port))) as wire:
            wire.send(b"\x16\x03\x01\x00\xff\r\n\r\n")
            assert wire.read_all().startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert site.ask("GET", "healthz").status_code == 200


def test_all_that_the_page_loads_is_there(site: Site) -> None:
    """And nothing of it from elsewhere."""
    page = site.ask("GET", "").text
    waiting = re.findall(r'(?:href|src)="(/dashboard/[^"]+)"', page)
    assert waiting
    assert "http://" not in page.replace("http://www.w3.org", "")
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = site.ask("GET", path.removeprefix("/"))
        assert answer.status_code == 200, path
        if path.endswith(".js"):
            folder = path.rpartition("/")[0]
            waiting += [f"{folder}/{one}" for one in re.findall(r'from "\./([^"]+)"', answer.text)]
    assert len(seen) > 10
