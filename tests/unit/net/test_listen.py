"""Whether an address can be listened on: each reason why not has its sentence."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from deston.address import Address
from deston.errors import StartError
from deston.net.listen import require_bindable
from tests.peers import EchoServer, UnansweringPort, has_ipv6
from tests.starved import run_apart

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def sentence(*addresses: Address) -> str:
    """What is wrong with the first of these addresses."""
    with pytest.raises(StartError) as caught:
        require_bindable(addresses)
    assert caught.value.exit_status == 1
    return str(caught.value)


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0", "localhost"])
def test_a_free_port(host: str) -> None:
    """A port that nobody uses can be listened on, and is free again afterwards."""
    address = Address(host, free_port())
    require_bindable([address])
    require_bindable([address])


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_free_port_of_ipv6() -> None:
    """An IPv6 address can be listened on like any other."""
    require_bindable([Address("::1", 0)])


def test_a_used_port() -> None:
    """A port on which somebody listens is named, wherever it stands in the list."""
    with EchoServer() as server:
        assert sentence(Address(LOOPBACK, 0), server.address) == f"{server.address} is in use by another process"
        assert server.accepted == 0


def test_a_port_that_was_used_a_moment_ago() -> None:
    """A port whose old connections still linger can be listened on at once."""
    with EchoServer() as server, socket.create_connection((LOOPBACK, server.port)) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        server.stop()
        require_bindable([server.address])


def test_an_address_of_another_machine() -> None:
    """An address that this machine does not have is named."""
    assert sentence(Address("192.0.2.1", 8080)) == "192.0.2.1:8080 is not an address of this machine"


def test_a_name_that_leads_nowhere() -> None:
    """A name that cannot be resolved is named, with the resolver's reason."""
    assert sentence(Address("no.such.name.test", 8080)).startswith("no.such.name.test:8080 cannot be resolved: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_port_without_permission() -> None:
    """A low port that the user may not have says what is missing."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if lowest <= 80:
        pytest.skip("every port is open to everybody on this machine")
    printed = run_apart(
        """
from deston.address import Address
from deston.errors import StartError
from deston.net.listen import require_bindable

with without_privileges():
    try:
        require_bindable([Address("127.0.0.1", 80)])
    except StartError as error:
        print(error)
"""
    )
    assert printed == ("no permission to listen on 127.0.0.1:80 (ports below 1024 need CAP_NET_BIND_SERVICE)\n")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_an_error_without_a_sentence_of_its_own() -> None:
    """Whatever else the system says is passed on with the address."""
    assert sentence(Address("fe80::1", 8080)) == "[fe80::1]:8080: Invalid argument"


@pytest.mark.parametrize("name", ["LISTEN_FDS", "GUNICORN_FD"])
def test_inherited_sockets(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where the sockets come from outside nothing is tried: they are bound already."""
    monkeypatch.setenv(name, "3")
    with EchoServer() as server:
        require_bindable([server.address])


# Unix sockets.


def test_a_new_unix_socket(tmp_path: Path) -> None:
    """A path where nothing is can be listened on, and nothing is there afterwards."""
    require_bindable([Address(path=str(tmp_path / "a.sock"))])
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path without a folder is one of the current folder."""
    monkeypatch.chdir(tmp_path)
    require_bindable([Address(path="a.sock")])


def test_a_leftover_unix_socket(tmp_path: Path) -> None:
    """The file of a process that has gone will be replaced: it can be listened on."""
    with EchoServer(Address(path=str(tmp_path / "a.sock"))) as server:
        pass
    assert Path(server.address.path).is_socket()
    require_bindable([server.address])
    assert Path(server.address.path).is_socket()


def test_a_used_unix_socket(tmp_path: Path) -> None:
    """A unix socket on which somebody listens is in use, even if that somebody has no time to answer."""
    path = tmp_path / "a.sock"
    with EchoServer(Address(path=str(path))) as server:
        assert sentence(server.address) == f"unix:{path} is in use by another process"
    with UnansweringPort(server.address) as port:
        assert sentence(port.address) == f"unix:{path} is in use by another process"


def test_a_unix_socket_for_datagrams(tmp_path: Path) -> None:
    """A unix socket of another kind is in use, too: it would be taken from its owner."""
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(path))
        assert sentence(Address(path=str(path))) == f"unix:{path} is in use by another process"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_unix_socket_of_somebody_else() -> None:
    """A socket that may not even be connected to is left alone."""
    printed = run_apart(
        """
import os
import socket
import tempfile
from deston.address import Address
from deston.errors import StartError
from deston.net.listen import require_bindable

with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as one:
    os.chmod(folder, 0o777)
    path = folder + "/a.sock"
    one.bind(path)
    one.listen()
    os.chmod(path, 0o700)
    with without_privileges():
        try:
            require_bindable([Address(path=path)])
        except StartError as error:
            print(str(error).replace(folder, "FOLDER"))
"""
    )
    assert printed == "no permission to listen on unix:FOLDER/a.sock\n"


def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    """A file with content, or a folder, is not taken for a leftover socket."""
    file = tmp_path / "precious.txt"
    file.write_text("content")
    for path in (file, tmp_path):
        assert sentence(Address(path=str(path))) == f"unix:{path}: something that is no socket is there already"
    assert file.read_text() == "content"


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    """A missing folder is said to be missing."""
    path = tmp_path / "missing" / "a.sock"
    assert sentence(Address(path=str(path))) == f"unix:{path}: its folder does not exist"
    below_a_file = tmp_path / "file"
    below_a_file.write_text("")
    path = below_a_file / "a.sock"
    assert sentence(Address(path=str(path))) == f"unix:{path}: its folder does not exist"


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    """A path that no socket can have is said to be too long."""
    path = tmp_path / ("a" * 120)
    assert re.fullmatch(r"unix:\S+: .*path too long", sentence(Address(path=str(path))))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("leftover", [False, True])
def test_a_folder_without_permission(leftover: bool) -> None:
    """A folder that may not be written to takes no socket, nor lets an old one be replaced."""
    printed = run_apart(
        f"""
import os
import socket
import tempfile
from deston.address import Address
from deston.errors import StartError
from deston.net.listen import require_bindable

with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    path = folder + "/a.sock"
    if {leftover}:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path)
        os.chmod(path, 0o777)
    with without_privileges():
        try:
            require_bindable([Address(path=path)])
        except StartError as error:
            print(str(error).replace(folder, "FOLDER"))
"""
    )
    assert printed == "no permission to listen on unix:FOLDER/a.sock\n"
