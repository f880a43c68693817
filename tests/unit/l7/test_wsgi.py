"""The WSGI application: its building, and PEP 3333's side of a response."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.validate import validator

import pytest

import deston.l7
from deston import errors
from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.l7 import wsgi
from deston.l7.environ import Environ, Listeners
from deston.l7.front import Front
from deston.l7.proxy import Proxy
from deston.l7.responding import ClientCut
from deston.l7.wsgi import Application
from deston.net.fake import FakeStream
from tests.peers import DEADLINE_S
from tests.tls_peers import Certificate
from tests.unit.l7.builders import Sentences, Servers, make_config, make_registry, response
from tests.unit.l7.test_environ import Input, make_environ

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
TYPE = b"Content-Type: text/plain"


class Server:
    """A WSGI server as far as one request goes: what the application told it."""

    def __init__(self, application: Callable[..., Iterable[bytes]], **keys: Any) -> None:
        self.status = ""
        self.fields: list[tuple[str, str]] = []
        self.body = application(make_environ(**keys), self.start_response)

    def start_response(self, status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert not self.status
        self.status, self.fields = status, fields
        return None

    def read(self) -> bytes:
        try:
            return b"".join(self.body)
        finally:
            self.close()

    def close(self) -> None:
        getattr(self.body, "close", lambda: None)()


def make_application(*scripts: Any, config: Config | None = None) -> tuple[Application, Servers]:
    """An application whose server ``a`` does what each script says, and that server."""
    config, servers = config or make_config(), Servers(a=scripts)
    application = Application()
    application._proxy = Proxy(make_registry(config), config, servers)
    application._front = Front(application._proxy)
    application._listeners = Listeners(config.listeners_of(Protocol.HTTP))
    return application, servers


def active(application: Application) -> int:
    assert application._proxy is not None
    return sum(server.active for pool in application._proxy.registry for server in pool.servers)


def ask(*scripts: Any, **keys: Any) -> Server:
    """What a WSGI server gets for a request, before it reads the body."""
    return Server(make_application(*scripts)[0], **keys)


def test_a_small_response_comes_at_once() -> None:
    """A response that arrived whole is handed over in one piece; its lease is over by then."""
    application, _ = make_application([response(b"hello", b"X-A: 1", b"X-A: 2", status=b"201 Made here")])
    server = Server(application)
    assert server.status == "201 Made here"
    assert server.fields == [("Content-Length", "5"), ("X-A", "1"), ("X-A", "2")]
    assert server.body == [b"hello"]
    assert active(application) == 0


@pytest.mark.parametrize("reads", [[response(b"")], [CHUNKED + b"0\r\n\r\n"], [b"HTTP/1.1 204 No Content\r\n\r\n"]])
def test_an_empty_response(reads: list[bytes]) -> None:
    """A response without a body has nothing in its pieces."""
    assert b"".join(ask(reads).body) == b""


def test_a_large_response_streams() -> None:
    """Other responses are handed over as they come, and their lease lasts until their end."""
    application, _ = make_application([CHUNKED, b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"])
    server = Server(application)
    pieces = iter(server.body)
    # The head goes out at once, although nothing of the body has come.
    assert [next(pieces), next(pieces)] == [b"", b"one"]
    assert active(application) == 1
    assert list(pieces) == [b"two"]
    assert active(application) == 0
    server.close()


def test_a_server_that_stops_reading() -> None:
    """A client that leaves in the middle of a body ends the exchange."""
    application, servers = make_application([CHUNKED, b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"])
    server = Server(application)
    next(iter(server.body))
    server.close()
    assert active(application) == 0
    assert servers.streams[0].closed


def test_a_head_has_no_body() -> None:
    """HEAD is answered with the fields of the answer to GET, and its connection goes back at once."""
    application, servers = make_application([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"])
    server = Server(application, REQUEST_METHOD="HEAD")
    assert (server.fields, server.body) == ([("Content-Length", "5")], [])
    assert active(application) == 0
    assert not servers.streams[0].closed
    servers.streams[0].close()
    server = Server(make_application()[0], REQUEST_METHOD="HEAD")
    assert (server.status[:3], server.body) == ("503", [])


@pytest.mark.parametrize(
    ("reads", "status"),
    [
        ([CHUNKED + b"1"], "502"),
        ([CHUNKED + b"what\r\n"], "502"),
        ([CHUNKED + b"1\r", errors.StreamReset("reset")], "502"),
        ([CHUNKED + b"1\r", errors.ReadTimeout("late")], "504"),
    ],
)
def test_a_response_that_breaks_off_at_once_is_answered_anew(reads: list[Any], status: str) -> None:
    """Where the body begins with the head, and no piece was handed over, the client can be told what happened."""
    application, _ = make_application(reads)
    server = Server(application)
    assert server.status.startswith(status)
    assert server.read().startswith(status.encode())
    assert active(application) == 0


class Ends(NamedTuple):
    """The two ends of a client's TCP connection."""

    client: socket.socket
    ours: socket.socket


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        client.settimeout(DEADLINE_S)
        with ours:
            yield Ends(client, ours)


@pytest.mark.parametrize(
    "error", [errors.StreamReset("reset"), errors.ReadTimeout("late"), b"what\r\n", errors.StreamEnded("end")]
)
def test_a_response_that_breaks_off_later_cuts_the_client(ends: Ends, error: Any) -> None:
    """The WSGI server is told by an error that it takes for a client that left, and its connection is reset."""
    application, _ = make_application([CHUNKED, b"3\r\none\r\n", error])
    server = Server(application, **{"gunicorn.socket": ends.ours})
    pieces = iter(server.body)
    assert [next(pieces), next(pieces)] == [b"", b"one"]
    with pytest.raises(ClientCut) as caught:
        next(pieces)
    assert isinstance(caught.value, ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        ends.client.recv(1)
    assert active(application) == 0
    server.close()


def test_a_cut_without_the_socket() -> None:
    """Where the WSGI server keeps its socket to itself, the error alone has to do."""
    server = ask([CHUNKED, b"3\r\none\r\n", errors.StreamReset("reset")])
    pieces = iter(server.body)
    assert [next(pieces), next(pieces)] == [b"", b"one"]
    with pytest.raises(ClientCut):
        next(pieces)


def test_a_whole_response_cuts_nobody(ends: Ends) -> None:
    """A response that came to its end leaves the client's connection as it is."""
    ask([CHUNKED, b"3\r\none\r\n", b"0\r\n\r\n"], **{"gunicorn.socket": ends.ours}).read()
    ends.ours.sendall(b"next")
    assert ends.client.recv(4) == b"next"


def test_a_start_that_fails_ends_the_exchange() -> None:
    """A WSGI server that does not like our head gets no body, and the server its connection back."""
    application, servers = make_application([CHUNKED, b"3\r\none\r\n"])

    def start_response(status: str, fields: list[tuple[str, str]]) -> Any:
        raise ValueError("Invalid status")

    with pytest.raises(ValueError, match="Invalid status"):
        application(make_environ(), start_response)
    assert active(application) == 0
    assert servers.streams[0].closed


def test_fields_that_are_not_for_applications() -> None:
    """What PEP 3333 forbids an application is left out, for servers raise on it."""
    fields = [b"Proxy-Authenticate: Basic", b"proxy-authorization: x", b"Trailers: x", b"Upgrade: h2c", b"TE: x"]
    assert ask([response(b"", *fields, b"X-A: 1")]).fields == [("Content-Length", "0"), ("X-A", "1")]


def test_bytes_beyond_ascii() -> None:
    """Reason and values are handed over as Latin-1, as PEP 3333 has it."""
    server = ask([response(b"", b"X-A: \xe4\xff", status=b"200 sch\xf6n")])
    assert server.status == "200 sch\xf6n"
    assert ("X-A", "\xe4\xff") in server.fields


class Closing(Server):
    """A WSGI server whose response can be told to be the last, as gunicorn's."""

    closes = False

    def force_close(self) -> None:
        assert not self.status, "after the head was made it is too late"
        self.closes = True


@pytest.mark.parametrize(
    ("keys", "closes"),
    [
        ({}, False),
        ({"HTTP_HOST": "a b"}, True),
        ({"CONTENT_LENGTH": "x"}, True),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, True),
        ({"CONTENT_LENGTH": "5"}, True),
    ],
)
def test_the_client_of_a_doubtful_request_is_closed(keys: dict[str, str], closes: bool) -> None:
    """Where it is in doubt where the next request begins, there is none."""
    application, _ = make_application([response(b"")])
    server = Closing(application, **keys)
    assert server.closes is closes
    assert server.status.startswith("4") is closes
    server.read()
    Server(application, **keys).read()  # And where nobody can be told, nothing breaks.


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        ([response(b"hello", TYPE)], {}),
        ([CHUNKED, b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"], {}),
        ([b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n\r\nuntil", b"close"], {}),
        ([response(b"", TYPE)[:-2] + b"\r\n"], {"REQUEST_METHOD": "HEAD"}),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], {}),
        ([response(b"made", TYPE)], {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "4", "body": Input(b"body")}),
        (errors.ConnectError("refused"), {}),
        ([errors.ReadTimeout("late")], {}),
    ],
)
def test_what_pep_3333_asks_of_an_application(script: Any, keys: dict[str, Any]) -> None:
    """The standard library's validator finds nothing wrong."""
    application, _ = make_application(script)
    environ: Environ = make_environ(
        **{
            "wsgi.version": (1, 0),
            "wsgi.errors": Errors(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **keys,
        }
    )
    environ["wsgi.input"] = WholeInput(environ["wsgi.input"])
    started: list[str] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started.append(status)
        return lambda data: None

    body = validator(application)(environ, start_response)
    try:
        assert isinstance(b"".join(body), bytes)
    finally:
        body.close()  # type: ignore[attr-defined]
    assert len(started) == 1


class WholeInput:
    """An input with all the methods that PEP 3333 lists."""

    def __init__(self, source: Any) -> None:
        self.read = source.read

    readline = readlines = __iter__ = lambda self: iter(())


class Errors:
    """Where nobody writes to."""

    flush = write = writelines = lambda self, *texts: None


# --- building


FILE = """
[listeners]
    [[web]]
    bind = 127.0.0.1:8080
    protocol = http
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:1
        [[[health]]]
        type = none
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that the application finds."""
    path = tmp_path / "deston.conf"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("DESTON_CONFIG", str(path))
    return path


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.stop()


def test_it_is_built_by_the_first_request(file: Path, application: Application) -> None:
    """Nothing is read before; afterwards everything is there."""
    assert application.runtime is None
    assert Server(application).status.startswith("503 ")
    assert application.runtime is not None


def test_it_is_built_once(file: Path, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask at the same time, one of them builds and the others wait for it."""
    loads = []
    together = threading.Barrier(8)

    def counted(*arguments: Any) -> Config:
        loads.append(arguments)
        return load(*arguments)

    def first_request() -> None:
        together.wait()
        statuses.append(Server(application).status)

    monkeypatch.setattr(wsgi, "load", counted)
    statuses: list[str] = []
    threads = [threading.Thread(target=first_request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert [status[:3] for status in statuses] == ["503"] * 8
    application.start()
    assert len(loads) == 1


def test_threads_share_an_application() -> None:
    """Requests may come from any thread, each with a hub of its own; every answer is whole, every lease released."""
    gc.collect()  # What other tests left with this thread's hub is not for another thread to free.
    application, servers = make_application(*[[response(b"x" * 100, b"Connection: close")] for _ in range(400)])
    bodies: list[bytes] = []

    def ask_often() -> None:
        for _ in range(50):
            bodies.append(Server(application).read())

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"x" * 100] * 400
    assert active(application) == 0
    assert all(stream.closed for stream in servers.streams)


def test_it_is_built_from_what_it_is_given(application: Application) -> None:
    """The worker's hook hands over the configuration that the arbiter has read."""
    application.start(make_config())
    runtime = application.runtime
    application.start(make_config())
    assert application.runtime is runtime
    assert application(make_environ(HTTP_HOST="a b"), lambda status, fields: None) == [b"400 Bad Request\n"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FILE.replace("pool = app", "pool = ap"), "no pool 'ap'"),
        (FILE.replace("protocol = http", "protocol = tcp"), "its listeners are TCP"),
        (FILE.replace("[[app]]\n", "[[app]]\n    tls_ca = /nowhere.pem\n").replace("a = ", "a = https://"), "nowhere"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_without_a_traceback(
    file: Path, application: Application, said: Sentences, text: str, sentence: str
) -> None:
    """Requests are answered with 500 until the file is set right."""
    file.write_text(text, encoding="utf-8")
    server = Server(application)
    assert server.status.startswith("500 ")
    assert server.read() == b"500 Internal Server Error\n"
    assert sentence in said.text
    file.write_text(FILE, encoding="utf-8")
    assert Server(application).status.startswith("503 ")


def test_stopping_what_never_started() -> None:
    """There is nothing to stop."""
    Application().stop()


def test_the_package_has_the_application(file: Path, application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """``deston.l7:app`` is a plain function of the package, for servers that look into its dictionary."""
    application.start(load(str(file), Protocol.HTTP))
    monkeypatch.setattr(wsgi, "application", application)
    assert Server(vars(deston.l7)["app"]).status.startswith("503 ")


def test_a_stream_of_the_application_is_never_left_open() -> None:
    """Whatever a server says first, the exchange is over when the WSGI server has closed the body."""
    for said in (b"", b"HTTP/1.1 200 OK\r\n\r\nbody", response(b"x" * 10)[:-1], b"what\r\n\r\n"):
        application, servers = make_application(FakeStream([said]))
        server = Server(application)
        server.close()
        assert active(application) == 0
        assert servers.streams[0].closed


# --- reloading


SECURED = """protocol = http
    tls = terminate
    tls_certificate = /nowhere.pem
    tls_key = /nowhere.key"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("protocol = http", SECURED, "/nowhere.pem"),
        ("protocol = http", "protocol = http\n    access_log = /nowhere/log", "/nowhere/log"),
        ("[[app]]", "[[app]]\n    algorithm = nomod:fact", "nomod:fact"),
        ("a = 127.0.0.1:1", "a = wsgi:nomod:app", "nomod:app"),
        ("pool = app", "pool = ap", "no pool 'ap'"),
    ],
)
def test_a_reload_with_what_cannot_be_used_changes_nothing(
    file: Path, application: Application, said: Sentences, old: str, new: str, told: str
) -> None:
    """Whatever a start would not take: the listeners, the pools and what later changes are applied to stay."""
    application.start()
    assert application.runtime is not None
    before = application.listeners, application._proxy, application.runtime.config, [*application.runtime.registry]
    file.write_text(FILE.replace(old, new), encoding="utf-8")
    application.runtime.on_reload()
    assert "the old one stays" in said.text
    assert told in said.text
    runtime = application.runtime
    assert (application.listeners, application._proxy, runtime.config, [*runtime.registry]) == before


@pytest.mark.parametrize("speaks_tls", [True, False])
def test_a_reload_never_leads_to_plain_text(
    file: Path, application: Application, said: Sentences, certificate: Certificate, speaks_tls: bool
) -> None:
    """A listener gets TLS only where whoever reads the requests speaks it."""
    application.start()
    application.speaks_tls = speaks_tls
    before = application.listeners
    secured = SECURED.replace("/nowhere.pem", str(certificate.certificate)).replace(
        "/nowhere.key", str(certificate.key)
    )
    file.write_text(FILE.replace("protocol = http", secured), encoding="utf-8")
    assert application.runtime is not None
    application.runtime.on_reload()
    assert (application.listeners is not before) is speaks_tls
    assert ("Deston's own worker alone speaks" in said.text) is not speaks_tls


def test_a_reload_forgets_no_limit(file: Path, application: Application) -> None:
    """Whoever has used up a rate has it used up afterwards."""
    file.write_text(FILE.replace("protocol = http", "protocol = http\n    rate_limit = 1/h"), encoding="utf-8")
    assert [Server(application).status[:3] for _ in range(2)] == ["503", "429"]
    assert application.runtime is not None
    file.write_text(file.read_text().replace("type = none", "type = tcp"), encoding="utf-8")
    application.runtime.on_reload()
    assert Server(application).status[:3] == "429"
