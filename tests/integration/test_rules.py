"""What listeners and routes do with requests besides sending them to a pool, under our own worker and gevent's."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from tests.integration.client import Answer, Client, ask
from tests.integration.commands import L7, Command, start
from tests.integration.configs import QUICK_CHECKS, http, pool, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import Processes, Running, wait_until
from tests.integration.servers import start_dnsmasq
from tests.integration.wire import reserved_port

WORKERS = ["deston.l7.worker.ProxyWorker", "gevent"]
PAGE = "<h1>Back soon</h1>"


@dataclass(frozen=True)
class Site:
    """Deston in front of three servers, with a route for each thing that is tried."""

    command: Command
    addresses: dict[str, Address]
    servers: dict[str, EchoServer]
    log: Path
    is_own: bool

    def at(self, listener: str = "web") -> Address:
        return self.addresses[listener]

    def get(self, host: str, path: str = "/", method: str = "GET", **fields: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return ask(self.at(), path, method, {"Host": host, **named})

    def told(self, host: str, path: str = "/", **fields: str) -> dict[str, Any]:
        """What the server was asked."""
        answer = self.get(host, path, **fields)
        assert answer.status == 200, answer
        told: dict[str, Any] = json.loads(answer.body)
        return told


def route(host: str, pool: str = "app", **keys: str) -> dict[str, Any]:
    return {"host": host, "pool": pool, **keys}


ROUTES: dict[str, dict[str, Any]] = {
    "exact": {"host": "paths.test", "path_exact": "/exact", "pool": "b"},
    "regex": {"host": "paths.test", "path_regex": "/[a-z]+\\.png$", "pool": "c"},
    "prefix": {"host": "paths.test", "path": "/", "pool": "a"},
    "post": {"host": "paths.test", "path": "/", "method": "POST", "pool": "b"},
    "header": {"host": "paths.test", "path": "/", "header": "X-Canary: yes", "pool": "c"},
    "query": {"host": "paths.test", "path": "/", "query": "debug=1", "pool": "b"},
    "client": {"host": "client.test", "client": "127.0.0.0/8", "pool": "b"},
    "nobody": {"host": "client.test", "client": "10.0.0.0/8", "path": "/x", "pool": "c"},
    "strip": route("strip.test", path="/v1/", strip_prefix="/v1"),
    "replace": route(
        "replace.test", path="/old", replace_prefix="/new", add_prefix="/app", map_back="location, cookies"
    ),
    "secure": {"host": "secure.test", "redirect": "scheme=https, status=308"},
    "moved": {"host": "moved.test", "path": "/old", "strip_prefix": "/old", "redirect": "host=www.test, status=301"},
    "down": {"host": "down.test", "respond": "503, file=page.html"},
    "split": {"host": "split.test", "pool": "a=3, b=1"},
    "mirror": {"host": "mirror.test", "pool": "a", "mirror": "shadow, max_body=1k"},
    "fields": {
        "host": "fields.test",
        "pool": "app",
        "request_header_set": '"X-Client: %(client_address)s", "X-Route: %(route)s"',
        "request_header_add": '"X-Same: 2"',
        "request_header_remove": "X-Secret",
        "response_header_set": '"Strict-Transport-Security: max-age=1", "X-By: %(pool)s/%(server)s"',
        "response_header_add": '"X-Twice: 2"',
        "response_header_remove": "X-Powered-By",
    },
    "real": route("real.test", request_header_set='"X-Real-IP: %(client_address)s"'),
    "both": {"host": "both.test", "pool": "sticky=1, dying=1"},
    "denied": route("denied.test", deny="127.0.0.0/8"),
    "rate": route("rate.test", rate_limit="3/1m, by=header:X-Key"),
    "sticky": {"host": "sticky.test", "pool": "sticky"},
    "canary": {"host": "canary.test", "pool": "sticky=1, other=1"},
    "hashed": {"host": "hashed.test", "pool": "hashed"},
    "dead": {"host": "dead.test", "pool": "dead"},
}


@pytest.fixture(scope="module", params=WORKERS, ids=["own", "gevent"])
def site(
    request: pytest.FixtureRequest, module_processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Each worker in its turn."""
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "page.html").write_text(PAGE)
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(EchoServer(name)) for name in ("a", "b", "c", "shadow")}
        addresses = {name: one.address for name, one in servers.items()}
        abc = {name: addresses[name] for name in "abc"}
        bound = {name: stack.enter_context(reserved_port()) for name in ("web", "limited", "small", "few")}
        pools = {
            "app": pool(abc),
            **{name: pool({name: addresses[name]}) for name in ("a", "b", "c", "shadow")},
            "sticky": pool(abc, affinity_cookie="SERVED"),
            "other": pool({"c": addresses["c"]}, affinity_cookie="SERVED"),
            "hashed": pool(abc, algorithm="header_hash", hash_key="X-User"),
            "dying": pool({"x": f"127.0.0.1:{dead_port()}"}, affinity_cookie="DYING", health=QUICK_CHECKS),
            "dead": pool({"x": f"127.0.0.1:{dead_port()}"}),
            "small": pool({"a": f"{addresses['a']}, max_connections=1"}, queue=1, queue_timeout="5s"),
        }
        listeners = {
            "web": http(
                bind=bound["web"], request_id="X-Request-ID", error_pages="503=page.html",
                access_log="access.log", access_log_format="json",
            ),
            "limited": http(bind=bound["limited"], max_requests_per_client=1, rate_limit="100/s, burst=100"),
            "small": http("small", bound["small"]),
            "few": http(bind=bound["few"], max_requests_per_client=1),
        }  # fmt: skip
        file = write_config(folder, listeners, pools=pools, routes=ROUTES | ONLY_LIMITED)
        command = start(L7, module_processes, file, options=["-k", request.param])
        yield Site(command, bound, servers, folder / "access.log", request.param != "gevent")


ONLY_LIMITED = {"only": {"host": "only.test", "listener": "limited", "respond": "200"}}


def dead_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def field_of(told: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in told["fields"] if key.lower() == name.lower()]


# --- routes


@pytest.mark.parametrize(
    ("path", "method", "fields", "server"),
    [
        ("/", "GET", {}, "a"),
        ("/exact", "GET", {}, "b"),
        ("/exact?x", "GET", {}, "b"),
        ("/exact/x", "GET", {}, "a"),
        ("/x.png", "GET", {}, "c"),
        ("/x.png/y", "GET", {}, "a"),
        ("/", "POST", {}, "b"),
        ("/", "GET", {"X_Canary": "yes"}, "c"),
        ("/", "GET", {"X_Canary": "no"}, "a"),
        ("/?debug=1", "GET", {}, "b"),
        ("/?x&debug=1", "GET", {}, "b"),
        ("/?debug=2", "GET", {}, "a"),
    ],
)
def test_the_most_specific_route_wins(site: Site, path: str, method: str, fields: dict[str, str], server: str) -> None:
    answer = site.get("PATHS.test:80", path, method, **fields)
    assert json.loads(answer.body)["server"] == server


def test_by_the_clients_network(site: Site) -> None:
    assert site.told("client.test", "/x")["server"] == "b"


def test_by_the_listener(site: Site) -> None:
    """A route of one listener is none of another's."""
    assert ask(site.at("limited"), "/", fields={"Host": "only.test"}).body == b"200 OK\n"
    assert site.told("only.test")["server"] in "abc"


def test_prefixes_and_the_way_back(site: Site) -> None:
    """A server's paths, redirects and cookies are its own; the client sees them below its prefix."""
    assert site.told("strip.test", "/v1/x?y")["target"] == "/x?y"
    fields = "field=Location:http://replace.test/app/new/z&field=Set-Cookie:a=b;+Path=/app/new"
    answer = site.get("replace.test", f"/old/x?{fields}")
    assert json.loads(answer.body)["target"].startswith("/app/new/x?")
    assert answer.fields["Location"] == "http://replace.test/old/z"
    assert answer.fields["Set-Cookie"] == "a=b; Path=/old"


def test_redirects_and_fixed_responses(site: Site) -> None:
    answer = site.get("secure.test", "/x?y=1")
    assert (answer.status, answer.fields["Location"]) == (308, "https://secure.test/x?y=1")
    answer = site.get("moved.test", "/old/x")
    assert (answer.status, answer.fields["Location"]) == (301, "http://www.test/x")
    answer = site.get("down.test")
    assert (answer.status, answer.body.decode(), answer.fields["Content-Type"]) == (
        503,
        PAGE,
        "text/html; charset=utf-8",
    )
    head = site.get("down.test", method="HEAD")
    assert (head.status, head.body, head.fields["Content-Length"]) == (503, b"", str(len(PAGE)))


def test_a_split(site: Site) -> None:
    """Shares are kept by chance: of 200, fewer than 20 or more than 80 in a quarter come once in many years."""
    with Client(site.at()) as client:
        counts = Counter(json.loads(client.ask("/", fields={"Host": "split.test"}).body)["server"] for _ in range(200))
    assert 20 < counts["b"] < 80
    assert counts["a"] + counts["b"] == 200


def test_a_mirror(site: Site) -> None:
    """The shadow gets what the server gets, and the client the server's answer; large bodies are not copied."""
    shadow = site.servers["shadow"].asked
    before = len(shadow)
    answer = ask(site.at(), "/m?x", "POST", {"Host": "mirror.test", "X-A": "1"}, b"small")
    assert json.loads(answer.body)["server"] == "a"
    wait_until(lambda: len(shadow) == before + 1, "the copy")
    assert (shadow[-1]["method"], shadow[-1]["target"], shadow[-1]["body"]) == ("POST", "/m?x", "small")
    assert field_of(shadow[-1], "X-A") == ["1"]
    assert ask(site.at(), "/m", "POST", {"Host": "mirror.test"}, b"x" * 2000).status == 200
    assert ask(site.at(), "/again", fields={"Host": "mirror.test"}).status == 200
    wait_until(lambda: len(shadow) == before + 2, "the next copy")
    assert shadow[-1]["target"] == "/again"


def test_header_rules(site: Site) -> None:
    answer = site.get(
        "fields.test", "/?field=X-Twice:1&field=X-Powered-By:x", X_Secret="s", X_Same="1", X_Client="spoofed"
    )
    told = json.loads(answer.body)
    assert field_of(told, "X-Client") == ["127.0.0.1"]
    assert field_of(told, "X-Route") == ["fields"]
    assert field_of(told, "X-Same") == ["1", "2"]
    assert field_of(told, "X-Secret") == []
    assert answer.fields["Strict-Transport-Security"] == "max-age=1"
    assert answer.fields["X-By"] == f"app/{told['server']}"
    assert answer.fields.get_all("X-Twice") == ["1", "2"]
    assert "X-Powered-By" not in answer.fields


def test_a_client_cannot_take_away_what_rules_set(site: Site) -> None:
    """Not by an option of Connection, and not by being somebody whose word about himself does not count."""
    answer = site.get("fields.test", X_Request_ID="mine", Connection="close, X-Client, X-Request-ID, X-Route")
    told = json.loads(answer.body)
    assert field_of(told, "X-Client") == ["127.0.0.1"]
    assert field_of(told, "X-Route") == ["fields"]
    assert field_of(told, "X-Request-ID") == [answer.fields["X-Request-ID"]] == ["mine"]
    assert field_of(site.told("real.test", X_Real_IP="10.9.9.9"), "X-Real-IP") == ["127.0.0.1"]


# --- affinity and hashing


def test_a_cookie_leads_to_no_pool_that_is_down(site: Site) -> None:
    """Where requests are split, a pool without servers takes none of them; servers see no cookie of either."""
    wait_until(lambda: all(site.get("both.test").status == 200 for _ in range(10)), "the check")
    assert field_of(site.told("both.test", Cookie="DYING=x; SERVED=y; a=1"), "Cookie") == ["a=1"]


def test_a_client_stays_with_its_server(site: Site) -> None:
    """A new client takes turns; with its cookie it comes back, and the server does not see the cookie."""
    for _ in range(6):
        first = site.get("sticky.test")
        cookie = first.fields["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "Secure" not in cookie
        value = cookie.partition(";")[0]
        for _ in range(3):
            again = site.get("sticky.test", Cookie=f"a=1; {value}")
            assert again.fields["Set-Cookie"] is None
            told = json.loads(again.body)
            assert told["server"] == json.loads(first.body)["server"]
            assert field_of(told, "Cookie") == ["a=1"]


def test_a_forged_cookie_is_none(site: Site) -> None:
    answer = site.get("sticky.test", Cookie="SERVED=AAAAAAAAAAAAAAAAAAAAAAAA")
    assert answer.fields["Set-Cookie"].startswith("SERVED=")


def test_a_client_of_a_canary_stays_one(site: Site) -> None:
    """Where requests are split, the cookie keeps the client in the pool that set it."""
    served = set()
    for _ in range(20):
        first = site.get("canary.test")
        server = json.loads(first.body)["server"]
        value = first.fields["Set-Cookie"].partition(";")[0]
        assert {json.loads(site.get("canary.test", Cookie=value).body)["server"] for _ in range(4)} == {server}
        served.add(server)
    assert len(served) > 1


def test_hashing_by_a_field(site: Site) -> None:
    by_user = {user: site.told("hashed.test", X_User=user)["server"] for user in map(str, range(30))}
    assert set(by_user.values()) == set("abc")
    assert all(site.told("hashed.test", X_User=user)["server"] == server for user, server in by_user.items())


# --- limits


def test_access_by_network(site: Site) -> None:
    answer = site.get("denied.test")
    assert (answer.status, answer.body) == (403, b"403 Forbidden\n")


def test_a_rate(site: Site) -> None:
    """Within the rate a client is told what is left, beyond it when to come again; other keys are not its matter."""
    answers = [site.get("rate.test", X_Key="k") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert [one.fields["RateLimit"].partition(";t")[0] for one in answers[:3]] == [f'"rate";r={n}' for n in (2, 1, 0)]
    assert answers[3].fields["RateLimit-Policy"] == '"rate";q=3;w=60'
    assert 1 <= int(answers[3].fields["Retry-After"]) <= 20
    assert site.get("rate.test", X_Key="other").status == 200


def test_requests_under_way(site: Site) -> None:
    """A second request of the client is refused while the first is under way, and served after it."""
    limited = site.at("limited")
    began = len(site.servers["a"].asked) + len(site.servers["b"].asked) + len(site.servers["c"].asked)
    slow = threading.Thread(target=ask, args=(limited, "/?sleep=0.5"))
    slow.start()
    wait_until(lambda: sum(len(site.servers[name].asked) for name in "abc") > began, "the first request")
    refused = ask(limited, "/")
    assert (refused.status, refused.fields["Retry-After"]) == (429, "1")
    slow.join()
    assert ask(limited, "/").status == 200


def test_requests_under_way_are_a_rule_by_themselves(site: Site) -> None:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(site.at("few"), "/?sleep=0.3"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.status for one in answers) == [200, 429, 429, 429]


def test_the_queue(site: Site) -> None:
    """Of three at once one is served, one waits and is served then, and one is told when to come again."""
    answers: list[Answer] = []
    small = site.at("small")
    threads = [threading.Thread(target=lambda: answers.append(ask(small, "/q?sleep=0.4"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.status for one in answers) == [200, 200, 503]
    assert [one.fields["Retry-After"] for one in answers if one.status == 503] == ["5"]


def test_a_client_that_leaves_is_not_served(site: Site) -> None:
    """Whoever waits in the queue and leaves is dropped at once: its request reaches no server."""
    small, asked = site.at("small"), site.servers["a"].asked
    began = len(asked)
    slow = threading.Thread(target=ask, args=(small, "/first?sleep=0.6"))
    slow.start()
    wait_until(lambda: len(asked) > began, "the first request")
    with socket.create_connection((small.host, small.port)) as leaving:
        leaving.sendall(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)  # However long it waits: it must not be served.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    # The reset may take a moment; it comes long before the first request is over.
    wait_until(lambda: ask(small, "/next").status == 200, "room in the queue")
    slow.join()
    assert [one["target"] for one in asked[began:]] == ["/first?sleep=0.6", "/next"]


# --- ids, logs, pages


def test_request_ids(site: Site) -> None:
    """One is made, or the client's is kept; server and client get the same; what is no word is replaced."""
    made = site.get("fields.test")
    assert field_of(json.loads(made.body), "X-Request-ID") == [made.fields["X-Request-ID"]]
    assert len(made.fields["X-Request-ID"]) == 32
    kept = site.get("fields.test", X_Request_ID="abc-123", traceparent="00-1-2-01")
    assert kept.fields["X-Request-ID"] == "abc-123"
    assert field_of(json.loads(kept.body), "traceparent") == ["00-1-2-01"]
    assert site.get("fields.test", X_Request_ID="a b").fields["X-Request-ID"] != "a b"
    assert site.get("denied.test", X_Request_ID="mine").fields["X-Request-ID"] == "mine"


def test_error_pages(site: Site) -> None:
    assert site.get("dead.test").body.decode() == PAGE
    answer = site.get("dead.test", Accept="application/json")
    assert (answer.fields["Content-Type"], json.loads(answer.body)["status"]) == ("application/json", 503)


def logged(site: Site, request_id: str) -> dict[str, Any]:
    """The line of the access log about one request."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        written = site.log.read_text() if site.log.exists() else ""
        lines = written[: written.rfind("\n") + 1].splitlines()  # Who reads during a write may see a part of a line.
        found.extend(line for line in map(json.loads, lines) if line["request_id"] == request_id)
        return bool(found)

    wait_until(is_there, f"the line of {request_id}")
    return found[0]


def test_the_access_log(site: Site) -> None:
    """A line for each request, with who served it, how long each step took, and how it ended."""
    site.get("fields.test", "/logged?sleep=0.1", X_Request_ID="log-1", User_Agent='a"b')
    line = logged(site, "log-1")
    assert (line["client_address"], line["route"], line["pool"], line["code"]) == ("127.0.0.1", "fields", "app", "--")
    assert (line["method"], line["target"], line["status"], line["tries"]) == ("GET", "/logged?sleep=0.1", 200, 1)
    assert line["server"] in "abc"
    assert line["bytes_out"] > 100
    assert line["total_ms"] >= line["first_byte_ms"] >= 100
    assert line["connect_ms"] >= 0
    assert line["user_agent"] == 'a"b'


@pytest.mark.parametrize(
    ("host", "status", "code"),
    [("denied.test", 403, "PR"), ("dead.test", 503, "SC"), ("down.test", 503, "LR"), ("secure.test", 308, "LR")],
)
def test_how_a_request_ended(site: Site, host: str, status: int, code: str) -> None:
    request_id = f"ended-{host}"
    site.get(host, X_Request_ID=request_id)
    line = logged(site, request_id)
    assert (line["status"], line["code"]) == (status, code)


def test_the_answer_to_head_has_no_bytes(site: Site) -> None:
    site.get("down.test", method="HEAD", X_Request_ID="head-1")
    line = logged(site, "head-1")
    assert (line["status"], line["bytes_out"]) == (503, 0)


def test_a_request_that_cannot_be_read_is_logged(site: Site) -> None:
    """Where it came from, and that it was refused; under gevent's worker gunicorn refuses before us."""
    if not site.is_own:
        pytest.skip("gunicorn's own parser refuses it")
    with socket.create_connection((site.at().host, site.at().port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        answer = client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    line = logged(site, answer.partition(b"X-Request-ID: ")[2][:32].decode())
    assert (line["status"], line["code"], line["method"]) == (400, "PR", "")


def test_the_log_is_opened_anew(site: Site) -> None:
    """After USR1 lines go to a new file of the name, whatever the worker."""
    site.get("fields.test", X_Request_ID="before")
    logged(site, "before")
    moved = site.log.with_suffix(".1")
    site.log.rename(moved)
    site.command.running.send(signal.SIGUSR1)

    def is_anew() -> bool:
        site.get("fields.test", X_Request_ID="after")
        return site.log.exists()

    wait_until(is_anew, "a new log")
    logged(site, "after")


def test_names_are_followed(processes: Processes, tmp_path: Path) -> None:
    """A service has a server for each of its ports, and a name one for each address; what changes is taken up."""
    with EchoServer("a") as a, EchoServer("b") as b, EchoServer("c") as c, reserved_port() as dns:

        def zone(*ports: int) -> list[str]:
            return [f"--srv-host=_http._tcp.app.test,localhost.test,{port},10,{port % 7 + 1}" for port in ports]

        def serve(*ports: int) -> Running:
            known = ["--local-ttl=1", "--address=/localhost.test/127.0.0.1", *zone(*ports)]
            return start_dnsmasq(processes, dns, *known)

        nameserver = serve(a.address.port, b.address.port)
        pools = {
            "app": pool({"svc": "srv:_http._tcp.app.test"}, algorithm="round_robin"),
            "named": pool({"n": f"localhost.test:{c.address.port}"}),
        }
        file = write_config(
            tmp_path, {"web": http()}, pools=pools, routes={"named": {"host": "named.test", "pool": "named"}},
            global_={"nameservers": f"127.0.0.1:{dns.port}"},
        )  # fmt: skip
        command = start(L7, processes, file)

        def served() -> set[str]:
            answers = [ask(command.address) for _ in range(6)]
            return {json.loads(one.body)["server"] for one in answers if one.status == 200}

        wait_until(lambda: served() == {"a", "b"}, "both servers of the service")
        assert json.loads(ask(command.address, fields={"Host": "named.test"}).body)["server"] == "c"
        nameserver.kill()
        assert served() == {"a", "b"}
        serve(b.address.port, c.address.port)
        wait_until(lambda: served() == {"b", "c"}, "the other servers of the service")


def test_whoever_is_in_front_is_told_first(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """After TERM the ready path says 503 while requests are still served; then the process stops."""
    listeners = {"web": http(ready_path="/-/ready", deny="127.0.0.1")}
    file = write_config(tmp_path, listeners, pools={"app": pool({"a": abc["a"]})}, global_={"stop_delay": "1s"})
    command = start(L7, processes, file)
    assert (ask(command.address, "/-/ready").status, ask(command.address, "/-/ready?x").body) == (200, b"ready\n")
    assert ask(command.address, "/-/readyx").status == 403
    command.running.send(signal.SIGTERM)
    wait_until(lambda: ask(command.address, "/-/ready").status == 503, "the end of readiness")
    assert ask(command.address, "/", source="127.0.0.2").server == "a"
    wait_until(lambda: command.running.has_ended, "the end")
