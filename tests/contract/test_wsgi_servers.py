"""The application under WSGI servers of every kind: one table of exchanges, each server as a real process.

Where a server cannot do something, its row in ``ADAPTERS`` says so, and the test says what it does instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deston.address import Address, parse_address
from tests.contract.actor import LARGE, PIECE, Actor
from tests.integration.client import Answer, Client, ask
from tests.integration.configs import Tree, http, pool, write_config
from tests.integration.processes import BIN, Processes, Running, wait_until
from tests.integration.wire import END_OF_HEAD, connect, reserved_port

GUNICORN = [f"{BIN}/gunicorn", "--no-control-socket"]
SERVE = [sys.executable, "-m", "tests.contract.serve"]
OURS = ["-c", "python:deston.l7.gunicorn_conf"]
MEGABYTE = 1024 * 1024
TRUSTED = "127.0.0.2"


@dataclass(frozen=True)
class Adapter:
    """A WSGI server, how it is started, and what it can do."""

    name: str
    words: tuple[str, ...]
    ours: bool = True  # With our hook: the order and repeats of request fields.
    raw_target: bool = True
    chunks: bool = True  # Takes a body of unknown length, and sends one.
    concurrent: bool = True
    resets: bool = True  # Lets us cut the client off so that no end looks whole.
    closes: bool = True  # Closes after a refused request.
    strict: bool = True  # Shows the application, or refuses itself, a length that is said twice.


ADAPTERS = {
    one.name: one
    for one in (
        Adapter("own worker", (*GUNICORN, *OURS, "deston.l7:app")),
        Adapter("gevent", (*GUNICORN, *OURS, "-k", "gevent", "deston.l7:app")),
        Adapter("gevent without our settings", (*GUNICORN, "-k", "gevent"), ours=False),
        Adapter("gthread", (*GUNICORN, *OURS, "-k", "gthread", "--threads", "4")),
        Adapter("sync", (*GUNICORN, *OURS, "-k", "sync"), concurrent=False),
        Adapter("waitress", (*SERVE, "waitress"), ours=False, resets=False, closes=False),
        Adapter(
            "wsgiref",
            (*SERVE, "wsgiref"),
            ours=False,
            strict=False,
            raw_target=False,
            chunks=False,
            concurrent=False,
            resets=False,
        ),
    )
}


@dataclass(frozen=True)
class Site:
    """An adapter as it runs, and the server behind it."""

    adapter: Adapter
    address: Address
    local: Address  # Where gunicorn with our settings listens, too.
    actor: Actor
    running: Running

    def ask(self, path: str = "/", **arguments: object) -> Answer:
        return ask(self.address, path, **arguments)  # type: ignore[arg-type]

    @property
    def worker(self) -> int:
        """The process that runs the application."""
        return next(iter(self.running.workers), self.running.pid)


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started


@pytest.fixture(scope="module", params=ADAPTERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each adapter in its turn, with a server of its own."""
    adapter = ADAPTERS[request.param]
    with Actor() as actor, reserved_port() as dead, Processes() as processes:
        yield start(adapter, processes, actor, dead, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def gevent_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The adapter that the command starts, for what only one of them has to show."""
    with Actor() as actor, reserved_port() as dead, Processes() as processes:
        yield start(ADAPTERS["own worker"], processes, actor, dead, tmp_path_factory.mktemp("site"))


def start(adapter: Adapter, processes: Processes, actor: Actor, dead: Address, folder: Path) -> Site:
    pools: Tree = {
        "app": pool({"a": actor.address}, server_timeout="30s"),
        "hasty": pool({"a": actor.address}, server_timeout="300ms"),
        "dead": pool({"a": dead}),
        "local": pool({"a": actor.address}, host_header="local.test"),
        "maint": pool({"a": f"{actor.address}, state=maint", "b": f"{dead}, weight=0"}),
    }
    routes: Tree = {name: {"host": f"{name}.test", "pool": name} for name in ("hasty", "dead", "maint")}
    listener = http(trusted_proxies=f"{TRUSTED}/32", max_body_size="1g")
    local = folder / "web.sock"
    listeners = {"web": listener, "local": http("local", f"unix:{local}")}
    file = write_config(folder, listeners, pools=pools, routes=routes)
    empty = folder / "empty.conf.py"
    empty.touch()
    words = [*adapter.words]
    if words[0] == GUNICORN[0]:
        # An empty file of settings, so that the one in the checkout is not found.
        words += [] if "-c" in words else ["-c", str(empty), "-b", "127.0.0.1:0"]
        words += [] if "deston.l7:app" in words else ["deston.l7:app"]
    environment = {"GUNICORN_CMD_ARGS": "", "DESTON_CONFIG": str(file)}
    # gunicorn ends at once on INT; wsgiref takes one that comes during a request for the application's error.
    how_to_stop = signal.SIGINT if words[0] == GUNICORN[0] else signal.SIGTERM
    running = processes.add(Running(adapter.name, words, environment, how_to_stop))
    said = running.wait_for(r"(?:Listening at: http://|listens on )(\S+)")[1]
    return Site(adapter, parse_address(said.partition(",")[0]), Address(path=str(local)), actor, running)


# --- requests and responses


def test_a_get(site: Site) -> None:
    """A request reaches the server as it came, without what is about the connection, and the response the client."""
    fields = {"Connection": "close, X-Hop", "X-Hop": "1", "X-End": "2", "TE": "trailers", "Upgrade": "x"}
    answer = site.ask("/a/plain?b=c", fields=fields)
    assert (answer.status, answer.body) == (200, b"hello")
    got = site.actor.last()
    assert got.line == b"GET /a/plain?b=c HTTP/1.1"
    assert got.values(b"host") == [str(site.address).encode()]
    assert got.values(b"x-end") == [b"2"]
    # Under our own worker trailers reach the client.
    wanted = [b"trailers"] if site.adapter.name == "own worker" else []
    assert (got.values(b"te"), got.values(b"connection")) == (wanted, [b"TE"] * len(wanted))
    for name in (b"x-hop", b"upgrade", b"content-length", b"transfer-encoding"):
        assert got.values(name) == []


def test_a_head(site: Site) -> None:
    """HEAD gets the length, and no body."""
    answer = site.ask("/plain", method="HEAD")
    assert (answer.status, answer.fields["Content-Length"], answer.body) == (200, "5", b"")
    assert site.actor.last().method == b"HEAD"


def test_a_post(site: Site) -> None:
    """A body of a known length arrives whole, with its type."""
    answer = site.ask("/echo", method="POST", body=b"a body", fields={"Content-Type": "x/y"})
    assert (answer.status, answer.body) == (200, b"a body")
    got = site.actor.last()
    assert (got.values(b"content-type"), got.values(b"content-length")) == ([b"x/y"], [b"6"])


def test_a_post_without_a_body(site: Site) -> None:
    """An empty body stays one."""
    assert site.ask("/plain", method="POST", body=b"").status == 200
    assert (site.actor.last().size, site.actor.last().complete) == (0, True)


def test_a_post_in_chunks(site: Site) -> None:
    """A body in chunks arrives whole where the WSGI server can read it, and is refused with 411 where it cannot."""
    if not site.adapter.chunks:
        before = len(site.actor.requests)
        with connect(site.address) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert b" 411 " in wire.read_head().split(b"\r\n")[0]
        assert len(site.actor.requests) == before
        return
    answer = site.ask("/echo", method="POST", body=iter([b"one ", b"two ", b"three"]))
    assert (answer.status, answer.body) == (200, b"one two three")
    assert len(site.actor.last().values(b"transfer-encoding") + site.actor.last().values(b"content-length")) == 1


@pytest.mark.parametrize(("path", "body"), [("/chunked", b"one two three"), ("/until-close", b"until the end")])
def test_responses_without_a_length(site: Site, path: str, body: bytes) -> None:
    """A response whose length nobody knows arrives whole, and without what was about the server's connection."""
    answer = site.ask(path)
    assert (answer.status, answer.body) == (200, body)
    assert "X-Trailer" not in answer.fields


@pytest.mark.parametrize(("path", "status"), [("/no-content", 204), ("/not-modified", 304)])
def test_responses_without_a_body(site: Site, path: str, status: int) -> None:
    """204 and 304 have none, and the connection goes on after them where it can."""
    with Client(site.address) as client:
        for _ in range(2):
            answer = client.ask(path)
            assert (answer.status, answer.body) == (status, b"")


def test_large_bodies_both_ways(site: Site) -> None:
    """Nothing is lost of what is larger than any buffer."""
    body = PIECE * (LARGE // len(PIECE))
    answer = site.ask("/large", method="PUT", body=body)
    assert answer.body == body
    assert site.actor.last().digest == hashlib.sha256(body).hexdigest()


def test_repeated_fields_of_a_response(site: Site) -> None:
    """Each stays a field of its own, and hop-by-hop ones stay behind."""
    answer = site.ask("/fields")
    assert answer.fields.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert "X-Hop" not in answer.fields
    assert "timeout=9" not in answer.fields.get("Keep-Alive", "")


def test_repeated_fields_of_a_request(site: Site) -> None:
    """With our hook they stay apart and in order; PEP 3333 joins them."""
    with connect(site.address) as wire:
        wire.send(b"GET /plain HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\nConnection: close\r\n\r\n")
        assert wire.read_all().endswith(b"hello")
    got = site.actor.last()
    if site.adapter.ours:
        assert [field for field in got.fields if field[0].startswith(b"X-A") or field[0] == b"X-B"] == [
            (b"X-A", b"1"),
            (b"X-B", b"2"),
            (b"X-A", b"3"),
        ]
    else:
        assert b",".join(got.values(b"x-a")).replace(b" ", b"") == b"1,3"


@pytest.mark.parametrize("target", ["/a%2Fb//c/plain", "/%41/./../%20?x=%2F&y", "//a//plain"])
def test_the_target_stays_as_it_came(site: Site, target: str) -> None:
    """Escapes and doubled slashes are the server's business, where the WSGI server tells what came."""
    assert site.ask(target).status == 200
    got = site.actor.last().target.decode()
    assert got == target if site.adapter.raw_target else got.startswith("/")


def test_an_absolute_target(site: Site) -> None:
    """What proxies send becomes the form that servers expect."""
    if not site.adapter.raw_target:
        pytest.skip("it is not told apart from a path")
    with connect(site.address) as wire:
        wire.send(b"GET http://a.test/x/plain?y HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        assert wire.read_all().startswith(b"HTTP/1.1 200 ")
    assert site.actor.last().line == b"GET /x/plain?y HTTP/1.1"


def test_interim_responses(site: Site) -> None:
    """What comes before the final response goes on where that can be, and is passed over elsewhere."""
    with connect(site.address) as wire:
        wire.send(b"GET /interim HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        first = wire.read_head()
        if site.adapter.ours:
            assert first == b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            first = wire.read_head()
        assert b" 200 " in first
        assert wire.read_all() == b"hello"


# --- who the client is


def test_who_the_client_is(site: Site) -> None:
    """A client that nobody trusts is who it is, whatever it says."""
    said = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    assert site.ask("/plain", fields={**said, "Host": "a.test"}).status == 200
    got = site.actor.last()
    assert b"203.0.113.9" not in got.head
    assert got.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert got.values(b"x-forwarded-proto") == [b"http"]
    assert got.values(b"x-forwarded-host") == [b"a.test"]


def test_what_a_trusted_proxy_says(site: Site) -> None:
    """What a trusted proxy says goes on, with its own address added."""
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "b.test", "X-Forwarded-Proto": "https"}
    assert site.ask("/plain", fields=said, source=TRUSTED).status == 200
    got = site.actor.last()
    assert got.values(b"x-forwarded-for") == [b"203.0.113.9, " + TRUSTED.encode()]
    assert got.values(b"x-forwarded-proto") == [b"https"]
    assert got.values(b"x-forwarded-host") == [b"b.test"]


def test_a_unix_socket(gevent_site: Site) -> None:
    """Its listener is found by its path, whatever the Host says, and nobody is trusted who comes through it."""
    site = gevent_site
    with connect(site.local) as wire:
        said = b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\nSCRIPT_NAME: /x\r\nConnection: close\r\n"
        wire.send(b"GET /plain HTTP/1.1\r\nHost: a.test:%d\r\n%b\r\n" % (site.address.port, said))
        assert wire.read_all().endswith(b"hello")
    got = site.actor.last()
    assert got.line == b"GET /plain HTTP/1.1"
    assert got.values(b"host") == [b"local.test"]
    assert got.values(b"x-forwarded-proto") == [b"http"]
    assert got.values(b"x-forwarded-for") == []


# --- trouble


@pytest.mark.parametrize("host", ["dead.test", "maint.test"])
def test_no_server(site: Site, host: str) -> None:
    """Nobody to ask is 503, at once."""
    answer = site.ask("/plain", fields={"Host": host})
    assert (answer.status, answer.body) == (503, b"503 Service Unavailable\n")


@pytest.mark.parametrize("path", ["/close-at-once", "/malformed"])
def test_a_bad_server(site: Site, path: str) -> None:
    """A server that breaks off, or speaks in two ways, is 502."""
    assert site.ask(path, method="POST", body=b"x").status == 502


def test_a_server_that_never_answers(site: Site) -> None:
    """It is 504 after its time."""
    assert site.ask("/silent", fields={"Host": "hasty.test"}).status == 504


def test_others_go_on_while_a_server_is_silent(site: Site) -> None:
    """Nobody waits for somebody else's server."""
    if not site.adapter.concurrent:
        pytest.skip("it serves one request at a time")
    site.actor.released.clear()
    with connect(site.address) as waiting:
        before = len(site.actor.requests)
        waiting.send(b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_until(lambda: len(site.actor.requests) > before, "the silent server is asked")
        for _ in range(5):
            assert site.ask("/plain").body == b"hello"
        site.actor.released.set()
        assert waiting.read_all().endswith(b"hello")


def whole(data: bytes) -> bool:
    """Whether a client would take a response for complete, if its connection ended here in good order."""
    head, end, body = data.partition(END_OF_HEAD)
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    if any(line.startswith(b"transfer-encoding:") for line in lines):
        return body.endswith(b"0\r\n\r\n")
    return bool(end) and (not lengths or len(body) >= lengths[0])


@pytest.mark.parametrize("path", ["/cut-length", "/cut-chunks", "/reset-until-close"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_response_that_breaks_off(site: Site, path: str, version: bytes) -> None:
    """A client never takes a part for the whole: it is cut off, with a reset where the server lets us."""
    with connect(site.address) as wire:
        wire.send(b"GET %b HTTP/%b\r\nHost: a\r\n\r\n" % (path.encode(), version))
        head = wire.read_head()
        assert b" 200 " in head.split(b"\r\n")[0]
        try:
            data = head + wire.read_all()
        except ConnectionResetError:
            return
        assert not site.adapter.resets, "an end in good order"
        if b"content-length" not in head.lower() and b"transfer-encoding" not in head.lower():
            return  # It ends like a whole one, and this server gives us no means against that.
        assert not whole(data)


def test_a_server_that_falls_silent_in_the_middle(site: Site) -> None:
    """A response that stops is cut off after its time."""
    with connect(site.address) as wire:
        wire.send(b"GET /silent-later HTTP/1.1\r\nHost: hasty.test\r\n\r\n")
        try:
            data = wire.read_all()
        except ConnectionResetError:
            return
        assert not site.adapter.resets
        assert not whole(data)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000,
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n"
        + b"x" * 0x20000
        + b"\r\nz\r\n",
    ],
)
def test_a_body_that_breaks_off_is_never_complete(site: Site, request_: bytes) -> None:
    """What a client did not send to its end, no server takes for a request."""
    before = len(site.actor.requests)
    with connect(site.address) as wire:
        said = b""
        with contextlib.suppress(OSError):  # It may be refused before it was sent.
            wire.send(request_)
            wire.end()
            said = wire.read_all()
    assert said == b"" or b" 4" in said.split(b"\r\n")[0]
    assert site.ask("/plain").body == b"hello"
    assert not any(one.complete for one in site.actor.requests[before:] if one.target == b"/echo")


def test_an_early_answer(site: Site) -> None:
    """A server that refuses a body before it has come is heard by a client that goes on sending."""

    def send_on() -> None:
        with contextlib.suppress(OSError):
            for _ in range(count):
                wire.send(PIECE)

    count = 200
    with connect(site.address) as wire:
        wire.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (count * len(PIECE)))
        sending = threading.Thread(target=send_on)
        sending.start()
        assert b" 413 " in wire.read_head().split(b"\r\n")[0]
        sending.join()
    assert site.ask("/plain").body == b"hello"


@pytest.mark.parametrize(
    "lines",
    [
        b"X: y",
        b"Host: a\r\nHost: b",
        b"Host: a b",
        b"Host: u@a",
        b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6",
        b"Host: a\r\nContent-Length: +5",
        b"Host: a\r\nTransfer-Encoding: gzip, chunked",
    ],
)
def test_a_request_in_doubt(site: Site, lines: bytes) -> None:
    """It is refused, no server hears of it, and what comes behind it is no request."""
    if lines.count(b"Content-Length") > 1 and not site.adapter.strict:
        pytest.skip("it goes by the first length and tells nobody")
    before = len(site.actor.requests)
    with connect(site.address) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\n" + lines + b"\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        if not site.adapter.closes:
            wire.end()
        try:
            said = wire.read_all()
        except ConnectionResetError:
            said = b""
    statuses = [line.split(b" ")[1] for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert all(status[:1] in (b"4", b"5") for status in statuses)
    if site.adapter.closes:
        assert len(statuses) <= 1
        assert len(site.actor.requests) == before


# --- the command's own adapter


def test_connections_are_kept_on_both_sides(gevent_site: Site) -> None:
    """Requests on one connection are answered in order over one connection to the server."""
    site = gevent_site
    accepted = site.actor.accepted
    with Client(site.address) as client:
        bodies = [client.ask(path).body for path in ("/plain", "/chunked", "/plain", "/no-content", "/plain")]
    assert bodies == [b"hello", b"one two three", b"hello", b"", b"hello"]
    assert site.actor.accepted <= accepted + 1


def test_pipelined_requests(gevent_site: Site) -> None:
    """Requests that come at once are answered one after the other."""
    with connect(gevent_site.address) as wire:
        wire.send(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
            b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        said = wire.read_all()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"one", b"two", b"hello"]


def test_a_client_that_leaves_ends_its_exchange(gevent_site: Site) -> None:
    """When a client goes in the middle of a response, the server's connection goes, too."""
    site = gevent_site
    with connect(site.address) as wire:
        wire.send(b"GET /large?1000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.read_head()
        wire.reset()
    wait_until(lambda: site.actor.open <= 1, "the server's connection is closed")
    assert site.ask("/plain").body == b"hello"


def resident(pid: int) -> int:
    """The most memory that a process has had, in bytes, since it was last asked to forget."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


HUGE = 200 * MEGABYTE


def test_a_huge_response_takes_no_memory(gevent_site: Site) -> None:
    """200 MiB pass through in a few."""
    site = gevent_site
    site.ask("/large")
    forget_peak(site.worker)
    before = resident(site.worker)
    with connect(site.address) as wire:
        wire.send(b"GET /large?%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % HUGE)
        wire.read_head()
        received = 0
        while piece := wire.socket.recv(MEGABYTE):
            received += len(piece)
    assert received + len(wire._buffer) == HUGE
    assert resident(site.worker) - before < 16 * MEGABYTE


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_request_takes_no_memory(gevent_site: Site, chunked: bool) -> None:
    """So do 200 MiB the other way, of a known length or in chunks."""
    site = gevent_site
    site.ask("/plain", method="PUT", body=PIECE * 32)
    forget_peak(site.worker)
    before = resident(site.worker)
    count = HUGE // len(PIECE)
    with Client(site.address) as client:
        fields = {} if chunked else {"Content-Length": str(HUGE)}
        answer = client.ask("/plain", "PUT", fields, (PIECE for _ in range(count)))
    assert answer.status == 200
    assert (site.actor.last().size, site.actor.last().complete) == (HUGE, True)
    assert resident(site.worker) - before < 16 * MEGABYTE


def test_a_client_that_does_not_read_stops_its_server(gevent_site: Site) -> None:
    """What a client does not take is not taken from the server either."""
    site = gevent_site
    with connect(site.address) as wire:
        before = site.actor.sent
        wire.send(b"GET /large?%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % HUGE)
        wire.read_head()
        last = -1
        while last != site.actor.sent:  # Until the kernel's buffers are full, which may be large.
            last = site.actor.sent
            time.sleep(0.3)
        assert last - before < HUGE // 2
        assert site.ask("/plain").body == b"hello"
        received = len(wire._buffer)
        while piece := wire.socket.recv(MEGABYTE):
            received += len(piece)
    assert received == HUGE


def test_many_clients_at_once(gevent_site: Site) -> None:
    """Each gets its own answer."""
    answers: dict[int, bytes] = {}

    def client(number: int) -> None:
        with Client(gevent_site.address) as one:
            for turn in range(10):
                body = b"%d/%d " % (number, turn) * 2000
                answers[number * 100 + turn] = one.ask("/echo", "POST", body=body).body
                assert answers[number * 100 + turn] == body

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 160
