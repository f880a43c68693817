"""Our configuration in gunicorn's terms, and which listening sockets stay over a reload."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deston.address import Address, parse_address
from deston.errors import ConfigError, StartError
from deston.l4.arbiter import GRACE_BEYOND_DRAIN, L4Application, L4Arbiter, _bound_address, _socket_key, in_order
from tests.peers import has_ipv6
from tests.unit.l4.builders import make_listener

CONFIG = """
[global]
workers = 3
drain_timeout = 20s
[listeners]
    [[db]]
    bind = 127.0.0.1:5433
    protocol = tcp
    pool = app
    backlog = 100
    [[cache]]
    bind = unix:/run/cache.sock
    protocol = tcp
    pool = app
    backlog = 200
    [[web]]
    bind = 127.0.0.1:8080
    protocol = http
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:3000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two TCP listeners and one of HTTP."""
    file = tmp_path / "deston.conf"
    file.write_text(CONFIG)
    return file


def test_the_configuration_in_gunicorns_terms(file: Path) -> None:
    """gunicorn binds the TCP listeners only, waits for a drain and a little longer, and opens no socket of its own."""
    application = L4Application(str(file), None, None, "info")
    cfg = application.cfg
    assert cfg.address == [("127.0.0.1", 5433), "/run/cache.sock"]
    assert cfg.backlog == 200
    assert cfg.workers == 3
    assert cfg.graceful_timeout == 20 + GRACE_BEYOND_DRAIN
    assert cfg.worker_class_str == "deston.l4.worker.L4Worker"
    assert cfg.control_socket_disable
    assert [one.name for one in application.listeners] == ["db", "cache"]


def test_options_come_before_the_file(file: Path) -> None:
    """What the command line says of workers, pid file and log level holds, whatever the file says."""
    cfg = L4Application(str(file), 7, "deston.pid", "debug").cfg
    assert (cfg.workers, cfg.pidfile, cfg.loglevel) == (7, "deston.pid", "debug")


def test_a_broken_file(file: Path) -> None:
    """A file that cannot be used never becomes an application; one that breaks later leaves the old values."""
    application = L4Application(str(file), None, None, "info")
    file.write_text("[listeners")
    with pytest.raises(ConfigError):
        L4Application(str(file), None, None, "info")
    with pytest.raises(ConfigError):
        application.read()
    assert len(application.listeners) == 2


def test_a_file_without_tcp_listeners(file: Path) -> None:
    """A file for the other command is refused."""
    file.write_text(CONFIG.replace("protocol = tcp", "protocol = http"))
    with pytest.raises(ConfigError, match="deston.l7:app"):
        L4Application(str(file), None, None, "info")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a", "127.0.0.1:80"), ("a", "127.0.0.1:80"), True),
        (("a", "127.0.0.1:80"), ("renamed", "127.0.0.1:80"), True),
        (("a", "127.0.0.1:80"), ("a", "127.0.0.1:81"), False),
        (("a", "127.0.0.1:80"), ("a", "0.0.0.0:80"), False),
        (("a", "unix:/run/a"), ("renamed", "unix:/run/a"), True),
        (("a", "unix:/run/a"), ("a", "unix:/run/b"), False),
        # The system chose these ports: only the name can say which is which.
        (("a", "127.0.0.1:0"), ("a", "127.0.0.1:0"), True),
        (("a", "127.0.0.1:0"), ("b", "127.0.0.1:0"), False),
    ],
)
def test_which_sockets_stay_over_a_reload(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    """A socket stays where its address does, whatever the listener is called; without a port its name decides."""
    keys = [_socket_key(make_listener(name, bind=parse_address(bind, 0))) for name, bind in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_bound_addresses_are_told_as_they_are_written(tmp_path: Path) -> None:
    """What is announced of a socket is its address as a configuration would have it, with the port that it got."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert _bound_address(one) == f"127.0.0.1:{one.getsockname()[1]}"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "a.sock"))
        assert _bound_address(one) == f"unix:{tmp_path}/a.sock"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_bound_ipv6_address() -> None:
    """An IPv6 address is announced in brackets."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as one:
        assert _bound_address(one) == f"[::1]:{one.getsockname()[1]}"


def bound(*binds: Address) -> list[socket.socket]:
    return [socket.create_server((one.host, one.port)) for one in binds]


def test_sockets_find_their_listeners() -> None:
    """Those that were handed over are matched by address; a listener without a port gets what is left."""
    sockets = bound(*[Address("127.0.0.1")] * 3)
    try:
        places = [Address(*one.getsockname()) for one in sockets]
        listeners = [make_listener("c", bind=places[2]), make_listener("any"), make_listener("a", bind=places[0])]
        listeners[1] = make_listener("any", bind=Address("127.0.0.1", 0))
        assert in_order(listeners, sockets) == [sockets[2], sockets[1], sockets[0]]
        with pytest.raises(StartError, match="no socket for 127.0.0.1:1 is among"):
            in_order([make_listener("b", bind=Address("127.0.0.1", 1))], sockets)
        with pytest.raises(StartError, match="that no listener has"):
            in_order(listeners[:2], sockets)
    finally:
        for one in sockets:
            one.close()


def test_a_worker_that_cannot_have_its_sockets(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of and not forked; gunicorn tries again with its next turn, and the arbiter goes on."""
    application = L4Application(str(file), None, None, "info")
    text = file.read_text().replace("protocol = tcp", "protocol = udp", 1).replace("127.0.0.1:5433", "192.0.2.1:5433")
    file.write_text(text.replace("    backlog = 100\n", ""))
    application.config = application.read()
    arbiter = object.__new__(L4Arbiter)
    arbiter.app = application
    with caplog.at_level("ERROR", "deston.l4"):
        assert arbiter.spawn_worker() == 0
    assert "no worker can be started: 192.0.2.1:5433 (udp)" in caplog.text
    assert application.datagram_sockets == []
