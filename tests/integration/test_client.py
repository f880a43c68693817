"""Balancing in a client: requests over a pool."""

from __future__ import annotations

import gc
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.exceptions import InsecureRequestWarning

from deston.address import Address
from deston.client import PoolAdapter
from deston.errors import ConfigError, StartError
from tests.integration.configs import http, pool, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import wait_until
from tests.integration.servers import Certificate, Nginx
from tests.integration.wire import reserved_port

BASE = "http://app.pool"


@pytest.fixture
def servers() -> Iterator[list[EchoServer]]:
    with EchoServer("a") as a, EchoServer("b") as b, EchoServer("c") as c:
        yield [a, b, c]


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def mount(session: requests.Session, *addresses: object, **keys: Any) -> PoolAdapter:
    """A pool of these servers, unchecked unless the test says otherwise."""
    adapter = PoolAdapter([str(one) for one in addresses], **{"health": {"type": "none"}, **keys})
    session.mount(BASE, adapter)
    return adapter


def test_requests_take_turns(session: requests.Session, servers: list[EchoServer]) -> None:
    """The caller sees its own URL; the server is asked by the name that it was asked for."""
    mount(session, *(one.address for one in servers))
    responses = [session.get(f"{BASE}/x?y=1", headers={"X-A": "1"}) for _ in range(6)]
    assert Counter(one.json()["server"] for one in responses) == {"a": 2, "b": 2, "c": 2}
    first = responses[0]
    assert (first.url, first.request.url) == (f"{BASE}/x?y=1", f"{BASE}/x?y=1")
    assert dict(map(tuple, first.json()["fields"]))["Host"] == "app.pool"
    assert first.json()["target"] == "/x?y=1"


def test_weights_and_cookies(session: requests.Session, servers: list[EchoServer]) -> None:
    """Options of servers are those of a configuration; cookies belong to the name, not to a server."""
    a, b, _ = servers
    mount(session, f"{a.address}, weight=3", b.address, algorithm="weighted_round_robin")
    session.get(f"{BASE}/?field=Set-Cookie:k=v")
    told = [session.get(BASE).json() for _ in range(4)]
    assert Counter(one["server"] for one in told) == {"a": 3, "b": 1}
    assert all(["Cookie", "k=v"] in one["fields"] for one in told)


def test_a_server_that_refuses_costs_nothing(session: requests.Session, servers: list[EchoServer]) -> None:
    """A dial that failed goes on to the next server, whatever the method; the server is marked soon."""
    with reserved_port() as dead:
        adapter = mount(session, dead, servers[0].address)
        assert [session.post(BASE, data=b"x").json()["server"] for _ in range(8)] == ["a"] * 8
        assert adapter.pool.servers[0].failures == 3
        assert not any(server.active for server in adapter.pool.servers)


def test_what_may_be_repeated(session: requests.Session, servers: list[EchoServer]) -> None:
    """A status that is not wanted goes to another server if the method is safe."""
    a, b, _ = servers
    mount(session, a.address, b.address, retry_on=["503"])
    assert session.get(f"{BASE}/?status=503").status_code == 503
    assert len(a.asked) == len(b.asked) == 1
    assert session.post(f"{BASE}/?status=503").status_code == 503
    assert len(a.asked) + len(b.asked) == 3


def test_nobody_is_there(session: requests.Session) -> None:
    with reserved_port() as dead:
        mount(session, dead)
        with pytest.raises(requests.ConnectionError):
            session.get(BASE)
    mount(session, "127.0.0.1:9, state=drain")
    with pytest.raises(requests.ConnectionError, match="has no server available"):
        session.get(BASE)


def test_timeouts_are_the_pools(session: requests.Session, servers: list[EchoServer]) -> None:
    mount(session, servers[0].address, server_timeout="100ms", retries=0)
    with pytest.raises(requests.ReadTimeout):
        session.get(f"{BASE}/?sleep=1")
    assert session.get(f"{BASE}/?sleep=0.3", timeout=5).status_code == 200


def test_a_response_that_is_streamed_counts_until_its_end(session: requests.Session, servers: list[EchoServer]) -> None:
    """Reading it to the end, closing it, or just dropping it, ends its lease."""
    adapter = mount(session, servers[0].address)
    (server,) = adapter.pool.servers
    with session.get(BASE, stream=True) as response:
        assert server.active == 1
        assert json.loads(response.content)["server"] == "a"
    assert server.active == 0
    response = session.get(BASE, stream=True)
    assert server.active == 1
    assert b"".join(response.iter_content(10))
    assert server.active == 0
    response = session.get(BASE, stream=True)
    assert server.active == 1
    del response
    gc.collect()
    assert server.active == 0


def test_threads_share_a_pool(session: requests.Session, servers: list[EchoServer]) -> None:
    adapter = mount(session, *(one.address for one in servers), algorithm="least_connections")
    served: list[str] = []

    def ask() -> None:
        with requests.Session() as own:
            own.trust_env = False
            own.mount(BASE, adapter)
            served.extend(own.get(BASE).json()["server"] for _ in range(10))
            own.adapters.clear()

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 50
    assert set(served) == set("abc")
    assert not any(server.active for server in adapter.pool.servers)


def test_checks_find_out(session: requests.Session, servers: list[EchoServer]) -> None:
    """A server that answers badly gets nothing once its check has failed."""
    a, b, _ = servers
    health = {"type": "http", "path": "/?status=200", "interval": "50ms", "fall": 1}
    with reserved_port() as dead:
        adapter = mount(session, dead, a.address, health=health)
        assert session.get(BASE).json()["server"] == "a"
        wait_until(lambda: adapter.pool.servers[0].health.value == "down", "the check")
        wait_until(lambda: adapter.pool.servers[1].health.value == "up", "the other check")
        assert session.get(BASE).status_code == 200


def test_hashing_by_a_field(session: requests.Session, servers: list[EchoServer]) -> None:
    mount(session, *(one.address for one in servers), algorithm="header_hash", hash_key="X-User")
    by_user = {n: session.get(BASE, headers={"X-User": str(n)}).json()["server"] for n in range(20)}
    assert len(set(by_user.values())) == 3
    assert all(session.get(BASE, headers={"X-User": str(n)}).json()["server"] == one for n, one in by_user.items())


def test_from_a_configuration(session: requests.Session, servers: list[EchoServer], tmp_path: Path) -> None:
    addresses: dict[str, Address | str] = {one: server.address for one, server in zip("ab", servers, strict=False)}
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool(addresses), "other": pool({"x": "127.0.0.1:9"})})
    session.mount(BASE, PoolAdapter.from_config(str(file), "app"))
    assert {session.get(BASE).json()["server"] for _ in range(4)} == {"a", "b"}
    with pytest.raises(StartError, match=r"there is no pool 'ap' in .* \(there are: app, other\)"):
        PoolAdapter.from_config(str(file), "ap")


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        PoolAdapter(["127.0.0.1"], algorithm="roundrobbin", health={"typ": "http"})
    assert str(caught.value).splitlines() == [
        "(in the program): pools.client.algorithm: unknown policy 'roundrobbin' (did you mean 'round_robin'?)",
        "(in the program): pools.client.health.typ: unknown key (did you mean 'type'?)",
        "(in the program): pools.client.servers.server1.address: '127.0.0.1' has no port (write host:port)",
    ]
    with pytest.raises(StartError, match="unix:/x: requests reaches no such server"):
        PoolAdapter(["unix:/x"])


@pytest.mark.parametrize("base", [BASE, "https://app.pool"])
def test_certificates_are_verified_whatever_the_url(
    base: str, session: requests.Session, nginx: Nginx, certificate: Certificate
) -> None:
    """The server's scheme decides, and the pool's keys; the name is that of the server."""
    (nginx.content / "client.txt").write_text("over TLS")

    def get(**keys: Any) -> str:
        session.mount(base, PoolAdapter([f"https://{nginx.https}"], health={"type": "none"}, **keys))
        return session.get(f"{base}/client.txt").text

    with pytest.raises(requests.ConnectionError, match="certificate verify failed"):
        get()
    with pytest.raises(requests.ConnectionError, match="doesn't match|not valid for|mismatch"):
        get(tls_ca=certificate.authority, tls_server_name="other.test")
    assert get(tls_ca=certificate.authority) == "over TLS"
    with pytest.warns(InsecureRequestWarning):
        assert get(tls_verify=False) == "over TLS"
